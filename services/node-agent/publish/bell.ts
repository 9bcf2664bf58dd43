// Lets one part of the publisher wait until another one has done something.

/** Wakes everyone who waits at the moment of a ring; who comes later waits for the next one. */
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
