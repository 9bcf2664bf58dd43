// Compares what was seen with what the kernel counted: per namespace, the ends of TCP connections seen for
// the first time, failed attempts included, with ActiveOpens + PassiveOpens since the agent first saw the
// namespace. AttemptFails is shown but never subtracted: it also counts half-open inbound handshakes, which
// never were connections (net/ipv4/tcp_minisocks.c).
//
// The counters of a namespace and its sockets cannot be read at the same moment. Therefore the ends seen are
// compared with the previous reading of the counters: each connection counted there has had a whole pass to
// appear. Ends that events report have the time at which their connection was opened; ends opened after that
// reading do not compensate for missing ones. A namespace with more ends seen than counted never compensates
// for another one.

import type { AccountSums } from "../../../lib/account-sums.ts";
import { addSums, NO_SUMS } from "../../../lib/account-sums.ts";
import type { TcpCounters } from "../observation.ts";

/** The account of one namespace. */
interface NamespaceCompleteness extends AccountSums {
  /** Ticks since the epoch's start from which it counts; 0 if it counts since the namespace was created. */
  readonly since: number;
  /** What the kernel had counted as `opened` by then, since the namespace was created; 0 if unknown. */
  readonly kernelOpens: number;
}

interface Account {
  last: TcpCounters | null;
  since: number;
  /** Nanoseconds of CLOCK_MONOTONIC; connections opened earlier do not count. */
  sinceNs: number;
  /** As of the latest counters. */
  opened: number;
  failed: number;
  seen: number;
  /** The part of `seen` that was opened after the latest counters were read. */
  seenLater: number;
  unseen: number;
}

/**
 * Maximum nanoseconds between the kernel's counting of a connection and its event, which one interrupt does:
 * 1 ms, far more than it takes.
 */
const COUNTING_NS = 1e6;

/** Sums the counters of every namespace, existing or gone. */
export class CompletenessAccount {
  readonly #accounts = new Map<number, Account>();
  #gone = NO_SUMS;

  /**
   * Begins the account of a namespace that existed before the agent knew it: its counters so far are left
   * out.
   */
  begin(namespaceId: number, counters: TcpCounters, ticks: number): void {
    const begun = { ...emptyAccount(), last: counters, since: ticks, sinceNs: counters.readNs };
    this.#accounts.set(namespaceId, begun);
  }

  /** Whether the account of a namespace has its initial counters. */
  hasBegun(namespaceId: number): boolean {
    return (this.#accounts.get(namespaceId)?.last ?? null) !== null;
  }

  /**
   * Stores a namespace's counters; call it after all events that preceded their reading. A namespace without
   * an account appeared while the agent ran: all of its counters count. Counters that decreased belong to a
   * new namespace.
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
   * Counts ends of TCP connections that a reading saw first in a namespace, after its account began.
   * `isLater` says that they were, as far as is known, opened after the latest counters were read.
   */
  see(namespaceId: number, ends: number, isLater: boolean): void {
    const account = this.#accountOf(namespaceId);
    account.seen += ends;
    if (isLater) account.seenLater += ends;
  }

  /** Counts an end that an event reported, of a connection opened at `openedNs` of CLOCK_MONOTONIC. */
  hear(namespaceId: number, openedNs: number): void {
    const account = this.#accountOf(namespaceId);
    if (openedNs <= account.sinceNs) return;
    account.seen++;
    if (account.last === null || openedNs > account.last.readNs + COUNTING_NS) account.seenLater++;
  }

  /** Compares: connections in the latest counters that have not appeared by now never will. */
  settle(): void {
    for (const account of this.#accounts.values()) settle(account);
  }

  /** Closes the accounts of namespaces that are gone, since their ids are reused; the totals keep them. */
  keepOnly(namespaces: ReadonlyMap<number, unknown>): void {
    for (const [id, account] of this.#accounts) {
      if (namespaces.has(id)) continue;
      settle(account);
      this.#gone = addSums(this.#gone, completenessOf(account));
      this.#accounts.delete(id);
    }
  }

  /** The account of a namespace; null if it has none. */
  of(namespaceId: number): NamespaceCompleteness | null {
    const account = this.#accounts.get(namespaceId);
    if (account === undefined) return null;
    const { since, last, seenLater } = account;
    const kernelOpens = last === null ? 0 : last.activeOpens + last.passiveOpens + seenLater;
    return { ...completenessOf(account), since, kernelOpens };
  }

  /** The sums of all namespaces, existing or gone. */
  get totals(): AccountSums {
    let totals = this.#gone;
    for (const account of this.#accounts.values()) totals = addSums(totals, completenessOf(account));
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

function completenessOf({ opened, failed, seen, seenLater, unseen }: Account): AccountSums {
  return { opened: opened + seenLater, failed, seen, unseen };
}
