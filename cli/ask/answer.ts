// An answer on its way from a source (the query API, a file) to a printer: what it rests on, its items in
// batches, whether that was all. A stream, so that a long answer needs no more memory than a batch.

import type { Coverage } from "../../lib/gen/whotalks/v1/query.ts";

/** One part of an answer: one head, any number of batches, one end. */
export type AnswerPart<Item> =
  | { readonly part: "head"; readonly timeMs: number; readonly coverage: Coverage }
  | { readonly part: "items"; readonly items: readonly Item[] }
  | { readonly part: "end"; readonly complete: boolean; readonly matched: number };

/** A whole answer. It throws FailureError where it breaks off. */
export type Answer<Item> = AsyncIterable<AnswerPart<Item>>;

/** What an answer rests on. */
export type AnswerHead = Extract<AnswerPart<never>, { part: "head" }>;

/** How an answer ended. */
export type AnswerEnd = Extract<AnswerPart<never>, { part: "end" }>;
