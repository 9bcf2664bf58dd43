// A hash index over the slots of a table: buckets of chained slot numbers. It stores only integers (at most
// twelve bytes per slot); keys stay in the table's own columns, and equal keys are allowed: the caller
// compares what it finds.

import { grownColumn } from "./capacity.ts";

const INITIAL_BUCKETS = 1024;

/** Slots by hash. The owner of the columns computes hashes, and compares keys along the chain. */
export class ChainIndex {
  /** Slots in the index. */
  size = 0;
  // Slot numbers plus one; zero ends a chain.
  #heads = new Int32Array(INITIAL_BUCKETS);
  // Two per slot: the next slot of its chain, and its hash, because recomputing the hash means reading the
  // key's columns.
  #links = new Int32Array(2 * INITIAL_BUCKETS);

  /** The first slot that was added with this hash, or -1. */
  first(hash: number): number {
    return this.#seek(this.#heads[hash & (this.#heads.length - 1)]!, hash | 0);
  }

  /** The next slot with the hash of `slot`, or -1. */
  after(slot: number): number {
    return this.#seek(this.#links[slot * 2]!, this.#links[slot * 2 + 1]!);
  }

  /** The hash with which a slot was added. */
  hashOf(slot: number): number {
    return this.#links[slot * 2 + 1]!;
  }

  /** Adds a slot, which must not be in the index. */
  add(slot: number, hash: number): void {
    if (this.size >= this.#heads.length) this.#doubleBuckets();
    if (slot * 2 >= this.#links.length) this.#grow(slot);
    const bucket = hash & (this.#heads.length - 1);
    this.#links[slot * 2] = this.#heads[bucket]!;
    this.#links[slot * 2 + 1] = hash;
    this.#heads[bucket] = slot + 1;
    this.size++;
  }

  /** Removes a slot, which must be in the index. The cost is the length of its chain. */
  remove(slot: number): void {
    const links = this.#links;
    const bucket = this.hashOf(slot) & (this.#heads.length - 1);
    const following = links[slot * 2]!;
    let at = this.#heads[bucket]!;
    if (at === slot + 1) {
      this.#heads[bucket] = following;
    } else {
      while (links[at * 2 - 2] !== slot + 1) at = links[at * 2 - 2]!;
      links[at * 2 - 2] = following;
    }
    this.size--;
  }

  #seek(from: number, hash: number): number {
    const links = this.#links;
    let at = from;
    while (at !== 0 && links[at * 2 - 1] !== hash) at = links[at * 2 - 2]!;
    return at - 1;
  }

  #grow(slot: number): void {
    const rows = Math.max(slot + 1, Math.ceil(this.#links.length * 0.75));
    this.#links = grownColumn(this.#links, rows * 2);
  }

  #doubleBuckets(): void {
    const links = this.#links;
    const old = this.#heads;
    const heads = new Int32Array(old.length * 2);
    const mask = heads.length - 1;
    for (let bucket = 0; bucket < old.length; bucket++) {
      for (let at = old[bucket]!; at !== 0;) {
        const following = links[at * 2 - 2]!;
        const target = links[at * 2 - 1]! & mask;
        links[at * 2 - 2] = heads[target]!;
        heads[target] = at;
        at = following;
      }
    }
    this.#heads = heads;
  }
}
