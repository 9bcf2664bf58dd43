// Generated from lib/tables/flow.columns.ts by scripts/generate-tables.ts: do not edit.

import type { TableColumns } from "../../table-codec.ts";

/**
 * Maximum rows of a table: 2^20 flows of one node; the appending code counts overflows. So many take 133 MB.
 */
export const FLOW_ROWS_MAX = 1048576;

/** Flows (conntrack entries), one row each. A row takes 127 bytes. */
export class FlowColumns {
  /** Rows in use. */
  length = 0;
  /** Id assigned by the agent, unique among living flows of an epoch. */
  id: Uint32Array;
  /** Id of the network namespace whose table has the flow. */
  namespace: Uint16Array;
  /** IANA protocol number. */
  protocol: Uint8Array;
  /** 4 or 6. */
  family: Uint8Array;
  /** State of the protocol, if it has states (tcp, sctp, dccp). */
  state: Uint8Array;
  /** Status bits (2 seen reply, 4 assured, 16 source translated, 32 destination translated …). */
  status: Uint32Array;
  /** 16 a row. Source and destination of the original direction, then of the reply direction. */
  addresses: Uint32Array;
  /**
   * 4 a row. In the same order as the addresses: ports, or gre keys; for icmp the id as source and type * 256
   * + code as destination.
   */
  ports: Uint16Array;
  /** Conntrack zone. */
  zone: Uint16Array;
  /** The kernel's id of the entry, by which the agent recognizes it; 0 if unknown. */
  kernelId: Uint32Array;
  /**
   * 4 a row. Packets and bytes of the original direction, then of the reply direction; zeros if the kernel
   * does not count (nf_conntrack_acct).
   */
  counters: Float64Array;
  /** Ticks since the epoch's start when the flow was first seen. */
  firstSeen: Uint32Array;

  constructor(capacity = 64) {
    this.id = new Uint32Array(capacity);
    this.namespace = new Uint16Array(capacity);
    this.protocol = new Uint8Array(capacity);
    this.family = new Uint8Array(capacity);
    this.state = new Uint8Array(capacity);
    this.status = new Uint32Array(capacity);
    this.addresses = new Uint32Array(capacity * 16);
    this.ports = new Uint16Array(capacity * 4);
    this.zone = new Uint16Array(capacity);
    this.kernelId = new Uint32Array(capacity);
    this.counters = new Float64Array(capacity * 4);
    this.firstSeen = new Uint32Array(capacity);
  }

  /** Rows that fit before the columns must grow. */
  get capacity(): number {
    return this.id.length;
  }

  /** Makes room for one more row, which is not cleared; returns its index, or -1 if FLOW_ROWS_MAX is reached. */
  append(): number {
    if (this.length === this.capacity) {
      if (this.length >= FLOW_ROWS_MAX) return -1;
      this.#grow();
    }
    return this.length++;
  }

  /** Appends a copy of another table's row; returns its index, or -1 if the table is full. */
  appendRow(from: FlowColumns, fromRow: number): number {
    const row = this.append();
    if (row >= 0) this.copyRow(row, from, fromRow);
    return row;
  }

  /** Appends rows [from, to) of another table, at a tenth of the cost of row by row; returns how many fitted. */
  appendRows(other: FlowColumns, from: number, to: number): number {
    const count = Math.min(to - from, FLOW_ROWS_MAX - this.length);
    while (this.length + count > this.capacity) this.#grow();
    this.id.set(other.id.subarray(from, from + count), this.length);
    this.namespace.set(other.namespace.subarray(from, from + count), this.length);
    this.protocol.set(other.protocol.subarray(from, from + count), this.length);
    this.family.set(other.family.subarray(from, from + count), this.length);
    this.state.set(other.state.subarray(from, from + count), this.length);
    this.status.set(other.status.subarray(from, from + count), this.length);
    this.addresses.set(other.addresses.subarray(from * 16, (from + count) * 16), this.length * 16);
    this.ports.set(other.ports.subarray(from * 4, (from + count) * 4), this.length * 4);
    this.zone.set(other.zone.subarray(from, from + count), this.length);
    this.kernelId.set(other.kernelId.subarray(from, from + count), this.length);
    this.counters.set(other.counters.subarray(from * 4, (from + count) * 4), this.length * 4);
    this.firstSeen.set(other.firstSeen.subarray(from, from + count), this.length);
    this.length += count;
    return count;
  }

