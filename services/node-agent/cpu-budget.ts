// Keeps the agent's CPU within its budget: a share of one core, of which what is not used may be saved up for
// a while, so that a burst (the first passes, a keyframe, a pod that starts) is read without delay. Where the
// credit is used up the next pass waits for it. A pure function of the CPU time and the clock that it is
// given.

/** Seconds of the budget that may be saved up. */
const CREDIT_SECONDS = 60;

/** Milliseconds of CPU beyond it, once: what compiling the code and reading all for the first time takes. */
const START_CREDIT_MS = 2000;

/**
 * Maximum milliseconds that a pass waits for credit: 5 s, since an older answer is of little use. Passes of
 * up to 50 ms of CPU thus keep 1 % of a core; more expensive ones exceed it, and coverage reports that.
 */
export const WAIT_MS_MAX = 5000;

/** An interval that is longer than asked for by this factor counts as stretched. */
const STRETCHED = 1.25;

/** What the budget is made of. */
interface CpuBudgetOptions {
  /** Share of one core (0.01 = 1 %); null for no limit. */
  readonly share: number | null;
  /** Milliseconds between the beginnings of two passes where the budget allows. */
  readonly intervalMs: number;
}

/** Paces passes. */
export class CpuBudget {
  readonly #share: number | null;
  readonly #intervalMs: number;
  #creditMs: number;
  #lastCpuMs = Number.NaN;
  #lastMs = 0;
  #stretchedMs = 0;
  #isExceeded = false;

  constructor({ share, intervalMs }: CpuBudgetOptions) {
    this.#share = share;
    this.#intervalMs = intervalMs;
    this.#creditMs = (share ?? 0) * CREDIT_SECONDS * 1000 + START_CREDIT_MS;
  }

  /**
   * After a pass that began at startMs: milliseconds to wait until the next one. `cpuMs` is what the whole
   * process has used since it started, and nowMs the time of the clock that startMs is of.
   */
  waitMs(startMs: number, nowMs: number, cpuMs: number): number {
    const untilInterval = Math.max(0, startMs + this.#intervalMs - nowMs);
    if (this.#share === null) return untilInterval;
    // What the process used before its first pass was for its start.
    if (!Number.isNaN(this.#lastCpuMs)) {
      const earnedMs = (nowMs - this.#lastMs) * this.#share - (cpuMs - this.#lastCpuMs);
      const most = Math.max(this.#creditMs, this.#share * CREDIT_SECONDS * 1000);
      this.#creditMs = Math.min(most, this.#creditMs + earnedMs);
    }
    this.#lastCpuMs = cpuMs;
    this.#lastMs = nowMs;
    const wantedMs = Math.max(0, -this.#creditMs / this.#share);
    this.#isExceeded = wantedMs > WAIT_MS_MAX;
    const untilCredit = Math.min(WAIT_MS_MAX, wantedMs);
    const waitMs = Math.max(untilInterval, untilCredit);
    const intervalMs = nowMs + waitMs - startMs;
    this.#stretchedMs = untilCredit > 0 && intervalMs > this.#intervalMs * STRETCHED ? intervalMs : 0;
    return waitMs;
  }

  /** That the interval is stretched, as a sentence; empty where it is not. */
  limits(): readonly string[] {
    if (this.#stretchedMs === 0 || this.#share === null) return [];
    const percent = Number((this.#share * 100).toPrecision(3));
    return [
      `The interval is stretched to ${(this.#stretchedMs / 1000).toFixed(1)} s by the CPU budget of ${percent} % of one core${this.#isExceeded ? ", which is exceeded even so" : ""}: sockets that open and close in between are reported late`,
    ];
  }
}
