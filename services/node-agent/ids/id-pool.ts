// Small integer ids that are used again, so that what is kept by id can be kept in arrays.

/** Hands out ids from `first` upwards; an id given back is handed out again from the next settle() on. */
export class IdPool {
  readonly #first: number;
  readonly #max: number;
  #next: number;
  #free: number[] = [];
  #returned: number[] = [];

  /** Ids from `first` to `max`, both included. */
  constructor(first: number, max: number) {
    this.#first = first;
    this.#max = max;
    this.#next = first;
  }

  /** An id that nobody has; throws a RangeError where all are taken (the caller bounds what it asks for). */
  take(): number {
    const id = this.#free.pop();
    if (id !== undefined) return id;
    if (this.#next > this.#max) throw new RangeError(`all ids from ${this.#first} to ${this.#max} are taken`);
    return this.#next++;
  }

  /** Whether take() would throw. */
  get exhausted(): boolean {
    return this.#free.length === 0 && this.#next > this.#max;
  }

  /**
   * Returns an id. It is not handed out before the next settle(): a report may not remove and add the same id.
   */
  giveBack(id: number): void {
    this.#returned.push(id);
  }

  /** Ends a pass: ids given back during it may be handed out again. */
  settle(): void {
    if (this.#free.length === 0) {
      this.#free = this.#returned;
      this.#returned = [];
    } else {
      for (const id of this.#returned) this.#free.push(id);
      this.#returned.length = 0;
    }
  }
}
