// How an agent learns what happens to sockets between two readings, as settings and coverage name it.

import { findWord } from "./word-list.ts";

/**
 * Every way, the best first: a program on the kernel's tracepoint reports every change of a TCP socket's
 * state; the kernel announces sockets that were destroyed; nothing does.
 */
export const eventsModes = ["tracepoint", "destroyed", "none"] as const;

type EventsMode = (typeof eventsModes)[number];

/** The way that is open, given whether the tracepoint reports and whose destroyed sockets are announced. */
export function eventsMode(traced: boolean, announced: "all" | "some" | "none"): EventsMode {
  if (traced) return "tracepoint";
  return announced === "none" ? "none" : "destroyed";
}

/** What may be chosen: the best way that works here, or nothing attached to the kernel. */
export const eventsChoices = ["auto", "off"] as const;

/** One of eventsChoices. */
export type EventsChoice = (typeof eventsChoices)[number];

/** The choice that a flag or a setting names; null if the word is unknown. */
export function normalizeEventsChoice(text: string): EventsChoice | null {
  return findWord(eventsChoices, text);
}
