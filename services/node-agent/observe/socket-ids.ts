// Gives each socket of a pass the id that it had in the pass before, or a new one. A socket keeps its id while it
// goes on as the same kernel object under another inode number: accept() gives an inode to a connection that had none,
// close() takes it away (the orphan goes through FIN_WAIT and TIME_WAIT with inode 0).

import { SocketState } from "../../../lib/words.ts";
import type { SocketTable } from "../../../lib/socket-table.ts";
import type { IdPool } from "./id-pool.ts";

/** Ticks of 10 ms by which a timer's end may move between two passes and still count as the same end. */
const TIMER_JITTER_TICKS = 50;

/** What settling ids found out. */
export interface SettledSockets {
  /** For each row of the new pass the row of the old one that it continues, or -1. */
  readonly previousRows: Int32Array;
  /** Whether every row continues, inode and all, the row in its place: the same sockets in the same order. */
  readonly unmoved: boolean;
  /** New ends of TCP connections: rows that continue nothing and do not listen. */
  readonly newTcpEnds: number;
}

/**
 * Fills id, firstSeen and, where a timer only jittered, timerDeadline of every row of `next`. Both tables are of the
 * same epoch; `ticks` is the time of the pass. Costs about 30 ns a row while rows come in the same order as before.
 */
export function settleSockets(
  previous: SocketTable,
  next: SocketTable,
  ids: IdPool,
  ticks: number,
): SettledSockets {
  const index = new TupleIndex(previous);
  const previousRows = new Int32Array(next.length).fill(-1);
  const taken = new Uint8Array(previous.length);
  const unmoved = matchExactly(previous, next, index, previousRows, taken) && next.length === previous.length;
  let newTcpEnds = 0;
  for (let row = 0; row < next.length; row++) {
    if (previousRows[row]! < 0) previousRows[row] = findContinued(previous, next, row, index, taken);
    const before = previousRows[row]!;
    if (before >= 0) {
      next.id[row] = previous.id[before]!;
      next.firstSeen[row] = previous.firstSeen[before]!;
      keepDeadline(previous, before, next, row);
    } else {
      next.id[row] = ids.take();
      next.firstSeen[row] = ticks;
      if (next.protocol[row] === 6 && next.state[row] !== SocketState.LISTEN) newTcpEnds++;
    }
  }
  for (let row = 0; row < previous.length; row++) if (taken[row] === 0) ids.giveBack(previous.id[row]!);
  return { previousRows, unmoved, newTcpEnds };
}

// Whether every row was found in its place.
function matchExactly(
  previous: SocketTable,
  next: SocketTable,
  index: TupleIndex,
  previousRows: Int32Array,
  taken: Uint8Array,
): boolean {
  let expected = 0;
  let inPlace = true;
  for (let row = 0; row < next.length; row++) {
    let before = -1;
    if (expected < previous.length && taken[expected] === 0 && isSameSocket(previous, expected, next, row)) {
      before = expected;
    } else {
      for (let found = index.first(next, row); found >= 0; found = index.after(found)) {
        if (taken[found] === 0 && isSameSocket(previous, found, next, row)) {
          before = found;
          break;
        }
      }
    }
    inPlace &&= before === row;
    if (before >= 0) {
      previousRows[row] = before;
      taken[before] = 1;
      expected = before + 1;
    }
  }
  return inPlace;
}

function isSameSocket(previous: SocketTable, before: number, next: SocketTable, row: number): boolean {
  const inode = next.inode[row]!;
  return (
    previous.inode[before] === inode &&
    sameTuple(previous, before, next, row) &&
    !(inode === 0 && beginsAnew(previous.state[before]!, next.state[row]!))
  );
}

function findContinued(
  previous: SocketTable,
  next: SocketTable,
  row: number,
  index: TupleIndex,
  taken: Uint8Array,
): number {
  for (let found = index.first(next, row); found >= 0; found = index.after(found)) {
    if (taken[found] !== 0 || !sameTuple(previous, found, next, row)) continue;
    const closed = previous.inode[found] !== 0 && next.inode[row] === 0 && isClosing(next.state[row]!);
    const accepted =
      previous.inode[found] === 0 && next.inode[row] !== 0 && !isClosing(previous.state[found]!);
    if (closed || accepted) {
      taken[found] = 1;
      return found;
    }
  }
  return -1;
}

function isClosing(state: number): boolean {
  return (
    (state >= SocketState.FIN_WAIT1 && state <= SocketState.CLOSE) ||
    state === SocketState.LAST_ACK ||
    state === SocketState.CLOSING
  );
}

// A TIME_WAIT entry whose tuple is used again before accept(): the same tuple, inode 0 twice, another connection.
function beginsAnew(before: number, now: number): boolean {
  return isClosing(before) && !isClosing(now) && before !== SocketState.CLOSE;
}

// Two readings of one timer differ by the moments of reading; only a real move may count as a change.
function keepDeadline(previous: SocketTable, before: number, next: SocketTable, row: number): void {
  if (next.timer[row] === 0 || next.timer[row] !== previous.timer[before]) return;
  const old = previous.timerDeadline[before]!;
  if (Math.abs(old - next.timerDeadline[row]!) <= TIMER_JITTER_TICKS) next.timerDeadline[row] = old;
}

function sameTuple(a: SocketTable, rowA: number, b: SocketTable, rowB: number): boolean {
  if (
    a.localPort[rowA] !== b.localPort[rowB] ||
    a.remotePort[rowA] !== b.remotePort[rowB] ||
    a.namespace[rowA] !== b.namespace[rowB] ||
    a.protocol[rowA] !== b.protocol[rowB]
  ) {
    return false;
  }
  const { addresses: left } = a;
  const { addresses: right } = b;
  for (let i = 0, at = rowA * 8, bt = rowB * 8; i < 8; i++) if (left[at + i] !== right[bt + i]) return false;
  return true;
}

// Rows of a table by a hash of namespace, protocol and tuple; chained, built on the first question.
class TupleIndex {
  readonly #table: SocketTable;
  #heads: Int32Array | null = null;
  #chain = new Int32Array(0);
  #mask = 0;

  constructor(table: SocketTable) {
    this.#table = table;
  }

  /** The first row that may have the tuple of the given row of another table, or -1. */
  first(other: SocketTable, row: number): number {
    this.#heads ??= this.#build();
    return this.#heads[tupleHash(other, row) & this.#mask]!;
  }

  /** The next candidate, or -1. */
  after(row: number): number {
    return this.#chain[row]!;
  }

  #build(): Int32Array {
    const { length } = this.#table;
    const size = 2 ** Math.ceil(Math.log2(Math.max(16, length * 2)));
    const heads = new Int32Array(size).fill(-1);
    this.#mask = size - 1;
    this.#chain = new Int32Array(length);
    // Backwards, so that a chain gives rows in their order.
    for (let row = length - 1; row >= 0; row--) {
      const bucket = tupleHash(this.#table, row) & this.#mask;
      this.#chain[row] = heads[bucket]!;
      heads[bucket] = row;
    }
    return heads;
  }
}

function tupleHash(table: SocketTable, row: number): number {
  let hash =
    (table.localPort[row]! << 16) ^
    table.remotePort[row]! ^
    (table.namespace[row]! << 8) ^
    table.protocol[row]!;
  for (let i = 0, at = row * 8; i < 8; i++) hash = Math.imul(hash ^ table.addresses[at + i]!, 0x9e3779b1);
  return (hash ^ (hash >>> 15)) >>> 0;
}
