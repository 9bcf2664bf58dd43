// The ways to read conntrack, as flags, settings and coverage name them.

import { findWord } from "./word-list.ts";

/** How conntrack is read, as coverage reports it, the best first. */
export const conntrackModes = ["events", "dump", "proc", "none"] as const;

/** One of conntrackModes. */
export type ConntrackMode = (typeof conntrackModes)[number];

/** The choices of flag and setting: `auto` is the best that works. */
export const conntrackChoices = ["auto", ...conntrackModes] as const;

/** One of conntrackChoices. */
export type ConntrackChoice = (typeof conntrackChoices)[number];

/** Returns the choice that a flag or a setting names; null if unknown. */
export function normalizeConntrackChoice(text: string): ConntrackChoice | null {
  return findWord(conntrackChoices, text);
}
