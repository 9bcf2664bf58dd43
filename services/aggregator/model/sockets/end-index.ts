// Indexes ends of conversations by tuple: protocol and the unordered pair of (address, port), so that both
// ends of a conversation have the same hash. A tuple that is meaningful only in one network namespace
// (loopback, or both addresses the same) or on one node (unix) matches only within it.

import type { AddressTable } from "../addresses/address-table.ts";
import type { NamespaceTable } from "../nodes/namespace-table.ts";
import { ChainIndex } from "../storage/chain-index.ts";
import { mixHash } from "../../../../lib/hash.ts";
import type { SocketRows } from "./socket-rows.ts";
import { Family, isFamily } from "../../../../lib/vocabulary/protocols.ts";
import type { SocketIdentity } from "./socket-table.ts";

/** What the index reads about sockets and their places. */
export interface SocketPlaces {
  readonly sockets: SocketRows;
  readonly addresses: Pick<AddressTable, "isLoopback" | "isWildcard" | "isIpv4" | "isIpv6Wildcard">;
  readonly namespaces: Pick<NamespaceTable, "nodeOf">;
}

/** Index of the ends of conversations. */
export class EndIndex {
  readonly #places: SocketPlaces;
  readonly #index = new ChainIndex();

  constructor(places: SocketPlaces) {
    this.#places = places;
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

  /** The first end that may have the tuple of this indexed end, or -1. */
  firstLike(slot: number): number {
    return this.#index.first(this.#index.hashOf(slot));
  }

  after(slot: number): number {
    return this.#index.after(slot);
  }

  /**
   * The end with the same tuple in the same namespace: the one with the same cookie, else the live one, else
   * the one that closed last; -1 if there is none. A cookie of 0 is unknown.
   */
  findSame(socket: SocketIdentity, cookieLow = 0, cookieHigh = 0): number {
    const { sockets } = this.#places;
    const { protocol, namespace, localAddress, localPort, remoteAddress, remotePort } = socket;
    const knowsCookie = cookieLow !== 0 || cookieHigh !== 0;
    let [live, latest] = [-1, -1];
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
      if (knowsCookie && sockets.cookieLow[slot] === cookieLow && sockets.cookieHigh[slot] === cookieHigh)
        return slot;
      if (sockets.isLive(slot)) {
        if (!knowsCookie) return slot;
        live = slot;
      } else if (latest < 0 || sockets.sinceMs[slot]! > sockets.sinceMs[latest]!) latest = slot;
    }
    return live >= 0 ? live : latest;
  }

  /** Whether b has the tuple of a with local and remote exchanged. */
  mirrors(a: number, b: number): boolean {
    const { sockets } = this.#places;
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
    const { sockets } = this.#places;
    return (
      sockets.protocol(a) === sockets.protocol(b) &&
      sockets.localPort(a) === sockets.localPort(b) &&
      sockets.remotePort(a) === sockets.remotePort(b) &&
      sockets.localAddress(a) === sockets.localAddress(b) &&
      sockets.remoteAddress(a) === sockets.remoteAddress(b)
    );
  }

  /** Whether an end's addresses are meaningful only in its own network namespace. */
  isNamespaceScoped(slot: number): boolean {
    const { sockets, addresses } = this.#places;
    if (isFamily(sockets.protocol(slot))) return false;
    const local = sockets.localAddress(slot);
    const remote = sockets.remoteAddress(slot);
    return local === remote || addresses.isLoopback(local) || addresses.isLoopback(remote);
  }

  /** Whether the places of two ends with the same tuple allow them to match. */
  sharesScope(a: number, b: number): boolean {
    const { sockets, namespaces } = this.#places;
    const namespaceA = sockets.namespace(a);
    const namespaceB = sockets.namespace(b);
    if (namespaceA === namespaceB) return true;
    if (sockets.protocol(a) === Family.unix)
      return namespaces.nodeOf(namespaceA) === namespaces.nodeOf(namespaceB);
    return !this.isNamespaceScoped(a);
  }

  #hashOf(slot: number): number {
    const { sockets } = this.#places;
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
