// Interned addresses: each distinct address is stored once, so that sockets refer to it in four bytes and
// addresses are equal exactly if their numbers are. Reference counts free unused addresses.

import { formatAddress, isLoopback, isWildcard } from "../../../../lib/address.ts";
import { grownColumn, nextCapacity } from "../storage/capacity.ts";
import { ChainIndex } from "../storage/chain-index.ts";
import { mixHash } from "../../../../lib/hash.ts";

/** Distinct addresses: two of each of 2^22 ends and 2^18 listeners, and four of each of 2^20 flows. */
const ADDRESSES_MAX = 2 ** 24;

const LOOPBACK = 1;
const WILDCARD = 2;
const IPV6_WILDCARD = 4;

/** Interned addresses. */
export class AddressTable {
  #words = new Uint32Array(4 * 256);
  // Cached endpoint numbers; 0 if none was cached since the address was interned.
  #endpoints = new Uint32Array(256);
  #references = new Uint32Array(256);
  #traits = new Uint8Array(256);
  #used = 0;
  #free: number[] = [];
  readonly #index = new ChainIndex();

  /** Four words each, in network order, IPv4 mapped. */
  get words(): Uint32Array {
    return this.#words;
  }

  /** Number of addresses in use. */
  get size(): number {
    return this.#index.size;
  }

  /** Interns the address at words[offset…offset + 3]: returns its number and adds a reference. */
  intern(words: Uint32Array, offset: number): number {
    const slot = this.find(words, offset);
    if (slot >= 0) {
      this.#references[slot]!++;
      return slot;
    }
    return this.#insert(words, offset);
  }

  /** The number of an address, or -1 if it is not in use. */
  find(words: Uint32Array, offset: number): number {
    const mine = this.#words;
    const a = words[offset]!;
    const b = words[offset + 1]!;
    const c = words[offset + 2]!;
    const d = words[offset + 3]!;
    for (let slot = this.#index.first(hashWords(words, offset)); slot >= 0; slot = this.#index.after(slot)) {
      const at = slot * 4;
      if (mine[at + 3] === d && mine[at + 2] === c && mine[at + 1] === b && mine[at] === a) return slot;
    }
    return -1;
  }

  /** Adds a reference to an address that is in use. */
  retain(slot: number): void {
    this.#references[slot]!++;
  }

  /** Drops a reference. */
  release(slot: number): void {
    if (--this.#references[slot]! > 0) return;
    this.#index.remove(slot);
    this.#free.push(slot);
  }

  isLoopback(slot: number): boolean {
    return (this.#traits[slot]! & LOOPBACK) !== 0;
  }

  /** 0.0.0.0 or ::. */
  isWildcard(slot: number): boolean {
    return (this.#traits[slot]! & WILDCARD) !== 0;
  }

  /** ::, which accepts IPv4 too unless the socket is IPv6 only. */
  isIpv6Wildcard(slot: number): boolean {
    return (this.#traits[slot]! & IPV6_WILDCARD) !== 0;
  }

  /** Whether it is an IPv4 address. */
  isIpv4(slot: number): boolean {
    const words = this.#words;
    return words[slot * 4] === 0 && words[slot * 4 + 1] === 0 && words[slot * 4 + 2] === 0xffff;
  }

  /** The canonical text. */
  text(slot: number): string {
    return formatAddress(this.#words, slot * 4);
  }

  /** The cached endpoint number of the address; 0 if none. */
  rememberedEndpoint(slot: number): number {
    return this.#endpoints[slot]!;
  }

  /** Caches an endpoint number. */
  rememberEndpoint(slot: number, endpoint: number): void {
    this.#endpoints[slot] = endpoint;
  }

  #insert(words: Uint32Array, offset: number): number {
    const slot = this.#free.pop() ?? this.#used++;
    if (slot >= this.#references.length) this.#grow();
    for (let i = 0; i < 4; i++) this.#words[slot * 4 + i] = words[offset + i]!;
    this.#references[slot] = 1;
    this.#endpoints[slot] = 0;
    this.#traits[slot] = traitsOf(words, offset);
    this.#index.add(slot, hashWords(this.#words, slot * 4));
    return slot;
  }

  #grow(): void {
    const capacity = nextCapacity(this.#references.length, ADDRESSES_MAX);
    this.#words = grownColumn(this.#words, capacity * 4);
    this.#references = grownColumn(this.#references, capacity);
    this.#traits = grownColumn(this.#traits, capacity);
    this.#endpoints = grownColumn(this.#endpoints, capacity);
  }
}

function traitsOf(words: Uint32Array, offset: number): number {
  let traits = isLoopback(words, offset) ? LOOPBACK : 0;
  if (isWildcard(words, offset)) traits |= WILDCARD | (words[offset + 2] === 0 ? IPV6_WILDCARD : 0);
  return traits;
}

function hashWords(words: Uint32Array, offset: number): number {
  const high = mixHash(mixHash(0x51ed270b, words[offset]!), words[offset + 1]!);
  return mixHash(mixHash(high, words[offset + 2]!), words[offset + 3]!);
}
