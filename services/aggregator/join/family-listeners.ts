// Unix sockets that accept, by (node, inode), since a connected datagram socket names its server's inode as its peer, and
// by (node, path), since an accepted socket has its listener's path.

import { SparseIndex } from "../store/sparse-index.ts";
import { mixHash } from "../store/hash.ts";
import { Family } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";

/** Index of listeners of the families beside the internet's. */
export class FamilyListeners {
  readonly #tables: Tables;
  readonly #index = new SparseIndex();
  readonly #byPlace = new Map<string, Set<number>>();
  // What each was put under: its path may become another.
  readonly #places = new Map<number, string>();

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  add(slot: number): void {
    this.#index.add(slot, this.#hashOf(slot));
    const place = this.#placeOf(slot);
    if (place === null) return;
    this.#places.set(slot, place);
    const same = this.#byPlace.get(place);
    if (same === undefined) this.#byPlace.set(place, new Set([slot]));
    else same.add(slot);
  }

  remove(slot: number): void {
    this.#index.remove(slot);
    const place = this.#places.get(slot);
    if (place === undefined) return;
    this.#places.delete(slot);
    const same = this.#byPlace.get(place)!;
    same.delete(slot);
    if (same.size === 0) this.#byPlace.delete(place);
  }

  /** The only unix listener with the path of a unix socket on its node; -1 where there is none, or several. */
  withPathOf(slot: number): number {
    const place = this.#placeOf(slot);
    const same = place === null ? undefined : this.#byPlace.get(place);
    if (same?.size !== 1) return -1;
    const [listener] = same;
    return listener!;
  }

  /** The unix listener with this inode on a node, or -1. */
  find(node: number, inode: number): number {
    const { sockets, namespaces } = this.#tables;
    for (let slot = this.#index.first(mixHash(node, inode)); slot >= 0; slot = this.#index.after(slot)) {
      if (sockets.protocol(slot) !== Family.unix || sockets.localAddress(slot) !== inode) continue;
      if (namespaces.nodeOf(sockets.namespace(slot)) === node) return slot;
    }
    return -1;
  }

  // Two containers may have the same path, each in its own file system.
  #placeOf(slot: number): string | null {
    const { sockets, namespaces } = this.#tables;
    const path = sockets.paths.get(slot);
    if (path === undefined || sockets.protocol(slot) !== Family.unix) return null;
    return `${namespaces.nodeOf(sockets.namespace(slot))} ${path}`;
  }

  #hashOf(slot: number): number {
    const { sockets, namespaces } = this.#tables;
    return mixHash(namespaces.nodeOf(sockets.namespace(slot)), sockets.localAddress(slot));
  }
}
