// Looks up ASCII words in bytes without converting them to strings.

/** A map from words to numbers. */
export class WordTable {
  readonly #byHash = new Map<number, { readonly bytes: Uint8Array; readonly value: number }>();

  constructor(words: Iterable<readonly [word: string, value: number]>) {
    for (const [word, value] of words) {
      const bytes = Uint8Array.from(Buffer.from(word, "latin1"));
      const hash = hashOf(bytes, 0, bytes.length);
      if (this.#byHash.has(hash)) throw new Error(`two words with the same hash, one of them "${word}"`);
      this.#byHash.set(hash, { bytes, value });
    }
  }

  /** Returns the number of the word bytes[start, end), or -1 if it is unknown. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const found = this.#byHash.get(hashOf(bytes, start, end));
    if (found === undefined || found.bytes.length !== end - start) return -1;
    for (let i = start; i < end; i++) if (bytes[i] !== found.bytes[i - start]) return -1;
    return found.value;
  }
}

function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0;
  for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + bytes[i]!) | 0;
  return hash;
}
