// Holds what was seen against what the kernel counted: per namespace ActiveOpens + PassiveOpens since the agent first
// saw it, against the ends of TCP connections first seen. AttemptFails is shown beside it and never subtracted: it
// counts half-open inbound handshakes too, which no socket table ever shows (net/ipv4/tcp_minisocks.c).

import type { TcpCounters } from "../observation.ts";

/** Totals since the agent started. */
export interface Completeness {
  readonly opened: number;
  readonly failed: number;
  readonly seen: number;
}

/** Adds up the counters of every namespace, living or gone. */
export class CompletenessAccount {
  readonly #last = new Map<number, TcpCounters>();
  #opened = 0;
  #failed = 0;
  #seen = 0;

  /**
   * Takes a namespace's counters. The first ones of a namespace that was there when the agent started are its
   * baseline; a namespace that appeared later counts from zero. Counters that went back are a new namespace's.
   */
  count(namespaceId: number, counters: TcpCounters, firstPass: boolean): void {
    const last = this.#last.get(namespaceId);
    this.#last.set(namespaceId, counters);
    if (last === undefined && firstPass) return;
    const wentBack =
      last !== undefined &&
      (counters.activeOpens < last.activeOpens || counters.passiveOpens < last.passiveOpens);
    const base = last === undefined || wentBack ? { activeOpens: 0, passiveOpens: 0, attemptFails: 0 } : last;
    this.#opened += counters.activeOpens - base.activeOpens + counters.passiveOpens - base.passiveOpens;
    this.#failed += Math.max(0, counters.attemptFails - base.attemptFails);
  }

  /** Counts new ends of TCP connections; those of the first pass were opened before the agent started. */
  see(newTcpEnds: number, firstPass: boolean): void {
    if (!firstPass) this.#seen += newTcpEnds;
  }

  /** Forgets the counters of namespaces that are gone: their ids will be used again. */
  keepOnly(namespaces: ReadonlyMap<number, unknown>): void {
    for (const id of this.#last.keys()) if (!namespaces.has(id)) this.#last.delete(id);
  }

  get totals(): Completeness {
    return { opened: this.#opened, failed: this.#failed, seen: this.#seen };
  }
}
