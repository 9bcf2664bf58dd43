// A hash index over the slots of a table: buckets of chained slot numbers. Nothing but integers is stored (eight bytes
// a slot at most), keys stay in the table's own columns, and equal keys are allowed: the reader compares what it finds.

const INITIAL_BUCKETS = 1024;

/** Slots by hash. The owner of the columns computes hashes, and compares keys along the chain. */
export class ChainIndex {
  /** Slots in the index. */
  size = 0;
  // Slot numbers plus one; zero ends a chain.
  #heads = new Int32Array(INITIAL_BUCKETS);
  #next = new Int32Array(INITIAL_BUCKETS);
  readonly #hashOf: (slot: number) => number;

  /** hashOf gives the hash with which a slot was added; it is asked again when the buckets double. */
  constructor(hashOf: (slot: number) => number) {
    this.#hashOf = hashOf;
  }

  /** The first slot that may have this hash, or -1. */
  first(hash: number): number {
    return this.#heads[hash & (this.#heads.length - 1)]! - 1;
  }

  /** The slot after `slot` in its chain, or -1. */
  after(slot: number): number {
    return this.#next[slot]! - 1;
  }

  /** Adds a slot, which must not be in the index. */
  add(slot: number, hash: number): void {
    if (this.size >= this.#heads.length) this.#doubleBuckets();
    if (slot >= this.#next.length) this.#growNext(slot);
    const bucket = hash & (this.#heads.length - 1);
    this.#next[slot] = this.#heads[bucket]!;
    this.#heads[bucket] = slot + 1;
    this.size++;
  }

  /** Takes a slot out; false where it was not in. Costs the length of its chain. */
  remove(slot: number, hash: number): boolean {
    const bucket = hash & (this.#heads.length - 1);
    let before = -1;
    for (let at = this.#heads[bucket]! - 1; at >= 0; at = this.#next[at]! - 1) {
      if (at === slot) {
        if (before < 0) this.#heads[bucket] = this.#next[slot]!;
        else this.#next[before] = this.#next[slot]!;
        this.#next[slot] = 0;
        this.size--;
        return true;
      }
      before = at;
    }
    return false;
  }

  #growNext(slot: number): void {
    const larger = new Int32Array(Math.max(slot + 1, Math.ceil(this.#next.length * 1.25)));
    larger.set(this.#next);
    this.#next = larger;
  }

  #doubleBuckets(): void {
    const old = this.#heads;
    const heads = new Int32Array(old.length * 2);
    const mask = heads.length - 1;
    for (let bucket = 0; bucket < old.length; bucket++) {
      for (let slot = old[bucket]! - 1; slot >= 0;) {
        const following = this.#next[slot]! - 1;
        const target = this.#hashOf(slot) & mask;
        this.#next[slot] = heads[target]!;
        heads[target] = slot + 1;
        slot = following;
      }
    }
    this.#heads = heads;
  }
}
