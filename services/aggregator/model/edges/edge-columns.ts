// The columns of the edge table.

import { FIRST_ROWS, grownColumn, nextCapacity } from "../storage/capacity.ts";
import type { Column } from "../storage/column.ts";

/** Edges at most. */
export const EDGES_MAX = 2 ** 17;

/** Columns of edges, read by everyone and written by the edge table. */
export class EdgeColumns {
  protected _client = new Uint32Array(FIRST_ROWS);
  protected _server = new Uint32Array(FIRST_ROWS);
  protected _protocol = new Uint8Array(FIRST_ROWS);
  protected _port = new Uint16Array(FIRST_ROWS);
  protected _viaPort = new Uint16Array(FIRST_ROWS);
  protected _connections = new Float64Array(FIRST_ROWS);
  protected _open = new Float64Array(FIRST_ROWS);
  protected _retained = new Uint32Array(FIRST_ROWS);
  protected _refused = new Float64Array(FIRST_ROWS);
  protected _timedOut = new Float64Array(FIRST_ROWS);
  protected _pending = new Float64Array(FIRST_ROWS);
  protected _aggregate = new Int32Array(FIRST_ROWS);
  protected _withClientSocket = new Float64Array(FIRST_ROWS);
  protected _withServerSocket = new Float64Array(FIRST_ROWS);
  protected _withFlow = new Float64Array(FIRST_ROWS);
  protected _withBytes = new Float64Array(FIRST_ROWS);
  protected _bytesToServer = new Float64Array(FIRST_ROWS);
  protected _bytesToClient = new Float64Array(FIRST_ROWS);
  protected _firstSeenMs = new Float64Array(FIRST_ROWS);
  protected _lastSeenMs = new Float64Array(FIRST_ROWS);

  /** Number of the client's endpoint key. */
  get client(): Column {
    return this._client;
  }

  /** Number of the server's endpoint key. */
  get server(): Column {
    return this._server;
  }

  get protocol(): Column {
    return this._protocol;
  }

  /** The server's port. */
  get port(): Column {
    return this._port;
  }

  /** The port that the clients dialled, where it was not the server's own address and port. */
  get viaPort(): Column {
    return this._viaPort;
  }

  /** Connections since the edge was first seen. */
  get connections(): Column {
    return this._connections;
  }

  /** Connections that are open now. */
  get open(): Column {
    return this._open;
  }

  /** Connections that are still in the connection table. */
  get retained(): Column {
    return this._retained;
  }

  /** Connections that were refused; those that neither failed nor are pending were established. */
  get refused(): Column {
    return this._refused;
  }

  get timedOut(): Column {
    return this._timedOut;
  }

  get pending(): Column {
    return this._pending;
  }

  /** The connection into which others of the edge are folded, or -1. */
  get aggregate(): Column {
    return this._aggregate;
  }

  /** Connections that rest on a client's socket. */
  get withClientSocket(): Column {
    return this._withClientSocket;
  }

  get withServerSocket(): Column {
    return this._withServerSocket;
  }

  get withFlow(): Column {
    return this._withFlow;
  }

  /** Connections whose bytes are known. */
  get withBytes(): Column {
    return this._withBytes;
  }

  /** Bytes of all connections, the closed and forgotten ones included. */
  get bytesToServer(): Column {
    return this._bytesToServer;
  }

  get bytesToClient(): Column {
    return this._bytesToClient;
  }

  get firstSeenMs(): Column {
    return this._firstSeenMs;
  }

  get lastSeenMs(): Column {
    return this._lastSeenMs;
  }

  /** Copies the other columns into larger ones. */
  protected growByCopy(): void {
    const capacity = nextCapacity(this._client.length, EDGES_MAX);
    this._client = grownColumn(this._client, capacity);
    this._server = grownColumn(this._server, capacity);
    this._protocol = grownColumn(this._protocol, capacity);
    this._port = grownColumn(this._port, capacity);
    this._viaPort = grownColumn(this._viaPort, capacity);
    this._connections = grownColumn(this._connections, capacity);
    this._open = grownColumn(this._open, capacity);
    this._retained = grownColumn(this._retained, capacity);
    this._refused = grownColumn(this._refused, capacity);
    this._timedOut = grownColumn(this._timedOut, capacity);
    this._pending = grownColumn(this._pending, capacity);
    this._aggregate = grownColumn(this._aggregate, capacity);
    this._withClientSocket = grownColumn(this._withClientSocket, capacity);
    this._withServerSocket = grownColumn(this._withServerSocket, capacity);
    this._withFlow = grownColumn(this._withFlow, capacity);
    this._withBytes = grownColumn(this._withBytes, capacity);
    this._bytesToServer = grownColumn(this._bytesToServer, capacity);
    this._bytesToClient = grownColumn(this._bytesToClient, capacity);
    this._firstSeenMs = grownColumn(this._firstSeenMs, capacity);
    this._lastSeenMs = grownColumn(this._lastSeenMs, capacity);
  }
}
