// Each network namespace's own account: whether it could be read, and what its kernel counted compared with
// what was seen. It is kept for a while after the namespace is gone, so that a pod that lived for seconds
// still has its row.

import type { NamespaceCoverage } from "../../../../lib/gen/whotalks/v1/report.ts";
import type { AccountSums } from "../../../../lib/account-sums.ts";
import { addSums, NO_SUMS } from "../../../../lib/account-sums.ts";
import { NamespaceRuns } from "./namespace-runs.ts";
import type { NamespaceRow, NamespaceTable } from "./namespace-table.ts";

/** Accounts of deleted namespaces: 2^16, about 20 MB; the oldest are evicted first. */
const ENDED_ACCOUNTS_MAX = 2 ** 16;

/** The account of one namespace. */
export interface NamespaceAccount extends AccountSums {
  /** Its node and inode, and its owner. */
  readonly owner: Pick<NamespaceRow, "node" | "inode" | "host" | "podUid" | "containerId">;
  /** What its agent last reported: the figures of the agent's present run, and how the namespace is read. */
  readonly coverage: NamespaceCoverage;
  /** When its counters started: milliseconds since 1970 by the stream's clock. */
  readonly sinceMs: number;
  /** Whether it could be read in any pass. */
  readonly everRead: boolean;
  /** When the namespace was deleted; Infinity while it exists. */
  readonly endedMs: number;
}

/** What an agent reports of a namespace. */
interface ReportedAccount {
  readonly coverage: NamespaceCoverage;
  /** When its counters started: milliseconds since 1970 by the stream's clock. */
  readonly sinceMs: number;
  /** The agent's run. */
  readonly epoch: number;
  /**
   * Whether an earlier run of the agent is known, so that it would have reported a namespace that was there.
   */
  readonly hasEarlierRun: boolean;
}

interface LivingAccount {
  readonly runs: NamespaceRuns;
  sinceMs: number;
  everRead: boolean;
}

/** The accounts of all nodes' namespaces. */
export class NamespaceAccounts {
  /** Accounts that were dropped early because ENDED_ACCOUNTS_MAX was reached. */
  overflowed = 0;
  readonly #namespaces: NamespaceTable;
  readonly #living = new Map<number, LivingAccount>();
  // Ends of TCP connections that reports named, by namespace.
  readonly #ends = new Map<number, number>();
  // Existing namespaces that could not be read in any pass.
  readonly #neverRead = new Set<number>();
  // In order of deletion; entries before #endedFrom have expired.
  #ended: NamespaceAccount[] = [];
  #endedFrom = 0;
  // Of deleted namespaces, by node: see beyondReported().
  readonly #endedBeyond = new Map<number, AccountSums>();

  constructor(namespaces: NamespaceTable) {
    this.#namespaces = namespaces;
  }

  /** Counts an end of a TCP connection that a report named for the first time, in the namespace in a slot. */
  addEnd(slot: number): void {
    this.#ends.set(slot, this.#endsOf(slot) + 1);
  }

  /** Stores an agent's account of the namespace in a slot. */
  put(slot: number, { coverage, sinceMs, epoch, hasEarlierRun }: ReportedAccount): void {
    const ends = this.#endsOf(slot);
    let account = this.#living.get(slot);
    if (account === undefined) {
      account = { runs: new NamespaceRuns(coverage, epoch, ends, hasEarlierRun), sinceMs, everRead: false };
      this.#living.set(slot, account);
    } else {
      account.runs.put(coverage, epoch, ends);
      account.sinceMs = Math.min(account.sinceMs, sinceMs);
    }
    account.everRead ||= coverage.read;
    if (account.everRead) this.#neverRead.delete(slot);
    else this.#neverRead.add(slot);
  }

  /** Records that a namespace was deleted; must be called before its slot is reused. */
  end(slot: number, endedMs: number): void {
    const account = this.#living.get(slot);
    if (account !== undefined) {
      this.#ended.push({ ...this.#current(slot, account), endedMs });
      this.#addBeyond(this.#endedBeyond, slot, account);
    }
    this.#living.delete(slot);
    this.#ends.delete(slot);
    this.#neverRead.delete(slot);
    if (this.#ended.length - this.#endedFrom <= ENDED_ACCOUNTS_MAX) return;
    this.#endedFrom++;
    this.overflowed++;
    this.#compact();
  }

  /** Drops the accounts of namespaces deleted before a time. */
  forget(beforeMs: number): void {
    while (this.#endedFrom < this.#ended.length && this.#ended[this.#endedFrom]!.endedMs < beforeMs)
      this.#endedFrom++;
    this.#compact();
  }

  /** Returns all accounts, those of deleted namespaces last. */
  *all(): Generator<NamespaceAccount> {
    for (const [slot, account] of this.#living) yield this.#current(slot, account);
    for (let at = this.#endedFrom; at < this.#ended.length; at++) yield this.#ended[at]!;
  }

  /** Returns the accounts of namespaces that could not be read in any pass. */
  *neverRead(): Generator<NamespaceAccount> {
    for (const slot of this.#neverRead) yield this.#current(slot, this.#living.get(slot)!);
    for (let at = this.#endedFrom; at < this.#ended.length; at++)
      if (!this.#ended[at]!.everRead) yield this.#ended[at]!;
  }

  /**
   * By how much the figures of each node's namespaces, those that are gone included, exceed what its agents
   * reported: ends that opened while no agent ran, and those whose reports were lost.
   */
  beyondReported(): ReadonlyMap<number, AccountSums> {
    const sums = new Map(this.#endedBeyond);
    for (const [slot, account] of this.#living) this.#addBeyond(sums, slot, account);
    return sums;
  }

  #addBeyond(sums: Map<number, AccountSums>, slot: number, { runs }: LivingAccount): void {
    const node = this.#namespaces.nodeOf(slot);
    sums.set(node, addSums(sums.get(node) ?? NO_SUMS, runs.beyondReported(this.#endsOf(slot))));
  }

  #endsOf(slot: number): number {
    return this.#ends.get(slot) ?? 0;
  }

  // The owner of a namespace may have become known after its account was reported.
  #current(slot: number, { runs, sinceMs, everRead }: LivingAccount): NamespaceAccount {
    const owner = this.#namespaces.row(slot);
    return {
      owner,
      coverage: runs.coverage,
      ...runs.sums(this.#endsOf(slot)),
      sinceMs,
      everRead,
      endedMs: Infinity,
    };
  }

  // Cutting off the front costs the whole list, so it is done once half of it has expired.
  #compact(): void {
    if (this.#endedFrom * 2 < this.#ended.length) return;
    this.#ended = this.#ended.slice(this.#endedFrom);
    this.#endedFrom = 0;
  }
}
