// Holds what was seen against what the kernel counted: per namespace ActiveOpens + PassiveOpens since the
// agent first saw it, against the ends of TCP connections first seen, failed attempts included. AttemptFails
// is shown beside it and never subtracted: it counts half-open inbound handshakes too, which never were
// connections (net/ipv4/tcp_minisocks.c).
//
// The counters of a namespace and its sockets cannot be read at one moment. So what is compared with the ends
// seen are the counters of the reading before: whatever they counted has had a whole pass to show itself.
// Ends that are heard of carry the time at which their connection was opened: those that were opened after
// these counters were read do not make up for any that are missing. A namespace where more was seen than
// counted never makes up for another one.

import type { TcpCounters } from "../observation.ts";

/** What was counted and seen since the agent started, or since the namespace was first seen. */
export interface Completeness {
  /** What the kernel counted, and what was heard to open since its counters were read. */
  readonly opened: number;
  readonly failed: number;
  readonly seen: number;
  readonly unseen: number;
}

/** The account of one namespace. */
interface NamespaceCompleteness extends Completeness {
  /** Ticks since the epoch's start from when it counts; 0 is since the namespace was made. */
  readonly since: number;
  /** What the kernel had counted as `opened` by then, since the namespace was made; 0 if unknown. */
  readonly kernelOpens: number;
}

interface Account {
  last: TcpCounters | null;
  since: number;
  /** Nanoseconds of CLOCK_MONOTONIC up to which what was opened does not count. */
  sinceNs: number;
  /** As of the last counters. */
  opened: number;
  failed: number;
  seen: number;
  /** Of `seen` what was opened after the last counters were read. */
  seenLater: number;
  unseen: number;
}

/**
 * Nanoseconds that may pass between the kernel's counting of a connection and its event, in one interrupt: 1
 * ms, far more than it takes.
 */
const COUNTING_NS = 1e6;

/** Adds up the counters of every namespace, living or gone. */
export class CompletenessAccount {
  readonly #accounts = new Map<number, Account>();
  #gone: Completeness = { opened: 0, failed: 0, seen: 0, unseen: 0 };

  /**
   * Begins the account of a namespace that was there before the agent knew of it: its counters so far are left
   * out.
   */
  begin(namespaceId: number, counters: TcpCounters, ticks: number): void {
    const begun = { ...emptyAccount(), last: counters, since: ticks, sinceNs: counters.readNs };
    this.#accounts.set(namespaceId, begun);
  }

  /** Whether the account of a namespace has counters to begin with. */
  hasBegun(namespaceId: number): boolean {
    return (this.#accounts.get(namespaceId)?.last ?? null) !== null;
  }

  /**
   * Takes a namespace's counters, after everything that was heard before they were read. One whose account
   * was not begun came while the agent ran: all of it counts. Counters that went back are a new namespace's.
   */
  count(namespaceId: number, counters: TcpCounters): void {
    const account = this.#accountOf(namespaceId);
    const { last } = account;
    const wentBack =
      last !== null && (counters.activeOpens < last.activeOpens || counters.passiveOpens < last.passiveOpens);
    const base = last === null || wentBack ? NOTHING : last;
    if (counters.readNs !== last?.readNs) account.seenLater = 0;
    account.last = counters;
    account.opened += counters.activeOpens - base.activeOpens + counters.passiveOpens - base.passiveOpens;
    account.failed += Math.max(0, counters.attemptFails - base.attemptFails);
  }

  /**
   * Counts ends of TCP connections that a reading was the first to see in a namespace, after its account
   * began. With `isLater` they were opened after the last counters were read, as far as is known.
   */
  see(namespaceId: number, ends: number, isLater: boolean): void {
    const account = this.#accountOf(namespaceId);
    account.seen += ends;
    if (isLater) account.seenLater += ends;
  }

  /** Counts an end that was heard of, of a connection that was opened at `openedNs` of CLOCK_MONOTONIC. */
  hear(namespaceId: number, openedNs: number): void {
    const account = this.#accountOf(namespaceId);
    if (openedNs <= account.sinceNs) return;
    account.seen++;
    if (account.last === null || openedNs > account.last.readNs + COUNTING_NS) account.seenLater++;
  }

  /** Compares: whatever the last counters counted has shown itself by now, if it ever does. */
  settle(): void {
    for (const account of this.#accounts.values()) settle(account);
  }

  /**
   * Closes the accounts of namespaces that are gone (their ids will be used again): they stay in the totals.
   */
  keepOnly(namespaces: ReadonlyMap<number, unknown>): void {
    for (const [id, account] of this.#accounts) {
      if (namespaces.has(id)) continue;
      settle(account);
      this.#gone = add(this.#gone, completenessOf(account));
      this.#accounts.delete(id);
    }
  }

  /** The account of a namespace; null where it has none. */
  of(namespaceId: number): NamespaceCompleteness | null {
    const account = this.#accounts.get(namespaceId);
    if (account === undefined) return null;
    const { since, last, seenLater } = account;
    const kernelOpens = last === null ? 0 : last.activeOpens + last.passiveOpens + seenLater;
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
    const account = emptyAccount();
    this.#accounts.set(namespaceId, account);
    return account;
  }
}

const NOTHING: TcpCounters = { activeOpens: 0, passiveOpens: 0, attemptFails: 0, readNs: 0 };

function emptyAccount(): Account {
  return { last: null, since: 0, sinceNs: 0, opened: 0, failed: 0, seen: 0, seenLater: 0, unseen: 0 };
}

function settle(account: Account): void {
  account.unseen = Math.max(0, account.opened - (account.seen - account.seenLater));
}

function completenessOf({ opened, failed, seen, seenLater, unseen }: Account): Completeness {
  return { opened: opened + seenLater, failed, seen, unseen };
}

function add(a: Completeness, b: Completeness): Completeness {
  return {
    opened: a.opened + b.opened,
    failed: a.failed + b.failed,
    seen: a.seen + b.seen,
    unseen: a.unseen + b.unseen,
  };
}
