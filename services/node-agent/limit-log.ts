// Logs each limitation once, when it first appears; coverage reports it for as long as it lasts.

/** Maximum sentences that are remembered; further ones are not logged. */
const SENTENCES_MAX = 256;

/** Logs each sentence once, whatever the figures in it. */
export class LimitLog {
  readonly #log: (sentence: string) => void;
  readonly #logged = new Set<string>();

  constructor(log: (sentence: string) => void) {
    this.#log = log;
  }

  /** Logs the sentences that were not logged before. */
  log(sentences: readonly string[]): void {
    for (const sentence of sentences) {
      const withoutFigures = sentence.replaceAll(/\d+/g, "0");
      if (this.#logged.has(withoutFigures) || this.#logged.size >= SENTENCES_MAX) continue;
      this.#logged.add(withoutFigures);
      this.#log(sentence);
    }
  }
}
