// The ways to read conntrack, as flags, settings and coverage have them.

import { findWord } from "./word-list.ts";

/** How conntrack is read, as coverage says it, the best first. */
export const conntrackModes = ["events", "dump", "proc", "none"] as const;

/** One of conntrackModes. */
export type ConntrackMode = (typeof conntrackModes)[number];

/** What may be asked for: `auto` is the best that works. */
export const conntrackChoices = ["auto", ...conntrackModes] as const;

/** One of conntrackChoices. */
export type ConntrackChoice = (typeof conntrackChoices)[number];

/** The choice that a flag or a setting names; null if it is none. */
export function normalizeConntrackChoice(text: string): ConntrackChoice | null {
  return findWord(conntrackChoices, text);
}
