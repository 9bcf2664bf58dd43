// Small integer ids that are reused, so that data by id can be kept in arrays.

/** Assigns ids from `first` upwards; a returned id may be assigned again after the next settle(). */
export class IdPool {
  readonly #first: number;
  readonly #max: number;
  #next: number;
  #free: number[] = [];
  #returned: number[] = [];

  /** Ids from `first` to `max`, both inclusive. */
  constructor(first: number, max: number) {
    this.#first = first;
    this.#max = max;
    this.#next = first;
  }

  /** Assigns an unused id; throws a RangeError if all are taken (the caller bounds how many it asks for). */
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
   * Returns an id to the pool. It is not reused before the next settle(): a report must not remove and add the
   * same id.
   */
  giveBack(id: number): void {
    this.#returned.push(id);
  }

  /** Ends a pass: ids returned during it may be assigned again. */
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
