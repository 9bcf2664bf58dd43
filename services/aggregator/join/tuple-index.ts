// Ends by their tuple: protocol and the pair of (address, port), whichever is local, so that the two ends of one
// conversation are found under the same hash. What means something in one network namespace only (loopback, or both
// addresses the same) or on one node only (unix) matches within it alone.

import { ChainIndex } from "../store/chain-index.ts";
import { mixHash } from "../store/hash.ts";
import { Family, isFamily } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";

/** Index of the ends of conversations. */
export class TupleIndex {
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

  /** The first end that may have the tuple, or -1; the caller compares. */
  first(protocol: number, addressA: number, portA: number, addressB: number, portB: number): number {
    return this.#index.first(hashTuple(protocol, addressA, portA, addressB, portB));
  }

  /** The first end that may have the tuple of this one, which is in the index; or -1. */
  firstLike(slot: number): number {
    return this.#index.first(this.#index.hashOf(slot));
  }

  after(slot: number): number {
    return this.#index.after(slot);
  }

  /** The end with this tuple in this namespace: the living one, else the one that went last; -1 where there is none. */
  findSame(
    namespace: number,
    protocol: number,
    localAddress: number,
    localPort: number,
    remoteAddress: number,
    remotePort: number,
  ): number {
    const { sockets } = this.#tables;
    let latest = -1;
    let slot = this.first(protocol, localAddress, localPort, remoteAddress, remotePort);
    for (; slot >= 0; slot = this.after(slot)) {
      if (
        sockets.localPort(slot) !== localPort ||
        sockets.namespace(slot) !== namespace ||
        sockets.protocol(slot) !== protocol ||
        sockets.remotePort(slot) !== remotePort ||
        sockets.localAddress(slot) !== localAddress ||
        sockets.remoteAddress(slot) !== remoteAddress
      ) {
        continue;
      }
      if (sockets.isLive(slot)) return slot;
      if (latest < 0 || sockets.sinceMs[slot]! > sockets.sinceMs[latest]!) latest = slot;
    }
    return latest;
  }

  /** Whether b is what the other end of a would look like, were they in one place. */
  mirrors(a: number, b: number): boolean {
    const { sockets } = this.#tables;
    return (
      sockets.protocol(a) === sockets.protocol(b) &&
      sockets.localPort(a) === sockets.remotePort(b) &&
      sockets.remotePort(a) === sockets.localPort(b) &&
      sockets.localAddress(a) === sockets.remoteAddress(b) &&
      sockets.remoteAddress(a) === sockets.localAddress(b)
    );
  }

  /** Whether two ends have the same tuple in the same direction. */
  equals(a: number, b: number): boolean {
    const { sockets } = this.#tables;
    return (
      sockets.protocol(a) === sockets.protocol(b) &&
      sockets.localPort(a) === sockets.localPort(b) &&
      sockets.remotePort(a) === sockets.remotePort(b) &&
      sockets.localAddress(a) === sockets.localAddress(b) &&
      sockets.remoteAddress(a) === sockets.remoteAddress(b)
    );
  }

  /** Whether an end's addresses mean something in its own network namespace only. */
  isNamespaceScoped(slot: number): boolean {
    const { sockets, addresses } = this.#tables;
    if (isFamily(sockets.protocol(slot))) return false;
    const local = sockets.localAddress(slot);
    const remote = sockets.remoteAddress(slot);
    return local === remote || addresses.isLoopback(local) || addresses.isLoopback(remote);
  }

  /** Whether two ends may belong together, given where they are. */
  sharesScope(a: number, b: number): boolean {
    const { sockets, namespaces } = this.#tables;
    const namespaceA = sockets.namespace(a);
    const namespaceB = sockets.namespace(b);
    if (namespaceA === namespaceB) return true;
    if (sockets.protocol(a) === Family.unix)
      return namespaces.nodeOf(namespaceA) === namespaces.nodeOf(namespaceB);
    return !this.isNamespaceScoped(a);
  }

  #hashOf(slot: number): number {
    const { sockets } = this.#tables;
    return hashTuple(
      sockets.protocol(slot),
      sockets.localAddress(slot),
      sockets.localPort(slot),
      sockets.remoteAddress(slot),
      sockets.remotePort(slot),
    );
  }
}

function hashTuple(
  protocol: number,
  addressA: number,
  portA: number,
  addressB: number,
  portB: number,
): number {
  return mixHash(protocol, hashPair(addressA, portA) + hashPair(addressB, portB));
}

function hashPair(address: number, port: number): number {
  return mixHash(mixHash(0x2545f491, address), port);
}
