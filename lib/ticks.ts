// The clock of reports: ticks of 10 ms since an epoch. It is the unit in which /proc tells times (USER_HZ is
// 100 on every architecture that Node.js runs on), so that a process's start and a socket's timer need no
// conversion.

/** Milliseconds of a tick. */
export const TICK_MS = 10;

/** Nanoseconds of a tick. */
export const TICK_NS = 10_000_000;

export const TICKS_PER_SECOND = 100;

/** Whole ticks in so many milliseconds. */
export function ticksOf(ms: number): number {
  return Math.floor(ms / TICK_MS);
}
