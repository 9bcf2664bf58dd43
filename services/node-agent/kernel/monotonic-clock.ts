// The clock that records of the kernel's events carry.

/** Nanoseconds of CLOCK_MONOTONIC. */
export function monotonicNs(): number {
  return Number(process.hrtime.bigint());
}
