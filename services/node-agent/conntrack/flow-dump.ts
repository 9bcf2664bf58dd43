// The progress of one conntrack table's dumps: which rows the current dump contained, in which order the
// kernel returned them, and which entries were destroyed meanwhile.

/**
 * Maximum entries destroyed during a dump that are remembered, so that older messages of the dump cannot
 * revive them.
 */
const GRAVES_MAX = 2 ** 16;

/** The dumps of one table. */
export class FlowDump {
  #generation = 0;
  #generationOf = new Uint8Array(256);
  // The row that followed each row in a dump, and the current dump's latest and expected row in that order.
  #follower = new Int32Array(256);
  #latest = -1;
  #expected = -1;
  #isRunning = false;
  readonly #graves = new Set<number>();

  /** The row that followed the latest one in the previous dump; -1 if none did. */
  get expected(): number {
    return this.#expected;
  }

  /** Begins a dump. */
  begin(): void {
    this.#generation = (this.#generation + 1) & 255;
    this.#isRunning = true;
    this.#graves.clear();
    this.#expected = -1;
    this.#latest = -1;
  }

  /** Ends a dump. */
  end(): void {
    this.#isRunning = false;
    this.#graves.clear();
  }

  /** Abandons a failed dump: it counts as if it had contained every row. */
  abandon(): void {
    this.end();
    this.#generationOf.fill(this.#generation);
  }

  /** Whether the latest dump, or an event since it began, contained the row. */
  contains(row: number): boolean {
    return this.#generationOf[row] === this.#generation;
  }

  /** Counts the row as contained in the current dump. */
  mark(row: number): void {
    this.#generationOf[row] = this.#generation;
  }

  /** Notes a row as the next one in the dump's order. */
  follow(row: number): void {
    if (this.#latest >= 0) this.#follower[this.#latest] = row;
    this.#latest = row;
    this.#expected = this.#follower[row]!;
  }

  /** Prepares a row for a new entry. */
  reset(row: number): void {
    this.mark(row);
    this.#follower[row] = -1;
  }

  /** Remembers that an entry was destroyed, if a dump is running. */
  bury(kernelId: number): void {
    if (this.#isRunning && kernelId !== 0 && this.#graves.size < GRAVES_MAX) this.#graves.add(kernelId);
  }

  /** Whether an entry was destroyed since the dump began. */
  isBuried(kernelId: number): boolean {
    return this.#graves.size > 0 && this.#graves.has(kernelId);
  }

  /** Makes room for rows. */
  grow(capacity: number): void {
    const follower = new Int32Array(capacity);
    const generationOf = new Uint8Array(capacity);
    follower.set(this.#follower);
    generationOf.set(this.#generationOf);
    this.#follower = follower;
    this.#generationOf = generationOf;
  }
}
