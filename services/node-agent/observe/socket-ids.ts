// Gives each socket of a pass the id that it had in the pass before, or a new one. A socket keeps its id while
// it goes on as the same kernel object under another inode number: accept() gives an inode to a connection
// that had none, close() takes it away (the orphan goes through FIN_WAIT and TIME_WAIT with inode 0).

import { isClosing, SocketState } from "../../../lib/vocabulary/states.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import type { SocketTable } from "../../../lib/socket-table.ts";
import type { IdPool } from "../ids/id-pool.ts";
import { RowIndex } from "./row-index.ts";
import { isHalfOpen, sameTuple, tupleHash } from "./row-tuples.ts";
import { leaveOutSeenTwice } from "./seen-twice.ts";

/** Ticks of 10 ms by which a timer's end may move between two passes and still count as the same end. */
const TIMER_JITTER_TICKS = 50;

/** Ticks by which a TIME_WAIT entry ends later where it is another one: far more than a slow reading blurs. */
const TIME_WAIT_ANEW_TICKS = 1000;

/** What settling ids found out. */
interface SettledSockets {
  /** Whether every row continues, inode and all, the row in its place: the same sockets in the same order. */
  readonly unmoved: boolean;
  /**
   * New ends of TCP connections by namespace id: rows that continue nothing, neither listen nor are half-open.
   */
  readonly newTcpEnds: ReadonlyMap<number, number>;
  /** 1 for each row of the pass before that goes on in this one; null where all do. */
  readonly continued: Uint8Array | null;
}

/**
 * Leaves out of `next` what is in it twice, and fills id, firstSeen and, where a timer only jittered,
 * timerDeadline of every row. Both tables are of the same epoch; `ticks` is the time of the pass. Costs about
 * 30 ns a row while rows come in the same order as before.
 */
export function settleSockets(
  previous: SocketTable,
  next: SocketTable,
  ids: IdPool,
  ticks: number,
): SettledSockets {
  if (previous.equals(next, IDENTITY_COLUMNS) && !anyBeginsAnother(previous, next))
    return settleUnmoved(previous, next);
  leaveOutSeenTwice(next);
  // Built for the first row that is not in its place: mostly there is none.
  let built: RowIndex | undefined;
  const index = (): RowIndex => (built ??= new RowIndex(previous, tupleHash, () => true));
  const previousRows = new Int32Array(next.length).fill(-1);
  const taken = new Uint8Array(previous.length);
  const unmoved = matchExactly(previous, next, index, previousRows, taken) && next.length === previous.length;
  const newTcpEnds = new Map<number, number>();
  for (let row = 0; row < next.length; row++) {
    if (previousRows[row]! < 0) previousRows[row] = findContinued(previous, next, row, index, taken);
    const before = previousRows[row]!;
    if (before >= 0) {
      next.id[row] = previous.id[before]!;
      next.firstSeen[row] = previous.firstSeen[before]!;
      keepDeadline(previous, before, next, row);
      keepCounters(previous, before, next, row);
    } else {
      next.id[row] = ids.take();
      next.firstSeen[row] = ticks;
    }
    if (isTcpEnd(next, row) && (before < 0 || isHalfOpen(previous, before))) {
      const namespace = next.namespace[row]!;
      newTcpEnds.set(namespace, (newTcpEnds.get(namespace) ?? 0) + 1);
    }
  }
  for (let row = 0; row < previous.length; row++) if (taken[row] === 0) ids.giveBack(previous.id[row]!);
  return { unmoved, newTcpEnds, continued: taken };
}

// Half-open connections are no connections yet: the kernel counts them as opened once the handshake is over.
function isTcpEnd(table: SocketTable, row: number): boolean {
  const state = table.state[row]!;
  return table.protocol[row] === Protocol.tcp && state !== SocketState.LISTEN && !isHalfOpen(table, row);
}

// What two rows have in common where nothing happened: then every row continues the one in its place.
const IDENTITY_COLUMNS = [
  "inode",
  "localPort",
  "remotePort",
  "addresses",
  "namespace",
  "protocol",
  "state",
] as const;

