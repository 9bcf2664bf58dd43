// What stands in the way of seeing all, told to the log when it turns up: coverage has it for as long as it
// lasts.

/** Sentences that are remembered at most. */
const TOLD_MAX = 256;

/** Tells each sentence once, whatever the figures in it. */
export class ToldOnce {
  readonly #tell: (sentence: string) => void;
  readonly #told = new Set<string>();

  constructor(tell: (sentence: string) => void) {
    this.#tell = tell;
  }

  /** Tells those of the sentences that were not told before. */
  tell(sentences: readonly string[]): void {
    for (const sentence of sentences) {
      const gist = sentence.replaceAll(/\d+/g, "0");
      if (this.#told.has(gist) || this.#told.size >= TOLD_MAX) continue;
      this.#told.add(gist);
      this.#tell(sentence);
    }
  }
}
