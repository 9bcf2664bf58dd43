// One network namespace's account over all runs of its agent. An agent counts from its own start, but the
// kernel's counters outlive it, and the aggregator counts the ends that reports have named. So ends that
// opened while no agent ran, and ends that an agent saw and whose reports were lost on the way, are known by
// number: they were not seen.

import type { NamespaceCoverage } from "../../../../lib/gen/whotalks/v1/report.ts";
import type { AccountSums } from "../../../../lib/account-sums.ts";
import { addSums, NO_SUMS, reportedSums } from "../../../../lib/account-sums.ts";

/** The account of one namespace. */
export class NamespaceRuns {
  #coverage: NamespaceCoverage;
  #epoch: number;
  // Opened by the kernel and seen, over all runs, when the counters stood at #kernelOpens and #ends.
  #opened: number;
  #seen: number;
  #kernelOpens: number;
  #ends: number;
  // What the agents of earlier runs reported last.
  #earlier: AccountSums = NO_SUMS;

  /**
   * Begins with the first account of a namespace. `ends` is how many of its ends reports have named so far. A
   * namespace that appeared while its agent was not running has opened everything that its kernel counted.
   */
  constructor(coverage: NamespaceCoverage, epoch: number, ends: number, appearedUnread: boolean) {
    this.#coverage = coverage;
    this.#epoch = epoch;
    this.#opened = appearedUnread
      ? Math.max(coverage.kernelOpens, coverage.openedByKernel)
      : coverage.openedByKernel;
    this.#seen = appearedUnread ? ends : coverage.seen;
    this.#kernelOpens = coverage.kernelOpens;
    this.#ends = ends;
  }

  /** What the agent last reported. */
  get coverage(): NamespaceCoverage {
    return this.#coverage;
  }

  /** Takes the agent's next account. `ends` is how many of its ends reports have named so far. */
  put(coverage: NamespaceCoverage, epoch: number, ends: number): void {
    const last = this.#coverage;
    const isNewRun = epoch !== this.#epoch;
    const knowsCounters = this.#kernelOpens > 0 && coverage.kernelOpens >= this.#kernelOpens;
    const openedInRun = isNewRun ? coverage.openedByKernel : coverage.openedByKernel - last.openedByKernel;
    this.#opened += knowsCounters ? coverage.kernelOpens - this.#kernelOpens : Math.max(0, openedInRun);
    this.#seen += ends - this.#ends;
    this.#kernelOpens = coverage.kernelOpens;
    this.#ends = ends;
    this.#coverage = coverage;
    if (!isNewRun) return;
    this.#epoch = epoch;
    this.#earlier = addSums(this.#earlier, reportedSums(last));
    // What one run saw too much makes up for nothing in the next.
    this.#seen = Math.min(this.#seen, this.#opened);
  }

  /** Figures of all runs; `ends` is how many of its ends reports have named so far. */
  sums(ends: number): AccountSums {
    const coverage = this.#coverage;
    const seen = this.#seen + ends - this.#ends;
    // The agent gives what has just opened a pass to show itself; whatever is missing beyond that is missing
    // for good. An agent may see an end twice, so that it misses less than nothing: that is no loss.
    const missing = this.#opened - seen;
    const beyond = missing - (coverage.openedByKernel - coverage.seen);
    return {
      opened: this.#opened,
      failed: this.#earlier.failed + coverage.failedByKernel,
      seen,
      unseen: Math.max(0, Math.min(coverage.unseen + beyond, missing)),
    };
  }

  /** By how much the figures of all runs exceed those that the agents reported. */
  beyondReported(ends: number): AccountSums {
    const all = this.sums(ends);
    const reported = addSums(this.#earlier, reportedSums(this.#coverage));
    return {
      opened: all.opened - reported.opened,
      failed: all.failed - reported.failed,
      seen: all.seen - reported.seen,
      unseen: all.unseen - reported.unseen,
    };
  }
}
