// Bounds the CPU that reading whole TCP tables for sockets without a file may take.

import { TICK_MS } from "../../../lib/ticks.ts";

/** Milliseconds of credit that may accumulate. */
const CREDIT_MS_MAX = 1000;

/** Credit in milliseconds of one core, and the namespaces that wait for it. */
export class TableCredit {
  #ms = CREDIT_MS_MAX;
  #ticks = 0;
  #waiting = 0;
  #waitingBefore = 0;

  /** Begins a pass at a time in ticks; the credit grows by `share` of one core since the previous pass. */
  begin(nowTicks: number, share: number): void {
    this.#ms = Math.min(CREDIT_MS_MAX, this.#ms + (nowTicks - this.#ticks) * TICK_MS * share);
    this.#ticks = nowTicks;
    this.#waitingBefore = this.#waiting;
    this.#waiting = 0;
  }

  /** Whether a table may be read now. */
  get isLeft(): boolean {
    return this.#ms > 0;
  }

  /** Takes the cost of a reading. */
  spend(ms: number): void {
    this.#ms -= ms;
  }

  /** Notes a namespace whose table could not be read in this pass for lack of credit. */
  defer(): void {
    this.#waiting++;
  }

  /** Namespaces deferred in this pass so far. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Namespaces deferred in this pass or in the previous one, whichever were more. */
  get waitingMax(): number {
    return Math.max(this.#waiting, this.#waitingBefore);
  }
}
