// A hash index over a few slots of a table that has many: a ChainIndex over its own rows, so that its memory
// depends on the slots in it (about sixty bytes each) and not on the highest slot number.

import { ChainIndex } from "./chain-index.ts";

/** Slots by hash, with ChainIndex's semantics. */
export class SparseIndex {
  readonly #index = new ChainIndex();
  readonly #rows = new Map<number, number>();
  readonly #slots: number[] = [];
  readonly #free: number[] = [];

  /** The first slot that was added with this hash, or -1. */
  first(hash: number): number {
    return this.#slotOf(this.#index.first(hash));
  }

  /** The next slot with the hash of `slot`, or -1. */
  after(slot: number): number {
    return this.#slotOf(this.#index.after(this.#rows.get(slot)!));
  }

  /** Adds a slot, which must not be in the index. */
  add(slot: number, hash: number): void {
    const row = this.#free.pop() ?? this.#slots.length;
    this.#slots[row] = slot;
    this.#rows.set(slot, row);
    this.#index.add(row, hash);
  }

  /** Removes a slot, which must be in the index. */
  remove(slot: number): void {
    const row = this.#rows.get(slot)!;
    this.#index.remove(row);
    this.#rows.delete(slot);
    this.#free.push(row);
  }

  #slotOf(row: number): number {
    return row < 0 ? -1 : this.#slots[row]!;
  }
}
