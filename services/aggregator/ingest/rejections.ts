// Rows of reports that could not be applied: they named what their report never described, or had absurd
// values.

/** Counts them, since start. */
export class Rejections {
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(): void {
    this.#count++;
  }
}
