// Queries the pipeline of this process without gRPC: answers are not serialized only to be parsed again, and
// gRPC is not loaded.

import { setImmediate as yieldToOthers } from "node:timers/promises";

import type { WatchResponse } from "../../lib/gen/whotalks/v1/query.ts";
import { EventKind } from "../../lib/gen/whotalks/v1/query.ts";
import { FilterError } from "../../services/aggregator/query/filter-error.ts";
import type { Answer as QueryAnswer, Query } from "../../services/aggregator/query/query.ts";
import { ITEMS_MAX } from "../../services/aggregator/query/query.ts";
import type { AnswerPart } from "../ask/answer.ts";
import type { Asker, AskOptions } from "../ask/ask.ts";
import { UsageError } from "../../lib/program/usage-error.ts";
import { programVersion } from "../../lib/program/version.ts";

/** Items per batch: other work runs between two batches. */
const BATCH_ITEMS_MAX = 256;

/** Creates an asker for a pipeline; aborting the signal cancels running queries without an error. */
export function askPipeline(
  { query, now }: { readonly query: Query; readonly now: () => number },
  signal: AbortSignal,
): Asker {
  const head = (pods = false): Extract<AnswerPart<never>, { part: "head" }> => ({
    part: "head",
    timeMs: Math.round(now()),
    coverage: query.coverage(pods),
  });

  async function* list<Item>(ask: (limit: number) => QueryAnswer<Item>, { limit }: AskOptions) {
    const answer = understood(() => ask(limit === 0 ? ITEMS_MAX : Math.min(limit, ITEMS_MAX)));
    yield head();
    let count = 0;
    for (const items of inBatches(answer.items)) {
      if (signal.aborted) return;
      yield { part: "items" as const, items };
      count += items.length;
      await yieldToOthers();
    }
    const { matched } = answer;
    yield { part: "end" as const, complete: count >= matched, matched };
  }

  return {
    edges: (options) => list((limit) => query.edges(options.filter, limit), options),
    connections: (options) => list((limit) => query.connections(options.filter, limit), options),
    listeners: (options) => list((limit) => query.listeners(options.filter, limit), options),
    coverage: async function* (pods) {
      const first = { ...head(pods), version: programVersion };
      yield first;
      yield { part: "items", items: first.coverage.nodes };
      yield { part: "end", complete: true, matched: first.coverage.nodes.length };
    },
    watch: async function* (filter, initial) {
      const watch = understood(() => query.watch(filter, initial));
      const stop = (): void => watch.close();
      signal.addEventListener("abort", stop, { once: true });
      try {
        const { timeMs, coverage } = head();
        yield { ...NO_PART, header: { timeMs, coverage } };
        for (const connection of watch.initial) {
          if (signal.aborted) return;
          yield { ...NO_PART, event: { kind: EventKind.EVENT_KIND_OPENED, connection } };
        }
        if (initial) yield { ...NO_PART, synced: {} };
        for (let items = await watch.queue.take(); items !== null; items = await watch.queue.take()) {
          for (const item of items) {
            if (signal.aborted) return;
            if ("event" in item) yield { ...NO_PART, event: item.event };
            else yield { ...NO_PART, missed: { events: item.missed } };
          }
        }
      } finally {
        signal.removeEventListener("abort", stop);
        watch.close();
      }
    },
    close: () => undefined,
  };
}

const NO_PART: WatchResponse = { header: undefined, event: undefined, synced: undefined, missed: undefined };

// An invalid filter is the user's mistake.
function understood<Result>(ask: () => Result): Result {
  try {
    return ask();
  } catch (error) {
    throw error instanceof FilterError ? new UsageError(error.message) : error;
  }
}

function* inBatches<Item>(items: Iterable<Item>): Generator<Item[]> {
  let batch: Item[] = [];
  for (const item of items) {
    batch.push(item);
    if (batch.length < BATCH_ITEMS_MAX) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
