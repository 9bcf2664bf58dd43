// How long to wait before something is tried again.

/** The first wait and the longest one, in milliseconds. */
export interface RetryRange {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * Milliseconds to wait after `failures` failures in a row (1 or more): doubling, with half of it left to
 * chance so that many clients that lost the same server do not come back at the same moment.
 */
export function retryDelayMs(
  failures: number,
  range: RetryRange,
  random: () => number = Math.random,
): number {
  const whole = Math.min(range.maxMs, range.firstMs * 2 ** Math.min(failures - 1, 30));
  return whole / 2 + (random() * whole) / 2;
}
