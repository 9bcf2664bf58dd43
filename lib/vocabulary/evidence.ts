// The evidence for a connection.

/** Kinds of evidence, as bits. */
export const Evidence = { client: 1, server: 2, flow: 4 } as const;

const words: ReadonlyArray<readonly [bit: number, word: string]> = [
  [Evidence.client, "client-socket"],
  [Evidence.server, "server-socket"],
  [Evidence.flow, "flow"],
];

/** The words for bits of Evidence. */
export function evidenceWords(evidence: number): string[] {
  return words.filter(([bit]) => (evidence & bit) !== 0).map(([, word]) => word);
}
