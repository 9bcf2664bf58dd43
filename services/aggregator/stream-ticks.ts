// When the pipeline's periodic work is due, by the time of the stream: at every full second that a message
// has passed. So an aggregator that replays hours in seconds does the same work between the same reports as
// one that heard them live: connections are settled, expire, and silent nodes are lost at the same places of
// the stream.

/** Interval of the periodic work. */
const TICK_MS = 1000;
/** A report that waited this long in its agent shows that NATS was away: others wait for their turn too. */
const WAITED_MS_MIN = 1000;
/** After an outage of NATS, healthy agents have reconnected within this time (their longest pause is 10 s). */
const RETURN_MS = 15_000;
/** A shorter silence changes nothing: a node is lost after five seconds at the earliest (config.ts). */
const SILENCE_MS = 3000;
/** Work is never due later than this after now, or the clock has gone back. */
const AHEAD_MS_MAX = 60_000;
/** Seconds without a message that are made up for one by one; earlier ones are left out. */
const STEPS_MAX = 600;

/** Calls back for each second of the stream's time, in order. */
export class StreamTicks {
  readonly #tick: (nowMs: number) => void;
  #lastMs = 0;
  #nextMs = 0;

  constructor(tick: (nowMs: number) => void) {
    this.#tick = tick;
  }

  /**
   * Does the work that is due before a message of this time is applied; `waitedMs` is how long its agent could
   * not deliver it. Where NATS was away, a node's silence means nothing: that time is left out, as it is by
   * those who lived through it.
   */
  reach(timeMs: number, waitedMs: number): void {
    const isOutage = this.#lastMs > 0 && timeMs - this.#lastMs >= SILENCE_MS && waitedMs >= WAITED_MS_MIN;
    this.#lastMs = Math.max(this.#lastMs, timeMs);
    if (isOutage) this.hold(timeMs);
    else this.#advance(timeMs);
  }

  /** NATS is back: leaves out the time until the agents are back too. */
  hold(nowMs: number): void {
    this.#nextMs = Math.max(this.#nextMs, after(nowMs + RETURN_MS));
  }

  /** Does the work that is due at a time at which everything in the stream has been read. */
  pass(nowMs: number): void {
    // The clock of NATS was ahead and has been corrected.
    if (this.#nextMs - nowMs > AHEAD_MS_MAX) this.#nextMs = this.#lastMs = 0;
    this.#advance(nowMs);
  }

  #advance(nowMs: number): void {
    if (this.#nextMs === 0) this.#nextMs = after(nowMs);
    this.#nextMs = Math.max(this.#nextMs, after(nowMs - STEPS_MAX * TICK_MS));
    for (; this.#nextMs <= nowMs; this.#nextMs += TICK_MS) this.#tick(this.#nextMs);
  }
}

// The first full second after a time.
function after(timeMs: number): number {
  return (Math.floor(timeMs / TICK_MS) + 1) * TICK_MS;
}
