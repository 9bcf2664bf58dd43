// Where a reading and the records disagree, until the records that waited while it was made have been taken. What they do
// not explain then was missed: the reading is believed, and the miss is counted.

/** The doubts about the latest reading. Rows are those of its table. */
export class ReadingDoubts {
  /** Changes that a reading found and no record reported, since start. */
  missed = 0;
  /** By cookie, rows that the reading found for the first time, or in another state, before their records were taken. */
  readonly unheard = new Map<number, number>();
  // Rows that records keep and that a reading of every TCP socket did not find.
  readonly #unread = new Set<number>();
  // TIME_WAIT entries by the cookie of the socket that left them: the record of its end may still wait.
  readonly #entries = new Map<number, number>();
  #isNew = false;

  /** Forgets the doubts about the reading before. */
  begin(): void {
    this.unheard.clear();
    this.#unread.clear();
    this.#entries.clear();
    this.#isNew = true;
  }

  addUnheard(cookie: number, row: number): void {
    this.unheard.set(cookie, row);
  }

  addUnread(row: number): void {
    this.#unread.add(row);
  }

  addEntry(cookie: number, row: number): void {
    this.#entries.set(cookie, row);
  }

  /** The TIME_WAIT entry that a socket left; undefined if the reading found none. */
  entryOf(cookie: number): number | undefined {
    return this.#entries.get(cookie);
  }

  /** Takes note of a record of a socket; `row` is undefined where it is in no row. */
  explain(cookie: number, row: number | undefined): void {
    this.unheard.delete(cookie);
    if (row !== undefined) this.#unread.delete(row);
  }

  /**
   * Counts what no record explained and returns the rows that are gone. The first call after a reading does nothing:
   * records that were being written then may still be on their way.
   */
  settle(): number[] {
    if (this.#isNew) {
      this.#isNew = false;
      return [];
    }
    const gone = [...this.#unread];
    this.missed += this.unheard.size + gone.length;
    this.begin();
    this.#isNew = false;
    return gone;
  }
}
