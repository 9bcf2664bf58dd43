// What a watch says happened to a connection.

/** What happened, as whotalks.v1.EventKind numbers it. */
export const Change = { opened: 1, changed: 2, closed: 3 } as const;

/** One of Change's words. */
export type Change = keyof typeof Change;

const wordByNumber: ReadonlyMap<number, string> = new Map(
  Object.entries(Change).map(([word, number]) => [number, word]),
);

/** The word for what happened; "unknown" for a number that only a newer server knows. */
export function changeWord(number: number): string {
  return wordByNumber.get(number) ?? "unknown";
}
