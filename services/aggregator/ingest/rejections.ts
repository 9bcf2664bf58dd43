// Rows of reports that could not be applied: they referred to something that their report never described, or
// had invalid values.

/** Counts rejected rows since start. */
export class Rejections {
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(): void {
    this.#count++;
  }
}
