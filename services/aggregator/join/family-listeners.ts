// Unix sockets that accept, by (node, inode): a connected datagram socket names its server's inode as its peer.

import { ChainIndex } from "../store/chain-index.ts";
import { mixHash } from "../store/hash.ts";
import { Family } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";

/** Index of listeners of the families beside the internet's. */
export class FamilyListeners {
  readonly #tables: Tables;
  readonly #index = new ChainIndex();

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  add(slot: number): void {
    this.#index.add(slot, this.#hashOf(slot));
  }

  remove(slot: number): void {
    this.#index.remove(slot);
  }

  /** The unix listener with this inode on a node, or -1. */
  find(node: number, inode: number): number {
    const { sockets, namespaces } = this.#tables;
    for (let slot = this.#index.first(mixHash(node, inode)); slot >= 0; slot = this.#index.after(slot)) {
      if (sockets.protocol[slot] !== Family.unix || sockets.localAddress[slot] !== inode) continue;
      if (namespaces.nodeOf(sockets.namespace[slot]!) === node) return slot;
    }
    return -1;
  }

  #hashOf(slot: number): number {
    const { sockets, namespaces } = this.#tables;
    return mixHash(namespaces.nodeOf(sockets.namespace[slot]!), sockets.localAddress[slot]!);
  }
}
