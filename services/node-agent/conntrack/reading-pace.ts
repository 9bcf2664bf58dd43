// Paces the readings of one conntrack table, so that they cost a bounded share of a core however many flows
// there are.

/**
 * After each reading, pause for this multiple of its cost: 0.5 % of one core beside events, 5 % without
 * events.
 */
const PAUSE_BESIDE_EVENTS = 200;
const PAUSE_ALONE = 20;

/** Minimum milliseconds between two readings, whatever they cost; PAUSE_MAX_MS is the maximum. */
const PAUSE_BESIDE_EVENTS_MIN_MS = 5_000;
const PAUSE_ALONE_MIN_MS = 1_000;
const PAUSE_MAX_MS = 60_000;

/** When a table may be read next. Times are milliseconds of the caller's monotonic clock. */
export class ReadingPace {
  /** Number of sources that read side by side; each multiplies its pauses by it. */
  sideBySide = 1;
  #nextMs = 0;

  /** Whether a reading is due. */
  isDue(nowMs: number): boolean {
    return nowMs >= this.#nextMs;
  }

  /** Makes the next reading due at this time at the latest. */
  hurry(timeMs: number): void {
    this.#nextMs = Math.min(this.#nextMs, timeMs);
  }

  /** Notes that nothing had to be read; `alone` says that no events are heard. */
  skip(nowMs: number, alone: boolean): void {
    this.#nextMs = nowMs + pauseMinMs(alone);
  }

  /**
   * Notes a reading that ended now and its CPU cost in milliseconds. Returns when lost events may be repaired
   * by a further reading at the earliest.
   */
  done(nowMs: number, costMs: number, alone: boolean): number {
    const pauseMs = costMs * (alone ? PAUSE_ALONE : PAUSE_BESIDE_EVENTS) * this.sideBySide;
    this.#nextMs = nowMs + Math.min(PAUSE_MAX_MS, Math.max(pauseMinMs(alone), pauseMs));
    return nowMs + Math.max(PAUSE_ALONE_MIN_MS, costMs * PAUSE_ALONE);
  }
}

function pauseMinMs(alone: boolean): number {
  return alone ? PAUSE_ALONE_MIN_MS : PAUSE_BESIDE_EVENTS_MIN_MS;
}
