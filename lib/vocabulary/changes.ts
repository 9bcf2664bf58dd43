// Kinds of events in a watch.

/** What happened to a connection, as whotalks.v1.EventKind numbers it. */
export const Change = { opened: 1, changed: 2, closed: 3 } as const;

/** One of Change's words. */
export type Change = keyof typeof Change;

const wordByNumber: ReadonlyMap<number, string> = new Map(
  Object.entries(Change).map(([word, number]) => [number, word]),
);

/** The word for a kind of event; "unknown" for a number that only a newer server knows. */
export function changeWord(number: number): string {
  return wordByNumber.get(number) ?? "unknown";
}
