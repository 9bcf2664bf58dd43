// QueryService: lists as streams of header, batches and trailer; watches as streams of events.

import { status } from "@grpc/grpc-js";
import type { BinaryWriter } from "@bufbuild/protobuf/wire";
import type { ServerWritableStream } from "@grpc/grpc-js";
import type {
  Filter,
  ListHeader,
  ListTrailer,
  WatchRequest,
  WatchResponse,
} from "../../../lib/gen/whotalks/v1/query.ts";
import { Connection, Edge, EventKind, Listener } from "../../../lib/gen/whotalks/v1/query.ts";
import type { QueryServiceServer } from "../../../lib/gen/whotalks/v1/query_service.ts";
import type { Answer, Query } from "../query/query.ts";
import { packBatches } from "./batches.ts";
import { runStream, write, yieldToOthers } from "./stream.ts";

/** Concurrent watches: each may hold a full queue. */
const WATCHES_MAX = 64;

/** Dependencies and limits of the service. */
interface ServiceParts {
  readonly query: Query;
  readonly now: () => number;
  /** Items per answer. */
  readonly itemsMax: number;
  /** Events queued per watcher. */
  readonly watchEventsMax: number;
}

/** How a list is wrapped in the messages of its stream. */
interface ListWrapping<Item, Response> {
  header(header: ListHeader): Response;
  batch(items: Item[]): Response;
  trailer(trailer: ListTrailer): Response;
}

type ListCall<Response> = ServerWritableStream<{ filter: Filter | undefined; limit: number }, Response>;

/** Creates the service's methods. */
export function createQueryService(parts: ServiceParts): QueryServiceServer {
  const { query } = parts;
  let watches = 0;

  return {
    listConnections: (call) => {
      runStream(call, () =>
        streamList(parts, call, (filter, limit) => query.connections(filter, limit), Connection, {
          header: (each) => ({ header: each }),
          batch: (connections) => ({ batch: { connections } }),
          trailer: (trailer) => ({ trailer }),
        }),
      );
    },
    listEdges: (call) => {
      runStream(call, () =>
        streamList(parts, call, (filter, limit) => query.edges(filter, limit), Edge, {
          header: (each) => ({ header: each }),
          batch: (edges) => ({ batch: { edges } }),
          trailer: (trailer) => ({ trailer }),
        }),
      );
    },
    listListeners: (call) => {
      runStream(call, () =>
        streamList(parts, call, (filter, limit) => query.listeners(filter, limit), Listener, {
          header: (each) => ({ header: each }),
          batch: (listeners) => ({ batch: { listeners } }),
          trailer: (trailer) => ({ trailer }),
        }),
      );
    },
    watch: (call) => {
      if (watches >= WATCHES_MAX) {
        const details = `${WATCHES_MAX} watches are running already: end one, or ask again later`;
        call.emit("error", { code: status.RESOURCE_EXHAUSTED, details });
        return;
      }
      watches++;
      runStream(call, () =>
        streamWatch(parts, call).finally(() => {
          watches--;
        }),
      );
    },
    getCoverage: (call, callback) => {
      callback(null, { coverage: query.coverage(call.request.pods), timeMs: Math.round(parts.now()) });
    },
  };
}

function headerOf({ query, now }: ServiceParts): ListHeader {
  return { coverage: query.coverage(), timeMs: Math.round(now()) };
}

// Writes a list as header, batches and trailer.
async function streamList<Item, Response>(
  parts: ServiceParts,
  call: ListCall<Response>,
  ask: (filter: Filter | undefined, limit: number) => Answer<Item>,
  codec: { encode(item: Item): BinaryWriter },
  wrap: ListWrapping<Item, Response>,
): Promise<void> {
  const { filter, limit } = call.request;
  const answer = ask(filter, limit === 0 ? parts.itemsMax : Math.min(limit, parts.itemsMax));
  if (!(await write(call, wrap.header(headerOf(parts))))) return;
  let count = 0;
  for (const batch of packBatches(answer.items, codec)) {
    if (!(await write(call, wrap.batch(batch)))) return;
    count += batch.length;
    await yieldToOthers();
  }
  await write(call, wrap.trailer({ complete: count >= answer.matched, count, matched: answer.matched }));
}

// Writes a watch's events until the caller or the watch ends.
async function streamWatch(
  parts: ServiceParts,
  call: ServerWritableStream<WatchRequest, WatchResponse>,
): Promise<void> {
  const running = parts.query.watch(call.request.filter, call.request.initial, parts.watchEventsMax);
  const stop = (): void => {
    running.close();
  };
  call.on("cancelled", stop);
  call.on("close", stop);
  try {
    if (!(await write(call, { header: headerOf(parts) }))) return;
    for (const connection of running.initial) {
      if (!(await write(call, { event: { kind: EventKind.EVENT_KIND_OPENED, connection } }))) return;
    }
    if (call.request.initial && !(await write(call, { synced: {} }))) return;
    for (let items = await running.queue.take(); items.length > 0; items = await running.queue.take()) {
      for (const item of items) {
        const message = "event" in item ? { event: item.event } : { missed: { events: item.missed } };
        if (!(await write(call, message))) return;
      }
    }
  } finally {
    running.close();
  }
}
