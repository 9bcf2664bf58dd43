// The ways to read conntrack, as flags, settings and coverage have them.

import { findWord } from "./word-list.ts";

/** What may be asked for: `auto` is the best that works. */
export const conntrackChoices = ["auto", "events", "dump", "proc", "none"] as const;

/** One of conntrackChoices. */
export type ConntrackChoice = (typeof conntrackChoices)[number];

/** How conntrack is read, as coverage says it. */
export type ConntrackMode = Exclude<ConntrackChoice, "auto">;

/** The choice that a flag or a setting names; null if it is none. */
export function normalizeConntrackChoice(text: string): ConntrackChoice | null {
  return findWord(conntrackChoices, text);
}
