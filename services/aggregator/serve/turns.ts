// Turns of the one thread among all answers that are being made. After some turns everything else runs:
// reports, health, metrics. Every other turn is for the answer that has had the fewest bytes, so that short
// answers do not queue behind long ones; the turns between go round, so that long ones get on too.

/** How long turns may follow each other before everything else runs, in milliseconds. */
const TURNS_MS = 5;

interface Waiting {
  readonly servedBytes: number;
  readonly work: () => void;
}

/** Hands out turns. */
export class Turns {
  /** In the order in which they came. */
  readonly #waiting: Waiting[] = [];
  #isRunning = false;
  #shortestIsNext = true;

  /**
   * Runs some milliseconds of synchronous work for an answer that has had so many bytes; returns its result.
   */
  run<Result>(servedBytes: number, work: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      };
      this.#waiting.push({ servedBytes, work: settle });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isRunning || this.#waiting.length === 0) return;
    this.#isRunning = true;
    setImmediate(() => {
      const endMs = performance.now() + TURNS_MS;
      do this.#runOne();
      while (this.#waiting.length > 0 && performance.now() < endMs);
      this.#isRunning = false;
      this.#schedule();
    });
  }

  #runOne(): void {
    const at = this.#shortestIsNext ? this.#shortest() : 0;
    this.#shortestIsNext = !this.#shortestIsNext;
    const [next] = this.#waiting.splice(at, 1);
    next!.work();
  }

  #shortest(): number {
    let best = 0;
    for (let at = 1; at < this.#waiting.length; at++)
      if (this.#waiting[at]!.servedBytes < this.#waiting[best]!.servedBytes) best = at;
    return best;
  }
}
