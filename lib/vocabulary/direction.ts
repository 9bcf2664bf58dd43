// How it is known who opened a connection.

/** What the answer rests on, weakest first. */
export const DirectionBy = { guess: 0, port: 1, listener: 2, flow: 3 } as const;

const wordByNumber: ReadonlyMap<number, string> = new Map(
  Object.entries(DirectionBy).map(([word, number]) => [number, word]),
);

/** The word for how it is known who opened a connection. */
export function directionWord(by: number): string {
  return wordByNumber.get(by) ?? "guess";
}
