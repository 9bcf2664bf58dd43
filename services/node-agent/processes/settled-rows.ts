// Which rows of the previous pass's sockets had a holder. Rows mostly keep their order, so that most sockets
// need no look-up while the index of holders is unchanged.

/** Inodes with a known holder, by row of the socket table. */
export class SettledRows {
  #inodes = new Uint32Array(0);
  #generation = -1;

  /** Returns the inodes by row; all are 0 after a change of the index, which `generation` numbers. */
  of(generation: number, rows: number, capacity: number): Uint32Array {
    if (generation !== this.#generation || this.#inodes.length < rows) {
      this.#inodes = new Uint32Array(capacity);
      this.#generation = generation;
    }
    return this.#inodes;
  }
}
