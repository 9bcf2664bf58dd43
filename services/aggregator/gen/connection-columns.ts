// Generated from services/aggregator/model/connections/connection.columns.ts by scripts/generate-tables.ts: do not edit.

import { columnInPlace, FIRST_ROWS, growInPlace, grownColumn, nextCapacity } from "../model/storage/capacity.ts";
import type { Column } from "../model/storage/column.ts";
import { writable } from "../model/storage/column.ts";

/** Connections, live and recently ended. */
export const CONNECTIONS_MAX = 2097152;

/** Columns of connections, read by everyone and written by the connection table. A row takes 45 bytes. */
export class ConnectionColumns {
  protected _lifecycle = new Uint8Array(FIRST_ROWS);
  protected _traits = new Uint16Array(FIRST_ROWS);
  protected _outcome = new Uint8Array(FIRST_ROWS);
  protected _directionBy = new Uint8Array(FIRST_ROWS);
  protected _client = new Int32Array(FIRST_ROWS);
  protected _server = new Int32Array(FIRST_ROWS);
  protected _flow = new Int32Array(FIRST_ROWS);
  protected _firstSeenMs = new Float64Array(FIRST_ROWS);
  protected readonly _lastSeenMs = columnInPlace(Float64Array, CONNECTIONS_MAX);
  protected readonly _serial = columnInPlace(Uint32Array, CONNECTIONS_MAX);
  protected readonly _uidHigh = columnInPlace(Uint32Array, CONNECTIONS_MAX);
  protected readonly _uidLow = columnInPlace(Uint32Array, CONNECTIONS_MAX);

  /** As Lifecycle. */
  readonly lifecycle: Column = this._lifecycle;

  /** Bits of Trait. */
  readonly traits: Column = this._traits;

  /** As Outcome. */
  readonly outcome: Column = this._outcome;

  /** As DirectionBy. */
  readonly directionBy: Column = this._directionBy;

  /** Slot of the client's socket, or -1. */
  readonly client: Column = this._client;

  /** Slot of the server's socket, or -1. */
  readonly server: Column = this._server;

  /** Slot of the flow attached to the connection, or -1. */
  readonly flow: Column = this._flow;

  /** When it was first seen, in milliseconds since 1970 by the stream's clock. */
  readonly firstSeenMs: Column = this._firstSeenMs;

  /**
   * When it was last seen, in milliseconds since 1970 by the stream's clock, once it is closed; while it is
   * open, the time of its nodes' latest passes counts instead.
   */
  readonly lastSeenMs: Column = this._lastSeenMs;

  /** Distinguishes two connections that had the same slot. */
  readonly serial: Column = this._serial;

  /** High half of the stable id. */
  readonly uidHigh: Column = this._uidHigh;

  /** Low half of the stable id. */
  readonly uidLow: Column = this._uidLow;

  /** Clears all columns except the stable id. */
  protected clearRow(slot: number): void {
    this._lifecycle[slot] = 0;
    this._traits[slot] = 0;
    this._outcome[slot] = 0;
    this._directionBy[slot] = 0;
    this._client[slot] = -1;
    this._server[slot] = -1;
    this._flow[slot] = -1;
    this._firstSeenMs[slot] = 0;
    this._lastSeenMs[slot] = 0;
    this._serial[slot] = 0;
  }

  /** Grows the columns that grow in place by one step. */
  protected growInPlace(): void {
    growInPlace(
      [
        this._lastSeenMs,
        this._serial,
        this._uidHigh,
        this._uidLow,
      ],
      CONNECTIONS_MAX,
    );
  }

  /** Copies the columns that grow by copy into larger ones. */
  protected growByCopy(): void {
    const own = writable(this);
    const capacity = nextCapacity(this._lifecycle.length, CONNECTIONS_MAX);
    this._lifecycle = grownColumn(this._lifecycle, capacity);
    own.lifecycle = this._lifecycle;
    this._traits = grownColumn(this._traits, capacity);
    own.traits = this._traits;
    this._outcome = grownColumn(this._outcome, capacity);
    own.outcome = this._outcome;
    this._directionBy = grownColumn(this._directionBy, capacity);
    own.directionBy = this._directionBy;
    this._client = grownColumn(this._client, capacity);
    own.client = this._client;
    this._server = grownColumn(this._server, capacity);
    own.server = this._server;
    this._flow = grownColumn(this._flow, capacity);
    own.flow = this._flow;
    this._firstSeenMs = grownColumn(this._firstSeenMs, capacity);
    own.firstSeenMs = this._firstSeenMs;
  }
}
