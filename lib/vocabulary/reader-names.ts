// The names of the readers of sockets, as coverage, flags and settings have them.

import { findWord } from "./word-list.ts";

/** Every reader by name, the best first. */
export const readerNames = ["bpf-iter", "sock-diag", "procfs"] as const;

/** One of readerNames. */
export type ReaderName = (typeof readerNames)[number];

/** What may be asked for: `auto` is the best that works. */
export const readerChoices = ["auto", ...readerNames] as const;

/** One of readerChoices. */
export type ReaderChoice = (typeof readerChoices)[number];

/** The choice that a flag or a setting names; null if it is none. */
export function normalizeReader(text: string): ReaderChoice | null {
  return findWord(readerChoices, text);
}
