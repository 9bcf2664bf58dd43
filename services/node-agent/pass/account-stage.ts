// Keeps the account of each network namespace: what its kernel counted as opened, against the ends that were seen.

import type { AgentParts } from "../agent-parts.ts";
import type { IdentifiedNamespace } from "../ids/namespace-ids.ts";
import { CompletenessAccount } from "../observe/completeness.ts";
import type { Readings } from "../observe/namespace-coverage.ts";

/** The accounts, from pass to pass. */
export class AccountStage {
  readonly account = new CompletenessAccount();
  readonly #parts: Pick<AgentParts, "destroyed" | "tcpCounters">;
  #isFirst = true;

  constructor(parts: Pick<AgentParts, "destroyed" | "tcpCounters">) {
    this.#parts = parts;
  }

  /** Counts an end that was heard of between passes. */
  see(namespaceId: number): void {
    this.account.see(namespaceId, 1);
  }

  /**
   * Takes the counters and the new ends of a pass, by namespace id. A namespace that was there before the agent begins
   * its account after its sockets were read, so that none of them counts as opened later.
   */
  count(
    namespaces: readonly IdentifiedNamespace[],
    readings: Readings,
    ticks: number,
    newEnds: readonly ReadonlyMap<number, number>[],
  ): void {
    const begun = this.#countCounters(namespaces, readings, ticks);
    for (const ends of newEnds) {
      for (const [namespaceId, count] of ends)
        if (!this.#isFirst && !begun.has(namespaceId)) this.account.see(namespaceId, count);
    }
    this.account.keepOnly(new Map(namespaces.map(({ namespace }) => [namespace.id, namespace])));
    this.#isFirst = false;
  }

  // Returns the ids of the namespaces whose account began now.
  #countCounters(
    namespaces: readonly IdentifiedNamespace[],
    readings: Readings,
    ticks: number,
  ): ReadonlySet<number> {
    const { destroyed, tcpCounters } = this.#parts;
    const begun = new Set<number>();
    for (const { namespace, record } of namespaces) {
      const counters = readings.get(namespace.id)?.reading.tcpCounters ?? null;
      if (counters === null) continue;
      const isOld = this.#isFirst || (destroyed?.wasThereAtStart(namespace.inode) ?? false);
      if (isOld && this.account.of(namespace.id) === null) {
        this.account.begin(namespace.id, tcpCounters?.(record) ?? counters, ticks);
        begun.add(namespace.id);
      } else {
        this.account.count(namespace.id, counters);
      }
    }
    return begun;
  }
}
