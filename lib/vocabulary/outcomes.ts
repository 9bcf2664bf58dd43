// How connections went: what agents report of attempts, and what the aggregator makes of it.

import { findWord } from "./word-list.ts";

/** How an attempt to connect ended that never became a connection. */
export const Attempt = {
  /** It is no such attempt, or that is not known. */
  none: 0,
  /** The other end answered with a reset. */
  refused: 1,
  /** Nobody answered. */
  unanswered: 2,
} as const;

/** How a connection went; none if it is not settled yet. */
export const Outcome = { none: 0, established: 1, refused: 2, timedOut: 3, pending: 4 } as const;

/** Every word for an outcome. */
export const outcomeWords = ["established", "refused", "timed-out", "pending"] as const;

const outcomeWordByNumber: ReadonlyMap<number, string> = new Map([
  [Outcome.established, "established"],
  [Outcome.refused, "refused"],
  [Outcome.timedOut, "timed-out"],
  [Outcome.pending, "pending"],
]);

const synonyms = { timedout: "timed-out", timeout: "timed-out" } as const;

/** The word for an outcome; empty if there is none yet. */
export function outcomeWord(outcome: number): string {
  return outcomeWordByNumber.get(outcome) ?? "";
}

/**
 * The word that answers use for an outcome which a filter names (`timed-out` for `timeout`); null if it is
 * none.
 */
export function normalizeOutcome(text: string): string | null {
  return findWord(outcomeWords, text, synonyms);
}
