// Each network namespace's own account: whether it could be read, and what its kernel counted compared with
// what was seen. It is kept for a while after the namespace is gone, so that a pod that lived for seconds
// still has its row.

import type { NamespaceCoverage } from "../../../../lib/gen/whotalks/v1/report.ts";
import type { NamespaceRow, NamespaceTable } from "./namespace-table.ts";

/** Accounts of deleted namespaces: 2^16, about 20 MB; the oldest are evicted first. */
const ENDED_ACCOUNTS_MAX = 2 ** 16;

/** What an agent last reported about a namespace. */
export interface NamespaceAccount {
  /** Its node and inode, and its owner. */
  readonly owner: Pick<NamespaceRow, "node" | "inode" | "host" | "podUid" | "containerId">;
  readonly told: NamespaceCoverage;
  /** When its counters started: milliseconds since 1970 by the stream's clock. */
  readonly sinceMs: number;
  /** Whether it could be read in any pass. */
  readonly everRead: boolean;
  /** When the namespace was deleted; Infinity while it exists. */
  readonly endedMs: number;
}

/** The accounts of all nodes' namespaces. */
export class NamespaceAccounts {
  /** Accounts that were dropped early because ENDED_ACCOUNTS_MAX was reached. */
  overflowed = 0;
  readonly #namespaces: NamespaceTable;
  readonly #living = new Map<number, NamespaceAccount>();
  // Existing namespaces that could not be read in any pass.
  readonly #neverRead = new Set<number>();
  // In order of deletion; entries before #endedFrom have expired.
  #ended: NamespaceAccount[] = [];
  #endedFrom = 0;

  constructor(namespaces: NamespaceTable) {
    this.#namespaces = namespaces;
  }

  /** Stores an agent's account of the namespace in a slot. */
  put(slot: number, told: NamespaceCoverage, sinceMs: number): void {
    const owner = this.#namespaces.row(slot);
    const everRead = told.read || this.#living.get(slot)?.everRead === true;
    this.#living.set(slot, { owner, told, sinceMs, everRead, endedMs: Infinity });
    if (everRead) this.#neverRead.delete(slot);
    else this.#neverRead.add(slot);
  }

  /** Records that a namespace was deleted; must be called before its slot is reused. */
  end(slot: number, endedMs: number): void {
    const account = this.#living.get(slot);
    if (account === undefined) return;
    this.#ended.push({ ...this.#current(slot, account), endedMs });
    this.#living.delete(slot);
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

  // The owner of a namespace may have become known after its account was reported.
  #current(slot: number, account: NamespaceAccount): NamespaceAccount {
    return { ...account, owner: this.#namespaces.row(slot) };
  }

  // Cutting off the front costs the whole list, so it is done once half of it has expired.
  #compact(): void {
    if (this.#endedFrom * 2 < this.#ended.length) return;
    this.#ended = this.#ended.slice(this.#endedFrom);
    this.#endedFrom = 0;
  }
}
