// Keeps the account of each network namespace: what its kernel counted as opened, against the ends that were
// seen.

import type { AgentParts } from "../agent-parts.ts";
import type { IdentifiedNamespace } from "../ids/namespace-ids.ts";
import type { NamespaceRecord, TcpCounters } from "../observation.ts";
import { CompletenessAccount } from "../observe/completeness.ts";
import type { Readings } from "../observe/namespace-coverage.ts";

/** Times that counters are read again at most until they do not move: each takes some 20 µs. */
const QUIET_READS_MAX = 8;

/** The accounts, from pass to pass. */
export class AccountStage {
  readonly account = new CompletenessAccount();
  readonly #parts: Pick<AgentParts, "destroyed" | "events" | "tcpCounters">;
  #isFirst = true;

  constructor(parts: Pick<AgentParts, "destroyed" | "events" | "tcpCounters">) {
    this.#parts = parts;
  }

  /** Counts an end that an event reported between passes, of a connection opened at `openedNs`. */
  hear(namespaceId: number, openedNs: number): void {
    this.account.hear(namespaceId, openedNs);
  }

  /** Ends a pass that read nothing. */
  skip(): void {
    this.account.settle();
  }

  /**
   * Takes the counters and the new ends of a pass, by namespace id. A namespace that was there before the
   * agent begins its account after its sockets were read, so that none of them counts as opened later.
   */
  count(
    namespaces: readonly IdentifiedNamespace[],
    readings: Readings,
    ticks: number,
    newEnds: readonly ReadonlyMap<number, number>[],
  ): void {
    const beginning = new Set(
      namespaces.filter((each) => this.#begins(each)).map(({ namespace }) => namespace.id),
    );
    // Events have reported the connections that opened before the latest counters were read; without events,
    // this pass finds them.
    const isHeard = (this.#parts.events ?? null) !== null;
    if (isHeard) this.account.settle();
    for (const ends of newEnds) {
      for (const [namespaceId, count] of ends)
        if (!beginning.has(namespaceId)) this.account.see(namespaceId, count, isHeard);
    }
    if (!isHeard) this.account.settle();
    this.#countCounters(namespaces, { readings, beginning, ticks });
    this.account.keepOnly(new Map(namespaces.map(({ namespace }) => [namespace.id, namespace])));
    this.#isFirst = false;
  }

  // Whether the account of a namespace is still to begin, with what its kernel has counted by then.
  #begins({ namespace }: IdentifiedNamespace): boolean {
    const isOld = this.#isFirst || (this.#parts.destroyed?.wasThereAtStart(namespace.inode) ?? false);
    return isOld && !this.account.hasBegun(namespace.id);
  }

  #countCounters(
    namespaces: readonly IdentifiedNamespace[],
    of: { readings: Readings; beginning: ReadonlySet<number>; ticks: number },
  ): void {
    for (const { namespace, record } of namespaces) {
      const { id } = namespace;
      const counters = of.readings.get(id)?.reading.tcpCounters ?? null;
      if (counters === null) continue;
      if (of.beginning.has(id)) this.account.begin(id, this.#readQuiet(record) ?? counters, of.ticks);
      else this.account.count(id, counters);
    }
  }

  // Counters that did not move for a moment: what is heard to open before that moment is in them, and what
  // opens after it is not. In a namespace that is never that quiet, what opens while they are read may count
  // as unseen.
  #readQuiet(record: NamespaceRecord): TcpCounters | null {
    const read = (): TcpCounters | null => this.#parts.tcpCounters?.(record) ?? null;
    let counters = read();
    for (let again = 0; again < QUIET_READS_MAX && counters !== null; again++) {
      const next = read();
      if (next === null || !haveMoved(counters, next)) break;
      counters = next;
    }
    return counters;
  }
}

function haveMoved(before: TcpCounters, now: TcpCounters): boolean {
  return before.activeOpens !== now.activeOpens || before.passiveOpens !== now.passiveOpens;
}
