// Rows of a socket table by a hash of some of their columns: chained in typed arrays, so that 100,000 rows
// cost a millisecond and no object. Chains keep the order of the rows.

import { spread } from "../../../lib/hash.ts";
import type { SocketTable } from "../../../lib/socket-table.ts";

/** Hashes what rows are found by; any 32 bits. */
type RowHash = (table: SocketTable, row: number) => number;

/** An index that is made once. */
export class RowIndex {
  /** Rows in the index. */
  readonly size: number;
  readonly #heads: Int32Array;
  readonly #chain: Int32Array;
  readonly #mask: number;

  /** The rows of a table for which `includes` says so. */
  constructor(table: SocketTable, hash: RowHash, includes: (row: number) => boolean) {
    const { length } = table;
    const slots = 2 ** Math.ceil(Math.log2(Math.max(16, length * 2)));
    this.#heads = new Int32Array(slots).fill(-1);
    this.#chain = new Int32Array(length);
    this.#mask = slots - 1;
    let size = 0;
    for (let row = length - 1; row >= 0; row--) {
      if (!includes(row)) continue;
      const slot = this.#slotOf(hash(table, row));
      this.#chain[row] = this.#heads[slot]!;
      this.#heads[slot] = row;
      size++;
    }
    this.size = size;
  }

  /** The first row that may have this hash, or -1; the caller compares. */
  first(hash: number): number {
    return this.#heads[this.#slotOf(hash)]!;
  }

  /** The next candidate, or -1. */
  after(row: number): number {
    return this.#chain[row]!;
  }

  #slotOf(hash: number): number {
    return spread(hash) & this.#mask;
  }
}
