// The columns of the flow table: 103 bytes a flow.

import { FIRST_ROWS, grownColumn, nextCapacity } from "../storage/capacity.ts";
import type { Column } from "../storage/column.ts";

/** Flows at most: those of a hundred nodes with ten thousand each; what overflows is counted. */
export const FLOWS_MAX = 2 ** 20;

/** Columns of flows, read by everyone and written by the flow table. */
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
  protected _goneMs = new Float64Array(FIRST_ROWS);
  protected _references = new Uint32Array(FIRST_ROWS);
  protected _keyframe = new Uint8Array(FIRST_ROWS);

  /** The agent's id. */
  get id(): Column {
    return this._id;
  }

  /** Number of the network namespace whose table has the flow. */
  get namespace(): Column {
    return this._namespace;
  }

  get protocol(): Column {
    return this._protocol;
  }

  get state(): Column {
    return this._state;
  }

  get status(): Column {
    return this._status;
  }

  get zone(): Column {
    return this._zone;
  }

  /** Ticks since the agent's start at which the flow was first seen. */
  get tick(): Column {
    return this._tick;
  }

  /** Bits of FlowFlag. */
  get flags(): Column {
    return this._flags;
  }

  /** The connection that rests on the flow, or that the flow makes alone; -1 if there is none. */
  get connection(): Column {
    return this._connection;
  }

  /** The flow on another node that translates again what this one has translated; -1 if there is none. */
  get next(): Column {
    return this._next;
  }

  /** Four a slot, by FlowPlace: numbers of addresses. */
  get addresses(): Column {
    return this._addresses;
  }

  /** Four a slot, by FlowPlace. Of ICMP the client's port is the id and the server's is type * 256 + code as the client sends them, in both tuples, so that they mirror each other as ports do. */
  get ports(): Column {
    return this._ports;
  }

  /** Four a slot: packets and bytes of the original direction, then of the reply's; zeros where none are kept. */
  get counters(): Column {
    return this._counters;
  }

  /** When the flow was first seen, in milliseconds since 1970 by the stream's clock. */
  get sinceMs(): Column {
    return this._sinceMs;
  }

  /** When the flow was found gone; 0 while it exists. */
  get goneMs(): Column {
    return this._goneMs;
  }

  /** Reasons to keep the flow once it is gone: connections, a wait, the flow before it in a chain. */
  get references(): Column {
    return this._references;
  }

  /** Number of the keyframe that last named the flow, modulo 256. */
  get keyframe(): Column {
    return this._keyframe;
  }

  /** Copies the other columns into larger ones. */
  protected growByCopy(): void {
    const capacity = nextCapacity(this._id.length, FLOWS_MAX);
    this._id = grownColumn(this._id, capacity);
    this._namespace = grownColumn(this._namespace, capacity);
    this._protocol = grownColumn(this._protocol, capacity);
    this._state = grownColumn(this._state, capacity);
    this._status = grownColumn(this._status, capacity);
    this._zone = grownColumn(this._zone, capacity);
    this._tick = grownColumn(this._tick, capacity);
    this._flags = grownColumn(this._flags, capacity);
    this._connection = grownColumn(this._connection, capacity);
    this._next = grownColumn(this._next, capacity);
    this._addresses = grownColumn(this._addresses, capacity * 4);
    this._ports = grownColumn(this._ports, capacity * 4);
    this._counters = grownColumn(this._counters, capacity * 4);
    this._sinceMs = grownColumn(this._sinceMs, capacity);
    this._goneMs = grownColumn(this._goneMs, capacity);
    this._references = grownColumn(this._references, capacity);
    this._keyframe = grownColumn(this._keyframe, capacity);
  }
}
