// The one clock: the stream's message times. What this program learns from elsewhere (the API server's
// watches) gets its time from here, so that it compares with what the reports tell, whatever this machine's
// own clock says.

/** How long the best measurement counts: clocks drift, and a machine may be set right. */
const WINDOW_MS = 300_000;
/** Clocks that differ by more than a day are not measured but broken. */
const DIFFERENCE_MS_MAX = 86_400_000;

/** The stream's time, as this machine can know it. */
export class StreamClock {
  readonly #wallMs: () => number;
  // This machine's time less the stream's. Every measurement is too large by the way of the message, so the
  // least of the present window and the one before it is taken.
  #previousMs = Infinity;
  #leastMs = Infinity;
  #windowEndMs = 0;

  /** `wallMs`: this machine's clock, milliseconds since 1970. */
  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  /** Notes the time of a message that has just been put into the stream. */
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
