// The names of the socket readers, as coverage, flags and settings use them.

import { findWord } from "./word-list.ts";

/** Every reader by name, the best first. */
export const readerNames = ["bpf-iter", "sock-diag", "procfs"] as const;

/** One of readerNames. */
export type ReaderName = (typeof readerNames)[number];

/** The choices of flag and setting: `auto` is the best that works. */
export const readerChoices = ["auto", ...readerNames] as const;

/** One of readerChoices. */
export type ReaderChoice = (typeof readerChoices)[number];

/** Returns the choice that a flag or a setting names; null if unknown. */
export function normalizeReader(text: string): ReaderChoice | null {
  return findWord(readerChoices, text);
}
