// Whether many ask at once. Then those who ask close together share work, for which each of them would else
// begin at its own moment.

/** More than so many within CROWD_MS, or within the time that so many take, are a crowd. */
const CROWD_MIN = 4;
const CROWD_MS = 1000;
/**
 * What is shared is at most this old, in milliseconds, or the second figure times as old as it took to make.
 */
const SHARE_AGE_MS = 1000;
const SHARE_COSTS = 10;

/** The latest who asked. */
export class Crowd {
  readonly #askedMs: number[] = [];

  /**
   * Counts one who asks; returns how old the work of others may be that this one shares: 0 without a crowd.
   */
  shareAgeMs(nowMs: number, costMs: number): number {
    this.#askedMs.push(nowMs);
    if (this.#askedMs.length <= CROWD_MIN) return 0;
    const earlierMs = this.#askedMs.shift()!;
    const ageMs = Math.max(SHARE_AGE_MS, SHARE_COSTS * costMs);
    return nowMs - earlierMs < Math.max(CROWD_MS, 2 * CROWD_MIN * costMs) ? ageMs : 0;
  }
}
