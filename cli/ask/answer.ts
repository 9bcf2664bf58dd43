// An answer on its way from a source (the query API, a file) to a printer: coverage, items in batches, and
// whether they were all. It is a stream, so that a long answer needs memory for only one batch.

import type { Coverage } from "../../lib/gen/whotalks/v1/query.ts";

/** One part of an answer: one head, any number of batches, one end. */
export type AnswerPart<Item> =
  | {
      readonly part: "head";
      readonly timeMs: number;
      readonly coverage: Coverage;
      /** The server's version, in answers about coverage. */
      readonly version?: string;
    }
  | { readonly part: "items"; readonly items: readonly Item[] }
  | { readonly part: "end"; readonly complete: boolean; readonly matched: number };

/** A whole answer. It throws FailureError if it is cut off. */
export type Answer<Item> = AsyncIterable<AnswerPart<Item>>;

/** Time and coverage of an answer. */
export type AnswerHead = Extract<AnswerPart<never>, { part: "head" }>;

/** How an answer ended. */
export type AnswerEnd = Extract<AnswerPart<never>, { part: "end" }>;
