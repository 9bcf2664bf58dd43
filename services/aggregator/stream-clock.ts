// The aggregator's only clock: the stream's message times. Events from other sources (the API server's
// watches) get their time from it, so that they are comparable with reports, whatever this machine's own clock
// says.

/** How long the best measurement is used: clocks drift, and a machine's clock may be corrected. */
const WINDOW_MS = 300_000;
/** A difference of more than a day is an error, not a measurement. */
const DIFFERENCE_MS_MAX = 86_400_000;

/** Estimates the stream's time on this machine. */
export class StreamClock {
  readonly #wallMs: () => number;
  // This machine's time minus the stream's. Every measurement is too large by the message's latency, so the
  // smallest one of the current and the previous window is used.
  #previousMs = Infinity;
  #leastMs = Infinity;
  #windowEndMs = 0;

  /** `wallMs`: this machine's clock, milliseconds since 1970. */
  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  /** Records the time of a message that has just been put into the stream. */
  measure(streamTimeMs: number): void {
    const wallMs = this.#wallMs();
    const differenceMs = wallMs - streamTimeMs;
    if (Math.abs(differenceMs) > DIFFERENCE_MS_MAX) return;
    if (wallMs >= this.#windowEndMs) {
      this.#previousMs = this.#leastMs;
      this.#leastMs = Infinity;
      this.#windowEndMs = wallMs + WINDOW_MS;
    }
    this.#leastMs = Math.min(this.#leastMs, differenceMs);
  }

  /** The stream's time now, milliseconds since 1970; this machine's own before the first measurement. */
  now(): number {
    const differenceMs = Math.min(this.#previousMs, this.#leastMs);
    return this.#wallMs() - (differenceMs === Infinity ? 0 : differenceMs);
  }
}
