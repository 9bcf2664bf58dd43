// What a connection rests on.

/** Kinds of evidence, as bits. */
export const Evidence = { client: 1, server: 2, flow: 4 } as const;

/** The words for bits of Evidence. */
export function evidenceWords(evidence: number): string[] {
  return [
    ...((evidence & Evidence.client) !== 0 ? ["client-socket"] : []),
    ...((evidence & Evidence.server) !== 0 ? ["server-socket"] : []),
    ...((evidence & Evidence.flow) !== 0 ? ["flow"] : []),
  ];
}
