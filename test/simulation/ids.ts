// Assigns ids like services/node-agent/ids/id-pool.ts: a returned id is reused from the next report on.

/** Small integer ids. */
export class Ids {
  #next = 1;
  readonly #free: number[] = [];
  #returned: number[] = [];

  take(): number {
    return this.#free.pop() ?? this.#next++;
  }

  giveBack(id: number): void {
    this.#returned.push(id);
  }

  /** Ends a report. */
  settle(): void {
    this.#free.push(...this.#returned);
    this.#returned = [];
  }
}
