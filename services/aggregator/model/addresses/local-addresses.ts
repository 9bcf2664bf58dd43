// Which network namespaces have an address: every local address of a live socket, and every address that a
// report names for a namespace. It decides which socket receives a datagram and, without Kubernetes, what is
// external.

import { grownColumn, nextCapacity } from "../storage/capacity.ts";
import { ChainIndex } from "../storage/chain-index.ts";
import { mixHash } from "../../../../lib/hash.ts";

/** Pairs of namespace and address. */
const PAIRS_MAX = 2 ** 22;

/** Reference-counted pairs of (address, namespace). */
export class LocalAddresses {
  #version = 0;
  #address = new Int32Array(256);
  #namespace = new Int32Array(256);
  #count = new Uint32Array(256);
  #used = 0;
  // The pair found last: sockets arrive grouped by namespace.
  #recent = 0;
  #free: number[] = [];
  readonly #index = new ChainIndex();

  /** Increases whenever an address becomes local somewhere. */
  get version(): number {
    return this.#version;
  }

  /** Adds a reference that makes the address local in the namespace. */
  retain(address: number, namespace: number): void {
    const pair = this.#find(address, namespace);
    if (pair >= 0) this.#count[pair]!++;
    else this.#insert(address, namespace);
  }

  /** Drops one reference. */
  release(address: number, namespace: number): void {
    const pair = this.#find(address, namespace);
    if (pair < 0 || --this.#count[pair]! > 0) return;
    this.#index.remove(pair);
    this.#free.push(pair);
  }

  /** Any namespace that has the address, or -1. */
  firstNamespace(address: number): number {
    for (let pair = this.#index.first(mixHash(0, address)); pair >= 0; pair = this.#index.after(pair)) {
      if (this.#address[pair] === address) return this.#namespace[pair]!;
    }
    return -1;
  }

  /** Every namespace that has the address. */
  namespacesOf(address: number): number[] {
    const namespaces: number[] = [];
    for (let pair = this.#index.first(mixHash(0, address)); pair >= 0; pair = this.#index.after(pair)) {
      if (this.#address[pair] === address) namespaces.push(this.#namespace[pair]!);
    }
    return namespaces;
  }

  #find(address: number, namespace: number): number {
    const recent = this.#recent;
    if (
      this.#count[recent]! > 0 &&
      this.#address[recent] === address &&
      this.#namespace[recent] === namespace
    )
      return recent;
    for (let pair = this.#index.first(mixHash(0, address)); pair >= 0; pair = this.#index.after(pair)) {
      if (this.#address[pair] === address && this.#namespace[pair] === namespace) {
        this.#recent = pair;
        return pair;
      }
    }
    return -1;
  }

  #insert(address: number, namespace: number): void {
    const pair = this.#free.pop() ?? this.#used++;
    if (pair >= this.#count.length) {
      const capacity = nextCapacity(this.#count.length, PAIRS_MAX);
      this.#address = grownColumn(this.#address, capacity);
      this.#namespace = grownColumn(this.#namespace, capacity);
      this.#count = grownColumn(this.#count, capacity);
    }
    this.#address[pair] = address;
    this.#namespace[pair] = namespace;
    this.#count[pair] = 1;
    this.#index.add(pair, mixHash(0, address));
    this.#version++;
  }
}
