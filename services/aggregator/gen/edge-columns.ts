// Generated from services/aggregator/model/edges/edge.columns.ts by scripts/generate-tables.ts: do not edit.

import { FIRST_ROWS, grownColumn, nextCapacity } from "../model/storage/capacity.ts";
import type { Column } from "../model/storage/column.ts";
import { writable } from "../model/storage/column.ts";

/** Edges. */
export const EDGES_MAX = 131072;

/** Columns of edges, read by everyone and written by the edge table. A row takes 125 bytes. */
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
  readonly client: Column = this._client;

  /** Number of the server's endpoint key. */
  readonly server: Column = this._server;

  /** Protocol number. */
  readonly protocol: Column = this._protocol;

  /** The server's port. */
  readonly port: Column = this._port;

  /** The port that the clients dialled, if it was not the server's own address and port. */
  readonly viaPort: Column = this._viaPort;

  /** Connections since the edge was first seen. */
  readonly connections: Column = this._connections;

  /** Connections that are open now. */
  readonly open: Column = this._open;

  /** Connections that are still in the connection table. */
  readonly retained: Column = this._retained;

  /** Connections that were refused; those that neither failed nor are pending were established. */
  readonly refused: Column = this._refused;

  /** Connections without an answer. */
  readonly timedOut: Column = this._timedOut;

  /** Connections whose outcome is not known yet. */
  readonly pending: Column = this._pending;

  /** The connection into which others of the edge are folded, or -1. */
  readonly aggregate: Column = this._aggregate;

  /** Connections with a client's socket as evidence. */
  readonly withClientSocket: Column = this._withClientSocket;

  /** Connections with a server's socket as evidence. */
  readonly withServerSocket: Column = this._withServerSocket;

  /** Connections with a flow as evidence. */
  readonly withFlow: Column = this._withFlow;

  /** Connections whose bytes are known. */
  readonly withBytes: Column = this._withBytes;

  /** Bytes from clients to the server of all connections, including closed and freed ones. */
  readonly bytesToServer: Column = this._bytesToServer;

  /** Bytes from the server to clients of all connections, including closed and freed ones. */
  readonly bytesToClient: Column = this._bytesToClient;

  /** When its first connection was first seen, in milliseconds since 1970 by the stream's clock. */
  readonly firstSeenMs: Column = this._firstSeenMs;

  /** When its last closed connection was last seen, in milliseconds since 1970 by the stream's clock. */
  readonly lastSeenMs: Column = this._lastSeenMs;

  /** Clears the counts of an edge without connections. */
  protected clearCounts(slot: number): void {
    this._connections[slot] = 0;
    this._open[slot] = 0;
    this._retained[slot] = 0;
    this._refused[slot] = 0;
    this._timedOut[slot] = 0;
    this._pending[slot] = 0;
    this._aggregate[slot] = -1;
    this._withClientSocket[slot] = 0;
    this._withServerSocket[slot] = 0;
    this._withFlow[slot] = 0;
    this._withBytes[slot] = 0;
    this._bytesToServer[slot] = 0;
    this._bytesToClient[slot] = 0;
  }

  /** Copies the columns that grow by copy into larger ones. */
  protected growByCopy(): void {
    const own = writable(this);
    const capacity = nextCapacity(this._client.length, EDGES_MAX);
    this._client = grownColumn(this._client, capacity);
    own.client = this._client;
    this._server = grownColumn(this._server, capacity);
    own.server = this._server;
    this._protocol = grownColumn(this._protocol, capacity);
    own.protocol = this._protocol;
    this._port = grownColumn(this._port, capacity);
    own.port = this._port;
    this._viaPort = grownColumn(this._viaPort, capacity);
    own.viaPort = this._viaPort;
    this._connections = grownColumn(this._connections, capacity);
    own.connections = this._connections;
    this._open = grownColumn(this._open, capacity);
    own.open = this._open;
    this._retained = grownColumn(this._retained, capacity);
    own.retained = this._retained;
    this._refused = grownColumn(this._refused, capacity);
    own.refused = this._refused;
    this._timedOut = grownColumn(this._timedOut, capacity);
    own.timedOut = this._timedOut;
    this._pending = grownColumn(this._pending, capacity);
    own.pending = this._pending;
    this._aggregate = grownColumn(this._aggregate, capacity);
    own.aggregate = this._aggregate;
    this._withClientSocket = grownColumn(this._withClientSocket, capacity);
    own.withClientSocket = this._withClientSocket;
    this._withServerSocket = grownColumn(this._withServerSocket, capacity);
    own.withServerSocket = this._withServerSocket;
    this._withFlow = grownColumn(this._withFlow, capacity);
    own.withFlow = this._withFlow;
    this._withBytes = grownColumn(this._withBytes, capacity);
    own.withBytes = this._withBytes;
    this._bytesToServer = grownColumn(this._bytesToServer, capacity);
    own.bytesToServer = this._bytesToServer;
    this._bytesToClient = grownColumn(this._bytesToClient, capacity);
    own.bytesToClient = this._bytesToClient;
    this._firstSeenMs = grownColumn(this._firstSeenMs, capacity);
    own.firstSeenMs = this._firstSeenMs;
    this._lastSeenMs = grownColumn(this._lastSeenMs, capacity);
    own.lastSeenMs = this._lastSeenMs;
  }
}
