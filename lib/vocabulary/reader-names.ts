// The names of the readers, as coverage and the flag have them.

/** Every reader by name, the best first. */
export const readerNames = ["bpf-iter", "sock-diag", "procfs"] as const;
export type ReaderName = (typeof readerNames)[number];

/** What may be asked for. */
export const readerChoices = ["auto", ...readerNames] as const;
export type ReaderChoice = (typeof readerChoices)[number];
