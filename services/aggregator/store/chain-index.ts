// A hash index over the slots of a table: buckets of chained slot numbers. Nothing but integers is stored (twelve bytes
// a slot at most), keys stay in the table's own columns, and equal keys are allowed: the reader compares what it finds.

import { grownColumn } from "./capacity.ts";

const INITIAL_BUCKETS = 1024;

/** Slots by hash. The owner of the columns computes hashes, and compares keys along the chain. */
export class ChainIndex {
  /** Slots in the index. */
  size = 0;
  // Slot numbers plus one; zero ends a chain.
  #heads = new Int32Array(INITIAL_BUCKETS);
  #next = new Int32Array(INITIAL_BUCKETS);
  // Kept, since to compute a hash again costs a look into each of the key's columns.
  #hashes = new Int32Array(INITIAL_BUCKETS);

  /** The first slot that was added with this hash, or -1. */
  first(hash: number): number {
    return this.#seek(this.#heads[hash & (this.#heads.length - 1)]!, hash | 0);
  }

  /** The next slot with the hash of `slot`, or -1. */
  after(slot: number): number {
    return this.#seek(this.#next[slot]!, this.#hashes[slot]!);
  }

  /** Adds a slot, which must not be in the index. */
  add(slot: number, hash: number): void {
    if (this.size >= this.#heads.length) this.#doubleBuckets();
    if (slot >= this.#next.length) this.#grow(slot);
    const bucket = hash & (this.#heads.length - 1);
    this.#hashes[slot] = hash;
    this.#next[slot] = this.#heads[bucket]!;
    this.#heads[bucket] = slot + 1;
    this.size++;
  }

  /** Takes out a slot, which must be in the index. Costs the length of its chain. */
  remove(slot: number): void {
    const bucket = this.#hashes[slot]! & (this.#heads.length - 1);
    const following = this.#next[slot]!;
    let at = this.#heads[bucket]!;
    if (at === slot + 1) {
      this.#heads[bucket] = following;
    } else {
      while (this.#next[at - 1] !== slot + 1) at = this.#next[at - 1]!;
      this.#next[at - 1] = following;
    }
    this.size--;
  }

  #seek(from: number, hash: number): number {
    let at = from;
    while (at !== 0 && this.#hashes[at - 1] !== hash) at = this.#next[at - 1]!;
    return at - 1;
  }

  #grow(slot: number): void {
    const capacity = Math.max(slot + 1, Math.ceil(this.#next.length * 1.5));
    this.#next = grownColumn(this.#next, capacity);
    this.#hashes = grownColumn(this.#hashes, capacity);
  }

  #doubleBuckets(): void {
    const old = this.#heads;
    const heads = new Int32Array(old.length * 2);
    const mask = heads.length - 1;
    for (let bucket = 0; bucket < old.length; bucket++) {
      for (let at = old[bucket]!; at !== 0;) {
        const following = this.#next[at - 1]!;
        const target = this.#hashes[at - 1]! & mask;
        this.#next[at - 1] = heads[target]!;
        heads[target] = at;
        at = following;
      }
    }
    this.#heads = heads;
  }
}
