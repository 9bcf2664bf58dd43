// Outcomes of connections: what agents report about attempts, and what the aggregator concludes.

import { findWord } from "./word-list.ts";

/** How an attempt that never became a connection ended. */
export const Attempt = {
  /** Not such an attempt, or unknown. */
  none: 0,
  /** The other end answered with a reset. */
  refused: 1,
  /** Nobody answered. */
  unanswered: 2,
} as const;

/** Outcome of a connection; none until it is settled. */
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

/** The word for an outcome; empty until there is one. */
export function outcomeWord(outcome: number): string {
  return outcomeWordByNumber.get(outcome) ?? "";
}

/**
 * The word that answers use for the outcome that a filter names (`timed-out` for `timeout`); null if unknown.
 */
export function normalizeOutcome(text: string): string | null {
  return findWord(outcomeWords, text, synonyms);
}
