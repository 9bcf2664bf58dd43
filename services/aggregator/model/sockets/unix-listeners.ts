// Listeners of the non-internet families. Unix listeners are found by (node, inode), since a connected
// datagram socket names its server's inode as its peer, and by (node, path), since an accepted socket has its
// listener's path.

import { mixHash } from "../../../../lib/hash.ts";
import { SparseIndex } from "../storage/sparse-index.ts";
import type { SocketPlaces } from "./end-index.ts";
import { Family } from "../../../../lib/vocabulary/protocols.ts";

/** Index of listeners of the non-internet families. */
export class UnixListeners {
  readonly #places: SocketPlaces;
  readonly #index = new SparseIndex();
  readonly #byPath = new Map<string, Set<number>>();
  // The key under which each was added: its path may change.
  readonly #keys = new Map<number, string>();

  constructor(places: SocketPlaces) {
    this.#places = places;
  }

  add(slot: number): void {
    this.#index.add(slot, this.#hashOf(slot));
    const key = this.#pathKeyOf(slot);
    if (key === null) return;
    this.#keys.set(slot, key);
    const same = this.#byPath.get(key);
    if (same === undefined) this.#byPath.set(key, new Set([slot]));
    else same.add(slot);
  }

  remove(slot: number): void {
    this.#index.remove(slot);
    const key = this.#keys.get(slot);
    if (key === undefined) return;
    this.#keys.delete(slot);
    const same = this.#byPath.get(key)!;
    same.delete(slot);
    if (same.size === 0) this.#byPath.delete(key);
  }

  /** The only unix listener with the path of a unix socket on its node; -1 if there is none, or several. */
  withPathOf(slot: number): number {
    const key = this.#pathKeyOf(slot);
    const same = key === null ? undefined : this.#byPath.get(key);
    if (same?.size !== 1) return -1;
    const [listener] = same;
    return listener!;
  }

  /** The unix listener with this inode on a node, or -1. */
  find(node: number, inode: number): number {
    const { sockets, namespaces } = this.#places;
    for (let slot = this.#index.first(mixHash(node, inode)); slot >= 0; slot = this.#index.after(slot)) {
      if (sockets.protocol(slot) !== Family.unix || sockets.localAddress(slot) !== inode) continue;
      if (namespaces.nodeOf(sockets.namespace(slot)) === node) return slot;
    }
    return -1;
  }

  // Two containers may have the same path, each in its own file system.
  #pathKeyOf(slot: number): string | null {
    const { sockets, namespaces } = this.#places;
    const path = sockets.paths.get(slot);
    if (path === undefined || sockets.protocol(slot) !== Family.unix) return null;
    return `${namespaces.nodeOf(sockets.namespace(slot))} ${path}`;
  }

  #hashOf(slot: number): number {
    const { sockets, namespaces } = this.#places;
    return mixHash(namespaces.nodeOf(sockets.namespace(slot)), sockets.localAddress(slot));
  }
}
