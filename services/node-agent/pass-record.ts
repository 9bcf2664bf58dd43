// What the last pass of an agent was like, for its metrics and its liveness probe.

import type { NodeCoverage } from "../../lib/gen/whotalks/v1/report.ts";
import type { PassCost } from "./agent-parts.ts";

/**
 * An agent whose last pass is longer ago than this, or than ten intervals, hangs: the kubelet may restart it.
 */
const PASS_AGE_MS_MAX = 120_000;

/** Counts passes and keeps the latest. */
export class PassRecord {
  /** Passes made so far. */
  count = 0;
  /** Coverage of the last pass; null before the first. */
  coverage: NodeCoverage | null = null;
  /** Cost of the last pass; null before the first. */
  cost: PassCost | null = null;
  readonly #elapsedMs: () => number;
  #passedMs = 0;

  constructor(elapsedMs: () => number) {
    this.#elapsedMs = elapsedMs;
  }

  add(coverage: NodeCoverage, cost: PassCost): void {
    this.count++;
    this.coverage = coverage;
    this.cost = cost;
    this.#passedMs = this.#elapsedMs();
  }

  /** A sentence if passes at this interval have stopped, else null. */
  hangs(intervalMs: number): string | null {
    const ageMs = this.#elapsedMs() - this.#passedMs;
    return ageMs > Math.max(PASS_AGE_MS_MAX, 10 * intervalMs)
      ? `the last pass is ${Math.round(ageMs / 1000)} s ago`
      : null;
  }
}
