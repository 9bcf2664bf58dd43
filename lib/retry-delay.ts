// How long to wait before a retry.

/** The first wait and the longest one, in milliseconds. */
export interface RetryRange {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * Returns the milliseconds to wait after `failures` consecutive failures (1 or more): doubling, with half of
 * the delay random so that clients that lost the same server do not all return at the same moment.
 */
export function retryDelayMs(
  failures: number,
  range: RetryRange,
  random: () => number = Math.random,
): number {
  const whole = Math.min(range.maxMs, range.firstMs * 2 ** Math.min(failures - 1, 30));
  return whole / 2 + (random() * whole) / 2;
}
