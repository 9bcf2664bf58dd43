// Listeners by (network namespace, protocol, port): who answers at a place.

import { SparseIndex } from "../store/sparse-index.ts";
import { mixHash } from "../store/hash.ts";
import type { Tables } from "../store/tables.ts";

/** Listeners of every family at most: those of a thousand nodes with 256 each. */
export const LISTENERS_MAX = 2 ** 18;
/** Nobody listens there. */
export const NO_LISTENER = -1;
/** Several listen there that could each be it. */
export const SEVERAL_LISTENERS = -2;

/** Index of internet listeners. */
export class ListenerIndex {
  readonly #tables: Tables;
  readonly #index = new SparseIndex();

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  add(slot: number): void {
    this.#index.add(slot, this.#hashOf(slot));
  }

  remove(slot: number): void {
    this.#index.remove(slot);
  }

  /** Whether anything listens on the port at the address: bound to it, or to the wildcard of either family. */
  listens(namespace: number, protocol: number, address: number, port: number): boolean {
    const start = this.#index.first(hashPlace(namespace, protocol, port));
    for (let slot = start; slot >= 0; slot = this.#index.after(slot)) {
      if (this.#rank(slot, namespace, protocol, address, port) > 0) return true;
    }
    return false;
  }

  /**
   * The listener that gets what is sent to the address and port. The kernel prefers one bound to the address over one
   * bound to the wildcard. Of several equals (SO_REUSEPORT) the oldest stands for all where `alike` says that they
   * belong together, else SEVERAL_LISTENERS. NO_LISTENER where there is none.
   */
  find(
    namespace: number,
    protocol: number,
    address: number,
    port: number,
    alike: (a: number, b: number) => boolean,
  ): number {
    let best = NO_LISTENER;
    let bestRank = 0;
    let several = false;
    const { sockets } = this.#tables;
    const start = this.#index.first(hashPlace(namespace, protocol, port));
    for (let slot = start; slot >= 0; slot = this.#index.after(slot)) {
      const rank = this.#rank(slot, namespace, protocol, address, port);
      if (rank === 0 || rank < bestRank) continue;
      if (rank > bestRank) {
        best = slot;
        bestRank = rank;
        several = false;
        continue;
      }
      several ||= !alike(best, slot);
      if (sockets.sinceMs[slot]! < sockets.sinceMs[best]!) best = slot;
    }
    return several ? SEVERAL_LISTENERS : best;
  }

  /** The listener that is this very socket, which has an inode, or NO_LISTENER. */
  findSame(namespace: number, protocol: number, address: number, port: number, inode: number): number {
    const { sockets } = this.#tables;
    if (inode === 0) return NO_LISTENER;
    const start = this.#index.first(hashPlace(namespace, protocol, port));
    for (let slot = start; slot >= 0; slot = this.#index.after(slot)) {
      const same = sockets.inode(slot) === inode && sockets.localAddress(slot) === address;
      if (same && this.#rank(slot, namespace, protocol, address, port) > 0) return slot;
    }
    return NO_LISTENER;
  }

  // 3 bound to the address, 2 to the wildcard of its family, 1 to :: for an IPv4 address, 0 not answering there.
  #rank(slot: number, namespace: number, protocol: number, address: number, port: number): number {
    const { sockets, addresses } = this.#tables;
    if (sockets.localPort(slot) !== port || sockets.namespace(slot) !== namespace) return 0;
    if (sockets.protocol(slot) !== protocol) return 0;
    const bound = sockets.localAddress(slot);
    if (bound === address) return 3;
    if (!addresses.isWildcard(bound)) return 0;
    if (addresses.isIpv6Wildcard(bound)) return addresses.isIpv4(address) ? 1 : 2;
    return addresses.isIpv4(address) ? 2 : 0;
  }

  #hashOf(slot: number): number {
    const { sockets } = this.#tables;
    return hashPlace(sockets.namespace(slot), sockets.protocol(slot), sockets.localPort(slot));
  }
}

function hashPlace(namespace: number, protocol: number, port: number): number {
  return mixHash(mixHash(protocol, namespace), port);
}
