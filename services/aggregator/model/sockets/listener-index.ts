// Indexes internet listeners by (network namespace, protocol, port).

import { mixHash } from "../../../../lib/hash.ts";
import { SparseIndex } from "../storage/sparse-index.ts";
import type { SocketPlaces } from "./end-index.ts";

/** Nothing listens there. */
export const NO_LISTENER = -1;
/** Several listen there, and it could be any of them. */
export const SEVERAL_LISTENERS = -2;

/** A place where something may listen. */
export interface ListenerPlace {
  readonly namespace: number;
  readonly protocol: number;
  /** Number of the address. */
  readonly address: number;
  readonly port: number;
}

/** Index of internet listeners. */
export class ListenerIndex {
  readonly #places: SocketPlaces;
  readonly #index = new SparseIndex();

  constructor(places: SocketPlaces) {
    this.#places = places;
  }

  add(slot: number): void {
    this.#index.add(slot, this.#hashOf(slot));
  }

  remove(slot: number): void {
    this.#index.remove(slot);
  }

  /**
   * Whether something listens on an end's port at its address: bound to the address, or to the wildcard of
   * either family.
   */
  listensFor(end: number): boolean {
    const { sockets } = this.#places;
    const namespace = sockets.namespace(end);
    const protocol = sockets.protocol(end);
    const port = sockets.localPort(end);
    const address = sockets.localAddress(end);
    const start = this.#index.first(hashPlace(namespace, protocol, port));
    for (let slot = start; slot >= 0; slot = this.#index.after(slot)) {
      const here =
        sockets.localPort(slot) === port &&
        sockets.namespace(slot) === namespace &&
        sockets.protocol(slot) === protocol;
      if (here && this.#rank(slot, address) > 0) return true;
    }
    return false;
  }

  /**
   * Returns the listener that receives what is sent to a place. The kernel prefers one bound to the address
   * over one bound to the wildcard. Of several equal ones (SO_REUSEPORT), returns the oldest if `alike` says
   * that they belong together, else SEVERAL_LISTENERS. NO_LISTENER if there is none.
   */
  find(place: ListenerPlace, alike: (a: number, b: number) => boolean): number {
    const { sockets } = this.#places;
    let best = NO_LISTENER;
    let bestRank = 0;
    let several = false;
    for (let slot = this.#first(place); slot >= 0; slot = this.#index.after(slot)) {
      const rank = this.#isAt(slot, place) ? this.#rank(slot, place.address) : 0;
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

  /** The listener at a place with this inode; NO_LISTENER if unknown. */
  findSame(place: ListenerPlace, inode: number): number {
    const { sockets } = this.#places;
    if (inode === 0) return NO_LISTENER;
    for (let slot = this.#first(place); slot >= 0; slot = this.#index.after(slot)) {
      const same = sockets.inode(slot) === inode && sockets.localAddress(slot) === place.address;
      if (same && this.#isAt(slot, place)) return slot;
    }
    return NO_LISTENER;
  }

  #first({ namespace, protocol, port }: ListenerPlace): number {
    return this.#index.first(hashPlace(namespace, protocol, port));
  }

  #isAt(slot: number, { namespace, protocol, port }: ListenerPlace): boolean {
    const { sockets } = this.#places;
    return (
      sockets.localPort(slot) === port &&
      sockets.namespace(slot) === namespace &&
      sockets.protocol(slot) === protocol
    );
  }

  // 3 if bound to the address, 2 if to the wildcard of its family, 1 if to :: for an IPv4 address, 0 if it
  // does not receive what is sent to the address.
  #rank(slot: number, address: number): number {
    const { sockets, addresses } = this.#places;
    const bound = sockets.localAddress(slot);
    if (bound === address) return 3;
    if (!addresses.isWildcard(bound)) return 0;
    if (addresses.isIpv6Wildcard(bound)) return addresses.isIpv4(address) ? 1 : 2;
    return addresses.isIpv4(address) ? 2 : 0;
  }

  #hashOf(slot: number): number {
    const { sockets } = this.#places;
    return hashPlace(sockets.namespace(slot), sockets.protocol(slot), sockets.localPort(slot));
  }
}

function hashPlace(namespace: number, protocol: number, port: number): number {
  return mixHash(mixHash(protocol, namespace), port);
}
