// Generated from services/aggregator/model/flows/flow.columns.ts by scripts/generate-tables.ts: do not edit.

import { FIRST_ROWS, grownColumn, nextCapacity } from "../model/storage/capacity.ts";
import type { Column } from "../model/storage/column.ts";
import { writable } from "../model/storage/column.ts";

/** Flows of a hundred nodes with ten thousand each; what overflows is counted. */
export const FLOWS_MAX = 1048576;

/** Columns of flows, read by everyone and written by the flow table. A row takes 114 bytes. */
export class FlowColumns {
  protected _id = new Uint32Array(FIRST_ROWS);
  protected _namespace = new Uint32Array(FIRST_ROWS);
  protected _protocol = new Uint8Array(FIRST_ROWS);
  protected _state = new Uint8Array(FIRST_ROWS);
  protected _status = new Uint32Array(FIRST_ROWS);
  protected _zone = new Uint16Array(FIRST_ROWS);
  protected _tick = new Uint32Array(FIRST_ROWS);
  protected _flags = new Uint8Array(FIRST_ROWS);
  protected _connection = new Int32Array(FIRST_ROWS);
  protected _next = new Int32Array(FIRST_ROWS);
  protected _addresses = new Uint32Array(FIRST_ROWS * 4);
  protected _ports = new Uint16Array(FIRST_ROWS * 4);
  protected _counters = new Float64Array(FIRST_ROWS * 4);
  protected _sinceMs = new Float64Array(FIRST_ROWS);
  protected _bornAfterMs = new Float64Array(FIRST_ROWS);
  protected _goneMs = new Float64Array(FIRST_ROWS);
  protected _references = new Uint32Array(FIRST_ROWS);
  protected _keyframe = new Uint8Array(FIRST_ROWS);

  /** The agent's id. */
  readonly id: Column = this._id;

  /** Slot of the network namespace whose table has the flow. */
  readonly namespace: Column = this._namespace;

  /** IANA protocol number. */
  readonly protocol: Column = this._protocol;

  /** The kernel's number of the protocol's state. */
  readonly state: Column = this._state;

  /** Bits of FlowStatus. */
  readonly status: Column = this._status;

  /** Conntrack zone. */
  readonly zone: Column = this._zone;

  /** Ticks since the agent's start at which the flow was first seen. */
  readonly tick: Column = this._tick;

  /** Bits of FlowFlag. */
  readonly flags: Column = this._flags;

  /** The connection that the flow is attached to, or that it makes alone; -1 if there is none. */
  readonly connection: Column = this._connection;

  /** The flow on another node that translates this flow's packets again; -1 if there is none. */
  readonly next: Column = this._next;

  /** Four per slot, by FlowPlace: address numbers. */
  readonly addresses: Column = this._addresses;

  /**
   * Four per slot, by FlowPlace. For ICMP, the client's port is the id and the server's is type * 256 + code
   * as the client sends them, in both tuples, so that they mirror each other as ports do.
   */
  readonly ports: Column = this._ports;

  /**
   * Four per slot: packets and bytes of the original direction, then of the reply's; zeros without
   * accounting.
   */
  readonly counters: Column = this._counters;

  /** When the flow was first seen, in milliseconds since 1970 by the stream's clock. */
  readonly sinceMs: Column = this._sinceMs;

  /**
   * When the flow began, at the earliest, in milliseconds since 1970 by the stream's clock: its node did not
   * have it then.
   */
  readonly bornAfterMs: Column = this._bornAfterMs;

  /** When the flow was found gone; 0 while it exists. */
  readonly goneMs: Column = this._goneMs;

  /** References that keep the flow once it is gone: connections, a wait, the flow before it in a chain. */
  readonly references: Column = this._references;

  /** Number of the keyframe that last named the flow, modulo 256. */
  readonly keyframe: Column = this._keyframe;

  /** Clears the columns that reports do not set: nothing refers to the flow, and it refers to nothing. */
  protected clearLife(slot: number): void {
    this._flags[slot] = 0;
    this._connection[slot] = -1;
    this._next[slot] = -1;
    this._goneMs[slot] = 0;
    this._references[slot] = 0;
  }

  /** Copies the columns that grow by copy into larger ones. */
  protected growByCopy(): void {
    const own = writable(this);
    const capacity = nextCapacity(this._id.length, FLOWS_MAX);
    this._id = grownColumn(this._id, capacity);
    own.id = this._id;
    this._namespace = grownColumn(this._namespace, capacity);
    own.namespace = this._namespace;
    this._protocol = grownColumn(this._protocol, capacity);
    own.protocol = this._protocol;
    this._state = grownColumn(this._state, capacity);
    own.state = this._state;
    this._status = grownColumn(this._status, capacity);
    own.status = this._status;
    this._zone = grownColumn(this._zone, capacity);
    own.zone = this._zone;
    this._tick = grownColumn(this._tick, capacity);
    own.tick = this._tick;
    this._flags = grownColumn(this._flags, capacity);
    own.flags = this._flags;
    this._connection = grownColumn(this._connection, capacity);
    own.connection = this._connection;
    this._next = grownColumn(this._next, capacity);
    own.next = this._next;
    this._addresses = grownColumn(this._addresses, capacity * 4);
    own.addresses = this._addresses;
    this._ports = grownColumn(this._ports, capacity * 4);
    own.ports = this._ports;
    this._counters = grownColumn(this._counters, capacity * 4);
    own.counters = this._counters;
    this._sinceMs = grownColumn(this._sinceMs, capacity);
    own.sinceMs = this._sinceMs;
    this._bornAfterMs = grownColumn(this._bornAfterMs, capacity);
    own.bornAfterMs = this._bornAfterMs;
    this._goneMs = grownColumn(this._goneMs, capacity);
    own.goneMs = this._goneMs;
    this._references = grownColumn(this._references, capacity);
    own.references = this._references;
    this._keyframe = grownColumn(this._keyframe, capacity);
    own.keyframe = this._keyframe;
  }
}
