// Network namespaces in reports: which exist, their owners, addresses and accounts.

import type { NamespaceCoverage, NetworkNamespace } from "../../../lib/gen/whotalks/v1/report.ts";
import type { News } from "../apply/news.ts";
import type { Model } from "../model/model.ts";
import type { NodeRecord } from "../model/nodes/node-record.ts";
import { TICK_MS } from "../../../lib/ticks.ts";
import { parseAddressBytes } from "./address-bytes.ts";
import type { Rejections } from "./rejections.ts";

/** Addresses kept per namespace. */
const NAMESPACE_ADDRESSES_MAX = 1024;
/** Ids of namespaces are 16 bits in the socket columns. */
const NAMESPACE_ID_MAX = 0xffff;

/** Applies what reports say about namespaces. */
export class NamespaceIntake {
  readonly #model: Model;
  readonly #news: News;
  readonly #rejections: Rejections;
  // Namespaces of an agent's previous run, by node and inode; each holds the reference of its former id.
  readonly #earlier = new Map<number, Map<number, number>>();

  constructor(model: Model, news: News, rejections: Rejections) {
    this.#model = model;
    this.#news = news;
    this.#rejections = rejections;
  }

  /** Adds or updates a namespace. */
  put(node: NodeRecord, namespace: NetworkNamespace): void {
    const { namespaces, overflow } = this.#model;
    if (namespace.id > NAMESPACE_ID_MAX) {
      this.#rejections.add();
      return;
    }
    let slot = node.ids.namespaces.get(namespace.id);
    if (slot >= 0 && namespaces.row(slot).inode !== namespace.inode) {
      this.remove(node, namespace.id);
      slot = -1;
    }
    if (slot < 0) {
      slot = this.#takeEarlier(node, namespace);
      if (slot < 0) slot = namespaces.add(node.index, namespace);
      if (slot < 0) {
        overflow.add("namespaces");
        return;
      }
      node.ids.namespaces.set(namespace.id, slot);
    }
    node.ids.namespaceIds.set(namespace.id, node.stream.keyframe);
    if (namespaces.update(slot, namespace)) this.#news.ownersChanged(node.index);
    this.#setAddresses(slot, namespace.addresses);
  }

  /** Stores a namespace's own account. `ageTicks` is how long ago its counters started. */
  putAccount(node: NodeRecord, account: NamespaceCoverage, ageTicks: number, observedMs: number): void {
    const slot = node.ids.namespaces.get(account.namespace);
    if (slot < 0) this.#rejections.add();
    else {
      this.#model.accounts.put(slot, {
        coverage: account,
        sinceMs: observedMs - ageTicks * TICK_MS,
        epoch: node.stream.epoch,
        hasEarlierRun: node.earlierRuns.count > 0,
      });
    }
  }

  /** Removes a namespace that no longer exists. */
  remove(node: NodeRecord, id: number): void {
    const slot = node.ids.namespaces.get(id);
    if (slot < 0) return;
    this.#release(slot);
    node.ids.namespaces.delete(id);
    node.ids.namespaceIds.delete(id);
  }

  /** Removes the namespaces that a node's keyframe did not name. */
  removeUnnamed(node: NodeRecord): void {
    for (const [id, keyframe] of node.ids.namespaceIds)
      if (keyframe !== node.stream.keyframe) this.remove(node, id);
    this.#releaseEarlier(node);
  }

  /**
   * Begins a new run of the agent: its earlier ids are invalid, but namespaces survive unless the node
   * rebooted.
   */
  beginEpoch(node: NodeRecord, rebooted: boolean): void {
    const earlier = this.#earlier.get(node.index) ?? new Map<number, number>();
    for (const id of node.ids.namespaceIds.keys()) {
      const slot = node.ids.namespaces.get(id);
      const { inode } = this.#model.namespaces.row(slot);
      if (rebooted || inode === 0 || earlier.has(inode)) this.#release(slot);
      else earlier.set(inode, slot);
    }
    if (rebooted) this.#releaseEarlier(node);
    else this.#earlier.set(node.index, earlier);
    node.ids.namespaceIds.clear();
    node.ids.namespaces.clear();
  }

  // The kernel reuses inode numbers: the same number with a different pod is a different namespace.
  #takeEarlier(node: NodeRecord, namespace: NetworkNamespace): number {
    const earlier = this.#earlier.get(node.index);
    const slot = earlier?.get(namespace.inode) ?? -1;
    if (slot < 0 || this.#model.namespaces.row(slot).podUid !== namespace.podUid) return -1;
    earlier!.delete(namespace.inode);
    return slot;
  }

  #releaseEarlier(node: NodeRecord): void {
    for (const slot of this.#earlier.get(node.index)?.values() ?? []) this.#release(slot);
    this.#earlier.delete(node.index);
  }

  #setAddresses(slot: number, list: readonly Uint8Array[]): void {
    const { namespaces, addresses, localAddresses } = this.#model;
    const before = namespaces.row(slot).addresses;
    const now: number[] = [];
    for (const bytes of list.slice(0, NAMESPACE_ADDRESSES_MAX)) {
      const words = parseAddressBytes(bytes);
      if (words === null) {
        this.#rejections.add();
        continue;
      }
      const address = addresses.intern(words, 0);
      now.push(address);
      localAddresses.retain(address, slot);
    }
    namespaces.setAddresses(slot, now);
    for (const address of before) this.#releaseAddress(address, slot);
  }

  #releaseAddress(address: number, namespace: number): void {
    this.#model.localAddresses.release(address, namespace);
    this.#model.addresses.release(address);
  }

  #release(slot: number): void {
    const { namespaces, accounts, nodes } = this.#model;
    const row = namespaces.row(slot);
    accounts.end(slot, nodes.at(row.node).stream.arrivedMs);
    for (const address of row.addresses) this.#releaseAddress(address, slot);
    namespaces.setAddresses(slot, []);
    namespaces.release(slot);
  }
}
