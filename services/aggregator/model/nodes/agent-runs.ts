// The runs of a node's agent: what the earlier ones reported last, and how long the node was without an agent.

import type { NodeCoverage } from "../../../../lib/gen/whotalks/v1/report.ts";
import type { AccountSums } from "../../../../lib/account-sums.ts";
import { addSums, NO_SUMS, reportedSums } from "../../../../lib/account-sums.ts";

/** The earlier runs of a node's agent. */
export interface EarlierRuns {
  /** How many there were. */
  readonly count: number;
  /** The sums of their last reports. */
  readonly sums: AccountSums;
  /** Milliseconds without an agent after them in total, and after the latest one. */
  readonly awayMs: number;
  readonly latestAwayMs: number;
}

/** The present run and the earlier ones. */
export class AgentRuns {
  #sinceMs = 0;
  #earlier: EarlierRuns = { count: 0, sums: NO_SUMS, awayMs: 0, latestAwayMs: 0 };
  // When the previous run last reported, until the present one has made its first pass; else 0.
  #leftMs = 0;

  /** When the first known run began, by the stream's clock; 0 before its first pass. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** The runs before the present one. */
  get earlier(): EarlierRuns {
    return this.#earlier;
  }

  /** Notes a complete pass of the present run, which began at `startMs`. */
  pass(startMs: number, observedMs: number): void {
    if (this.#sinceMs === 0) this.#sinceMs = startMs;
    if (this.#leftMs === 0) return;
    const latestAwayMs = Math.max(0, observedMs - this.#leftMs);
    this.#earlier = { ...this.#earlier, awayMs: this.#earlier.awayMs + latestAwayMs, latestAwayMs };
    this.#leftMs = 0;
  }

  /** Begins a new run; `coverage` is the last one of the previous run, which last passed at `observedMs`. */
  begin(coverage: NodeCoverage, observedMs: number): void {
    const { count, sums } = this.#earlier;
    this.#earlier = {
      ...this.#earlier,
      count: count + 1,
      sums: addSums(sums, reportedSums(coverage)),
    };
    if (this.#leftMs === 0) this.#leftMs = observedMs;
  }
}
