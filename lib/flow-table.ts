// Flows (conntrack entries) in columns: the form in which the agent keeps them and reports carry them. One row costs
// 141 bytes and no object.

import type { ConntrackEntry } from "./conntrack/conntrack-entry.ts";

/** Rows that a table holds at most: 2^20 flows of one node (148 MB); what overflows is counted by who appends. */
export const FLOW_ROWS_MAX = 2 ** 20;

const columns = [
  ["id", Uint32Array, 1],
  ["namespace", Uint16Array, 1],
  ["protocol", Uint8Array, 1],
  ["family", Uint8Array, 1],
  ["state", Uint8Array, 1],
  ["status", Uint32Array, 1],
  ["addresses", Uint32Array, 16],
  ["ports", Uint16Array, 4],
  ["zone", Uint16Array, 1],
  ["mark", Uint32Array, 1],
  ["deadline", Uint32Array, 1],
  ["kernelId", Uint32Array, 1],
  ["counters", Float64Array, 4],
  ["startMs", Float64Array, 1],
  ["firstSeen", Uint32Array, 1],
] as const;

/** Flows, one row each. */
export class FlowTable {
  /** Rows in use. */
  length = 0;
  /** Ids of the agent's choosing, unique among living flows of an epoch; 0 before one was given. */
  id!: Uint32Array;
  /** Ids of the network namespaces in whose table the flow is. */
  namespace!: Uint16Array;
  /** IANA protocol numbers. */
  protocol!: Uint8Array;
  /** 4 or 6. */
  family!: Uint8Array;
  /** The kernel's number of the protocol's state (lib/vocabulary/states.ts). */
  state!: Uint8Array;
  /** Bits of FlowStatus. */
  status!: Uint32Array;
  /** Sixteen words a row: four addresses in network order (IPv4 mapped), by Place of lib/conntrack/conntrack-entry.ts. */
  addresses!: Uint32Array;
  /** Four a row, by Place: ports, gre keys, or icmp's id and type * 256 + code. */
  ports!: Uint16Array;
  zone!: Uint16Array;
  mark!: Uint32Array;
  /** When the flow ends unless it is used again, in ticks since the epoch's start; 0 where unknown. */
  deadline!: Uint32Array;
  /** The kernel's id of the entry; 0 where unknown. */
  kernelId!: Uint32Array;
  /** Four a row: packets and bytes of the original direction, then of the reply's; zeros where the kernel keeps none. */
  counters!: Float64Array;
  /** Milliseconds since 1970 by the node's clock when the flow began; 0 where the kernel keeps no times. */
  startMs!: Float64Array;
  /** Ticks since the epoch's start when the flow was first seen. */
  firstSeen!: Uint32Array;

  constructor(capacity = 64) {
    this.#allocate(Math.max(1, capacity));
  }

  /** Rows that fit before the columns must grow. */
  get capacity(): number {
    return this.id.length;
  }

  /** Makes room for one more row, which is not cleared, and gives its index, or -1 where FLOW_ROWS_MAX is reached. */
  append(): number {
    if (this.length === this.capacity) {
      if (this.length >= FLOW_ROWS_MAX) return -1;
      this.#allocate(Math.min(FLOW_ROWS_MAX, this.capacity * 2));
    }
    return this.length++;
  }

  /** Appends a copy of another table's row; gives its index, or -1 where the table is full. */
  appendRow(from: FlowTable, fromRow: number): number {
    const row = this.append();
    if (row >= 0) this.copyRow(row, from, fromRow);
    return row;
  }

  /** Copies one row of another table over a row of this one. Column by column: a loop over their names costs four times as much. */
  copyRow(row: number, from: FlowTable, fromRow: number): void {
    this.id[row] = from.id[fromRow]!;
    this.namespace[row] = from.namespace[fromRow]!;
    this.protocol[row] = from.protocol[fromRow]!;
    this.family[row] = from.family[fromRow]!;
    this.state[row] = from.state[fromRow]!;
    this.status[row] = from.status[fromRow]!;
    this.zone[row] = from.zone[fromRow]!;
    this.mark[row] = from.mark[fromRow]!;
    this.deadline[row] = from.deadline[fromRow]!;
    this.kernelId[row] = from.kernelId[fromRow]!;
    this.startMs[row] = from.startMs[fromRow]!;
    this.firstSeen[row] = from.firstSeen[fromRow]!;
    const { addresses, ports, counters } = from;
    for (let i = 0; i < 16; i++) this.addresses[row * 16 + i] = addresses[fromRow * 16 + i]!;
    for (let i = 0; i < 4; i++) {
      this.ports[row * 4 + i] = ports[fromRow * 4 + i]!;
      this.counters[row * 4 + i] = counters[fromRow * 4 + i]!;
    }
  }

  /** Takes over what an entry says of a flow: everything but id, namespace, deadline and firstSeen. */
  write(row: number, entry: ConntrackEntry): void {
    this.protocol[row] = entry.protocol;
    this.family[row] = entry.family;
    this.state[row] = entry.state;
    this.status[row] = entry.status;
    for (let i = 0; i < 16; i++) this.addresses[row * 16 + i] = entry.addresses[i]!;
    for (let i = 0; i < 4; i++) {
      this.ports[row * 4 + i] = entry.ports[i]!;
      this.counters[row * 4 + i] = entry.counters[i]!;
    }
    this.zone[row] = entry.zone;
    this.mark[row] = entry.mark;
    this.kernelId[row] = entry.id;
    this.startMs[row] = entry.startMs;
  }

  #allocate(capacity: number): void {
    for (const [name, Column, width] of columns) {
      const grown = new Column(capacity * width);
      if (this[name]) grown.set(this[name]);
      // Each column's own type is in `columns`; TypeScript cannot follow it through the loop.
      Object.assign(this, { [name]: grown });
    }
  }
}
