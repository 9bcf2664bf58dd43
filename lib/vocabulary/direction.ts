// How it was determined who opened a connection.

/**
 * The basis of a direction, weakest first: a weaker one does not replace a stronger one. A flow is final if it
 * is translated, and a handshake always is. An untranslated flow may have been picked up in the middle, so the
 * handshake ranks above it.
 */
export const DirectionBy = { guess: 0, port: 1, listener: 2, flow: 3, handshake: 4 } as const;

const wordByNumber: ReadonlyMap<number, string> = new Map(
  Object.entries(DirectionBy).map(([word, number]) => [number, word]),
);

/** The word for how it was determined who opened a connection. */
export function directionWord(by: number): string {
  return wordByNumber.get(by) ?? "guess";
}
