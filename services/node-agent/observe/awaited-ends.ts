// Connections that a pass no longer found although the kernel had not announced their end: they were
// destroyed, or closed and orphaned, between taking the announcements and reading the sockets. Their ends
// were counted when they were first seen.

import type { SocketTable } from "../../../lib/socket-table.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";

/**
 * Ticks of 10 ms for which an end is awaited: the kernel drops an orphan whose other end is gone after about
 * two minutes.
 */
const AWAITED_TICKS = 15_000;

/** Maximum awaited ends (3 MB); ends beyond it are counted twice. */
const AWAITED_MAX = 2 ** 16;

/** Cookies of sockets whose destruction is still to be announced. */
export class AwaitedEnds {
  // Ticks at which each socket was found gone, by cookie; oldest first.
  readonly #goneTicks = new Map<number, number>();

  /** Awaits the end of a row's connection; one without a cookie could not be recognized. */
  add(table: SocketTable, row: number, ticks: number): void {
    const cookie = cookieOf(table, row);
    const isConnection =
      table.protocol[row] === Protocol.tcp &&
      table.inode[row] !== 0 &&
      table.state[row] !== SocketState.LISTEN;
    if (isConnection && cookie !== 0 && this.#goneTicks.size < AWAITED_MAX)
      this.#goneTicks.set(cookie, ticks);
  }

  /** Returns whether the end of an event's socket was awaited, and stops awaiting it. */
  take(events: SocketTable, event: number): boolean {
    return this.#goneTicks.size > 0 && this.#goneTicks.delete(cookieOf(events, event));
  }

  /** Drops ends that have been awaited for too long. */
  expire(ticks: number): void {
    for (const [cookie, goneTicks] of this.#goneTicks) {
      if (ticks - goneTicks < AWAITED_TICKS) return;
      this.#goneTicks.delete(cookie);
    }
  }
}

// The kernel numbers cookies from 1; they stay far below 2^53 while a machine runs.
function cookieOf({ cookieLow, cookieHigh }: SocketTable, row: number): number {
  return cookieHigh[row]! * 2 ** 32 + cookieLow[row]!;
}