function settleUnmoved(previous: SocketTable, next: SocketTable): SettledSockets {
  const { length } = next;
  next.id.set(previous.id.subarray(0, length));
  next.firstSeen.set(previous.firstSeen.subarray(0, length));
  for (let row = 0; row < length; row++) {
    keepDeadline(previous, row, next, row);
    keepCounters(previous, row, next, row);
  }
  return { unmoved: true, newTcpEnds: new Map(), continued: null };
}

function anyBeginsAnother(previous: SocketTable, next: SocketTable): boolean {
  for (let row = 0; row < next.length; row++) {
    if (next.inode[row] === 0 && isAnother(previous, row, next, row)) return true;
  }
  return false;
}

// Whether every row was found in its place.
function matchExactly(
  previous: SocketTable,
  next: SocketTable,
  index: () => RowIndex,
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
      for (let found = index().first(tupleHash(next, row)); found >= 0; found = index().after(found)) {
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
    !(
      inode === 0 &&
      (beginsAnew(previous.state[before]!, next.state[row]!) || isAnother(previous, before, next, row))
    )
  );
}

// A tuple that was used again between two passes: the cookies differ, or where the reader is told none,
// TIME_WAIT began anew. The cookie of a half-open connection is its request's, not its socket's.
function isAnother(previous: SocketTable, before: number, next: SocketTable, row: number): boolean {
  if (next.protocol[row] !== Protocol.tcp || isHalfOpen(previous, before)) return false;
  const knownBefore = previous.cookieLow[before] !== 0 || previous.cookieHigh[before] !== 0;
  const knownNow = next.cookieLow[row] !== 0 || next.cookieHigh[row] !== 0;
  if (knownBefore && knownNow) {
    return (
      previous.cookieLow[before] !== next.cookieLow[row] ||
      previous.cookieHigh[before] !== next.cookieHigh[row]
    );
  }
  const { TIME_WAIT } = SocketState;
  return (
    previous.state[before] === TIME_WAIT &&
    next.state[row] === TIME_WAIT &&
    next.timerDeadline[row]! > previous.timerDeadline[before]! + TIME_WAIT_ANEW_TICKS
  );
}

function findContinued(
  previous: SocketTable,
  next: SocketTable,
  row: number,
  index: () => RowIndex,
  taken: Uint8Array,
): number {
  for (let found = index().first(tupleHash(next, row)); found >= 0; found = index().after(found)) {
    if (taken[found] !== 0 || !sameTuple(previous, found, next, row)) continue;
    const closed =
      previous.inode[found] !== 0 &&
      next.inode[row] === 0 &&
      isClosing(next.state[row]!) &&
      !isAnother(previous, found, next, row);
    const accepted =
      previous.inode[found] === 0 && next.inode[row] !== 0 && !isClosing(previous.state[found]!);
    if (closed || accepted) {
      taken[found] = 1;
      return found;
    }
  }
  return -1;
}

// A TIME_WAIT entry whose tuple is used again before accept(): the same tuple, inode 0 twice, another
// connection.
function beginsAnew(before: number, now: number): boolean {
  return isClosing(before) && !isClosing(now) && before !== SocketState.CLOSE;
}

// Two readings of one timer differ by the moments of reading; only a real move may count as a change.
function keepDeadline(previous: SocketTable, before: number, next: SocketTable, row: number): void {
  if (next.timer[row] === 0 || next.timer[row] !== previous.timer[before]) return;
  const old = previous.timerDeadline[before]!;
  if (Math.abs(old - next.timerDeadline[row]!) <= TIMER_JITTER_TICKS) next.timerDeadline[row] = old;
}

// What one reader is told and another is not stays known: the cookie, and what was counted last.
function keepCounters(previous: SocketTable, before: number, next: SocketTable, row: number): void {
  if (isHalfOpen(previous, before)) return;
  if (next.cookieLow[row] === 0 && next.cookieHigh[row] === 0) {
    next.copyCookie(row, previous, before);
  }
  if (next.counted[row] === 0 && previous.counted[before] !== 0) next.copyCounters(row, previous, before);
}
