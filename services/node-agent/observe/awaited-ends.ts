// Connections that a pass no longer found and whose end was not announced yet: they were destroyed, or closed
// and left to the kernel, between taking the announcements and reading the sockets. Their ends were counted
// when they were first seen.

import type { SocketTable } from "../../../lib/socket-table.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";

/**
 * Ticks of 10 ms for which an end is awaited: an orphan whose other end is gone is given up after some two
 * minutes.
 */
const AWAITED_TICKS = 15_000;

/** Ends that are awaited at most (3 MB); what overflows counts twice. */
const AWAITED_MAX = 2 ** 16;

/** Cookies of sockets whose destruction is still to be announced. */
export class AwaitedEnds {
  // By cookie: when the socket was found to be gone. Oldest first.
  readonly #goneTicks = new Map<number, number>();

  /** Awaits the end of a row's connection; one without a cookie could not be known again. */
  add(table: SocketTable, row: number, ticks: number): void {
    const cookie = cookieOf(table, row);
    const isConnection =
      table.protocol[row] === Protocol.tcp &&
      table.inode[row] !== 0 &&
      table.state[row] !== SocketState.LISTEN;
    if (isConnection && cookie !== 0 && this.#goneTicks.size < AWAITED_MAX)
      this.#goneTicks.set(cookie, ticks);
  }

  /** Whether the end of an event's socket was awaited; it is no more. */
  take(events: SocketTable, event: number): boolean {
    return this.#goneTicks.size > 0 && this.#goneTicks.delete(cookieOf(events, event));
  }

  /** Gives up what has been awaited for too long. */
  expire(ticks: number): void {
    for (const [cookie, goneTicks] of this.#goneTicks) {
      if (ticks - goneTicks < AWAITED_TICKS) return;
      this.#goneTicks.delete(cookie);
    }
  }
}

// The kernel counts cookies up from 1: in the life of a machine they stay far below 2^53.
function cookieOf({ cookieLow, cookieHigh }: SocketTable, row: number): number {
  return cookieHigh[row]! * 2 ** 32 + cookieLow[row]!;
}
