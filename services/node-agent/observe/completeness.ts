// Holds what was seen against what the kernel counted: per namespace ActiveOpens + PassiveOpens since the
// agent first saw it, against the ends of TCP connections first seen, failed attempts included. AttemptFails
// is shown beside it and never subtracted: it counts half-open inbound handshakes too, which never were
// connections (net/ipv4/tcp_minisocks.c).
//
// The counters of a namespace and its sockets cannot be read at one moment. So what is held against the ends
// seen are the counters of the reading before: whatever they counted has had a whole pass to show itself. A
// namespace where more was seen than counted never makes up for another one.

import type { TcpCounters } from "../observation.ts";

/** What was counted and seen since the agent started, or since the namespace was first seen. */
export interface Completeness {
  readonly opened: number;
  readonly failed: number;
  readonly seen: number;
  readonly unseen: number;
}

/** The account of one namespace. */
interface NamespaceCompleteness extends Completeness {
  /** Ticks since the epoch's start from when it counts; 0 is since the namespace was made. */
  readonly since: number;
  /** What the kernel had counted as opened at the last reading, since the namespace was made; 0 if unknown. */
  readonly kernelOpens: number;
}

interface Account {
  last: TcpCounters | null;
  since: number;
  opened: number;
  /** opened, as of the reading before the last one. */
  openedBefore: number;
  failed: number;
  seen: number;
}

/** Adds up the counters of every namespace, living or gone. */
export class CompletenessAccount {
  readonly #accounts = new Map<number, Account>();
  #gone: Completeness = { opened: 0, failed: 0, seen: 0, unseen: 0 };

  /**
   * Begins the account of a namespace that was there before the agent knew of it: its counters so far are left
   * out.
   */
  begin(namespaceId: number, counters: TcpCounters, ticks: number): void {
    const account = this.#accountOf(namespaceId);
    account.last = counters;
    account.since = ticks;
  }

  /**
   * Takes a namespace's counters. One whose account was not begun came while the agent ran: all of it counts.
   * Counters that went back are a new namespace's.
   */
  count(namespaceId: number, counters: TcpCounters): void {
    const account = this.#accountOf(namespaceId);
    const { last } = account;
    const wentBack =
      last !== null && (counters.activeOpens < last.activeOpens || counters.passiveOpens < last.passiveOpens);
    const base = last === null || wentBack ? NOTHING : last;
    account.last = counters;
    account.openedBefore = account.opened;
    account.opened += counters.activeOpens - base.activeOpens + counters.passiveOpens - base.passiveOpens;
    account.failed += Math.max(0, counters.attemptFails - base.attemptFails);
  }

  /** Counts ends of TCP connections that were first seen in a namespace, after its account began. */
  see(namespaceId: number, ends: number): void {
    this.#accountOf(namespaceId).seen += ends;
  }

  /**
   * Closes the accounts of namespaces that are gone (their ids will be used again): they stay in the totals.
   */
  keepOnly(namespaces: ReadonlyMap<number, unknown>): void {
    for (const [id, account] of this.#accounts) {
      if (namespaces.has(id)) continue;
      account.openedBefore = account.opened;
      this.#gone = add(this.#gone, completenessOf(account));
      this.#accounts.delete(id);
    }
  }

  /** The account of a namespace; null where it has none. */
  of(namespaceId: number): NamespaceCompleteness | null {
    const account = this.#accounts.get(namespaceId);
    if (account === undefined) return null;
    const { since, last } = account;
    const kernelOpens = last === null ? 0 : last.activeOpens + last.passiveOpens;
    return { ...completenessOf(account), since, kernelOpens };
  }

  /** All namespaces, living or gone. */
  get totals(): Completeness {
    let totals = this.#gone;
    for (const account of this.#accounts.values()) totals = add(totals, completenessOf(account));
    return totals;
  }

  #accountOf(namespaceId: number): Account {
    const known = this.#accounts.get(namespaceId);
    if (known !== undefined) return known;
    const account = { last: null, since: 0, opened: 0, openedBefore: 0, failed: 0, seen: 0 };
    this.#accounts.set(namespaceId, account);
    return account;
  }
}

const NOTHING: TcpCounters = { activeOpens: 0, passiveOpens: 0, attemptFails: 0 };

function completenessOf({ opened, openedBefore, failed, seen }: Account): Completeness {
  return { opened, failed, seen, unseen: Math.max(0, openedBefore - seen) };
}

function add(a: Completeness, b: Completeness): Completeness {
  return {
    opened: a.opened + b.opened,
    failed: a.failed + b.failed,
    seen: a.seen + b.seen,
    unseen: a.unseen + b.unseen,
  };
}
