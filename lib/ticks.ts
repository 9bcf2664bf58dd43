// The clock of reports: ticks of 10 ms since an epoch. /proc reports times in this unit (USER_HZ is 100 on
// every architecture that Node.js runs on), so that a process's start and a socket's timer need no conversion.

/** Milliseconds per tick. */
export const TICK_MS = 10;

/** Nanoseconds per tick. */
export const TICK_NS = 10_000_000;

export const TICKS_PER_SECOND = 100;

/** Converts milliseconds to whole ticks. */
export function ticksOf(ms: number): number {
  return Math.floor(ms / TICK_MS);
}