  /** Copies one row of another table over a row of this one. */
  copyRow(row: number, from: FlowColumns, fromRow: number): void {
    this.id[row] = from.id[fromRow]!;
    this.namespace[row] = from.namespace[fromRow]!;
    this.protocol[row] = from.protocol[fromRow]!;
    this.family[row] = from.family[fromRow]!;
    this.state[row] = from.state[fromRow]!;
    this.status[row] = from.status[fromRow]!;
    for (let i = 0; i < 16; i++) this.addresses[row * 16 + i] = from.addresses[fromRow * 16 + i]!;
    for (let i = 0; i < 4; i++) this.ports[row * 4 + i] = from.ports[fromRow * 4 + i]!;
    this.zone[row] = from.zone[fromRow]!;
    this.kernelId[row] = from.kernelId[fromRow]!;
    for (let i = 0; i < 4; i++) this.counters[row * 4 + i] = from.counters[fromRow * 4 + i]!;
    this.firstSeen[row] = from.firstSeen[fromRow]!;
  }

  /** Removes all rows, keeping the memory. */
  clear(): void {
    this.length = 0;
  }

  #grow(): void {
    const capacity = Math.min(FLOW_ROWS_MAX, Math.max(1, this.capacity * 2));
    const id = new Uint32Array(capacity);
    id.set(this.id);
    this.id = id;
    const namespace = new Uint16Array(capacity);
    namespace.set(this.namespace);
    this.namespace = namespace;
    const protocol = new Uint8Array(capacity);
    protocol.set(this.protocol);
    this.protocol = protocol;
    const family = new Uint8Array(capacity);
    family.set(this.family);
    this.family = family;
    const state = new Uint8Array(capacity);
    state.set(this.state);
    this.state = state;
    const status = new Uint32Array(capacity);
    status.set(this.status);
    this.status = status;
    const addresses = new Uint32Array(capacity * 16);
    addresses.set(this.addresses);
    this.addresses = addresses;
    const ports = new Uint16Array(capacity * 4);
    ports.set(this.ports);
    this.ports = ports;
    const zone = new Uint16Array(capacity);
    zone.set(this.zone);
    this.zone = zone;
    const kernelId = new Uint32Array(capacity);
    kernelId.set(this.kernelId);
    this.kernelId = kernelId;
    const counters = new Float64Array(capacity * 4);
    counters.set(this.counters);
    this.counters = counters;
    const firstSeen = new Uint32Array(capacity);
    firstSeen.set(this.firstSeen);
    this.firstSeen = firstSeen;
  }
}

/** Bytes of a row on the wire at most: every column, IPv6 addresses. */
export const FLOW_WIRE_BYTES = 123;

/** Maps columns to the fields of FlowColumns (report.proto). */
export const flowColumns: TableColumns<FlowColumns> = {
  key: [2, "id"],
  columns: [
    [3, "namespace"],
    [4, "protocol"],
    [5, "family"],
    [6, "state"],
    [7, "status"],
    [9, "ports", 4],
    [10, "zone"],
    [14, "counters", 4],
    [16, "firstSeen"],
  ],
  addresses: [8, 4],
};

/** Bytes of a change on the wire at most. */
export const FLOW_CHANGE_WIRE_BYTES = 41;

/** Maps columns to the fields of FlowChangeColumns (report.proto). */
export const flowChangeColumns: TableColumns<FlowColumns> = {
  key: [2, "id"],
  columns: [
    [3, "state"],
    [4, "status"],
    [7, "counters", 4],
  ],
};
