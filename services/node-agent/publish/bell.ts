// Lets one part of the publisher wait until another one has done something.

/** Wakes all current waiters when it rings; later waiters wait for the next ring. */
export class Bell {
  #next = Promise.withResolvers<void>();

  /** Resolves at the next ring. */
  next(): Promise<void> {
    return this.#next.promise;
  }

  ring(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers<void>();
  }
}
