// QueryService: lists as streams of header, batches and trailer; watches as streams of events. Every call is a stream of
// encoded messages here, coverage too, so that all share the same limits: on the wire, a stream of one message is what a
// unary call returns.

import type { handleServerStreamingCall, ServiceDefinition } from "@grpc/grpc-js";
import type { BinaryWriter } from "@bufbuild/protobuf/wire";
import type {
  ConnectionEvent,
  Filter,
  ListHeader,
  ListTrailer,
  WatchRequest,
} from "../../../lib/gen/whotalks/v1/query.ts";
import {
  Connection,
  EventKind,
  GetCoverageResponse,
  ListConnectionsResponse,
  ListEdgesResponse,
  Listener,
  ListListenersResponse,
  WatchResponse,
} from "../../../lib/gen/whotalks/v1/query.ts";
import { programVersion } from "../../../lib/program/version.ts";
import { QueryServiceService } from "../../../lib/gen/whotalks/v1/query_service.ts";
import type { Answer, Query } from "../query/query.ts";
import { packBatches } from "./batches.ts";
import type { CallStream } from "./call-stream.ts";
import { runCall } from "./call-stream.ts";
import type { Calls } from "./calls.ts";
import type { EdgeAnswer } from "./edge-answers.ts";
import { EdgeAnswers } from "./edge-answers.ts";
import { AHEAD_BYTES_MAX } from "./serving-limits.ts";
import { Turns } from "./turns.ts";

/** Dependencies and limits of the service. */
interface ServiceParts {
  readonly query: Query;
  readonly now: () => number;
  /** Items per answer. */
  readonly itemsMax: number;
  /** Events queued per watcher. */
  readonly watchEventsMax: number;
  readonly calls: Calls;
}

/** How a list is wrapped in the messages of its stream. */
interface ListWrapping<Item> {
  readonly item: { encode(item: Item): BinaryWriter };
  header(header: ListHeader): Uint8Array;
  batch(items: Item[]): Uint8Array;
  trailer(trailer: ListTrailer): Uint8Array;
}

type Handler<Request> = handleServerStreamingCall<Request, Uint8Array>;
type ListHandler = Handler<{ filter: Filter | undefined; limit: number }>;

/** The service's methods, each with a stream of encoded responses. */
interface EncodedService {
  readonly listConnections: ListHandler;
  readonly listEdges: ListHandler;
  readonly listListeners: ListHandler;
  readonly watch: Handler<WatchRequest>;
  readonly getCoverage: Handler<{ pods: boolean }>;
}

const noPart = { header: undefined, batch: undefined, trailer: undefined };
const noEvent = { header: undefined, event: undefined, synced: undefined, missed: undefined };

const connectionWrapping: ListWrapping<Connection> = {
  item: Connection,
  header: (header) => ListConnectionsResponse.encode({ ...noPart, header }).finish(),
  batch: (connections) => ListConnectionsResponse.encode({ ...noPart, batch: { connections } }).finish(),
  trailer: (trailer) => ListConnectionsResponse.encode({ ...noPart, trailer }).finish(),
};

const listenerWrapping: ListWrapping<Listener> = {
  item: Listener,
  header: (header) => ListListenersResponse.encode({ ...noPart, header }).finish(),
  batch: (listeners) => ListListenersResponse.encode({ ...noPart, batch: { listeners } }).finish(),
  trailer: (trailer) => ListListenersResponse.encode({ ...noPart, trailer }).finish(),
};

/** The definition of the service whose responses are encoded already. */
export const encodedDefinition: ServiceDefinition = Object.fromEntries(
  Object.entries(QueryServiceService).map(([name, method]) => [
    name,
    {
      ...method,
      responseStream: true,
      responseSerialize: (message: Uint8Array) =>
        Buffer.from(message.buffer, message.byteOffset, message.byteLength),
    },
  ]),
);

/** Creates the methods of encodedDefinition. */
export function createQueryService(parts: ServiceParts): EncodedService {
  const { query, calls, itemsMax } = parts;
  const turns = new Turns();
  const edges = new EdgeAnswers((bytes) => calls.hold(bytes));
  const events = new EncodedEvents();
  const limitOf = (limit: number): number => (limit === 0 ? itemsMax : Math.min(limit, itemsMax));
  return {
    listConnections: (call) => {
      const { filter, limit } = call.request;
      const ask = (): Answer<Connection> => query.connections(filter, limitOf(limit));
      runCall(call, calls, turns, (stream) => streamList(parts, stream, ask, connectionWrapping));
    },
    listListeners: (call) => {
      const { filter, limit } = call.request;
      const ask = (): Answer<Listener> => query.listeners(filter, limitOf(limit));
      runCall(call, calls, turns, (stream) => streamList(parts, stream, ask, listenerWrapping));
    },
    listEdges: (call) => {
      const { filter, limit: asked } = call.request;
      const limit = limitOf(asked);
      const take = (): EdgeAnswer => edges.take(filter, limit, () => query.edges(filter, limit));
      runCall(call, calls, turns, (stream) => streamEdges(parts, stream, take));
    },
    watch: (call) => {
      runCall(call, calls, turns, (stream) => streamWatch(parts, call, stream, events));
    },
    getCoverage: (call) => {
      runCall(call, calls, turns, async (stream) => {
        await stream.sendMade(() => {
          const coverage = query.coverage(call.request.pods);
          const timeMs = Math.round(parts.now());
          return GetCoverageResponse.encode({ coverage, timeMs, version: programVersion }).finish();
        });
      });
    },
  };
}

function headerOf({ query, now }: ServiceParts): ListHeader {
  return { coverage: query.coverage(), timeMs: Math.round(now()) };
}

// Sends a list as header, batches and trailer. Each batch is encoded when the reader has taken the one before.
async function streamList<Item>(
  parts: ServiceParts,
  stream: CallStream,
  ask: () => Answer<Item>,
  wrapping: ListWrapping<Item>,
): Promise<void> {
  stream.expectLongAnswer();
  const begun = await stream.make(() => ({ answer: ask(), header: wrapping.header(headerOf(parts)) }));
  if (begun === null || !(await stream.send(begun.header))) return;
  const { answer } = begun;
  const batches = packBatches(answer.items, wrapping.item);
  let count = 0;
  while (true) {
    const next = await stream.make(() => {
      const { done, value } = batches.next();
      return done === true
        ? { items: 0, message: null }
        : { items: value.length, message: wrapping.batch(value) };
    });
    if (next === null) return;
    if (next.message === null) break;
    if (!(await stream.send(next.message))) return;
    count += next.items;
  }
  await stream.sendMade(() => {
    const { matched } = answer;
    return wrapping.trailer({ complete: count >= matched, count, matched });
  });
}

// Sends a list of edges, which is encoded as a whole.
async function streamEdges(parts: ServiceParts, stream: CallStream, take: () => EdgeAnswer): Promise<void> {
  const begun = await stream.make(() => ({
    header: ListEdgesResponse.encode({ ...noPart, header: headerOf(parts) }).finish(),
    answer: take(),
  }));
  if (begun === null) return;
  const { header, answer } = begun;
  try {
    for (const message of [header, ...answer.messages]) if (!(await stream.send(message))) return;
    const { count, matched } = answer;
    const trailer = { complete: count >= matched, count, matched };
    await stream.sendMade(() => ListEdgesResponse.encode({ ...noPart, trailer }).finish());
  } finally {
    answer.release();
  }
}

// Sends a watch's events until the caller or the watch ends.
async function streamWatch(
  parts: ServiceParts,
  call: Parameters<EncodedService["watch"]>[0],
  stream: CallStream,
  events: EncodedEvents,
): Promise<void> {
  const { filter, initial } = call.request;
  if (initial) stream.expectLongAnswer();
  const begun = await stream.make(() => ({
    header: WatchResponse.encode({ ...noEvent, header: headerOf(parts) }).finish(),
    running: parts.query.watch(filter, initial, parts.watchEventsMax),
  }));
  if (begun === null) return;
  const { running, header } = begun;
  const stop = (): void => running.close();
  call.on("cancelled", stop);
  call.on("close", stop);
  try {
    if (!(await stream.send(header))) return;
    if (initial && !(await sendInitial(stream, running.initial))) return;
    for (let items = await running.queue.take(); items !== null; items = await running.queue.take()) {
      for (const item of items) {
        const message =
          "event" in item
            ? events.encode(item.event)
            : WatchResponse.encode({ ...noEvent, missed: { events: item.missed } }).finish();
        if (!(await stream.sendReady(message))) return;
      }
    }
  } finally {
    running.close();
  }
}

async function sendInitial(stream: CallStream, connections: Iterable<Connection>): Promise<boolean> {
  const opened = connections[Symbol.iterator]();
  while (true) {
    const messages = await stream.make(() => openedMessages(opened));
    if (messages === null) return false;
    if (messages.length === 0) break;
    for (const message of messages) if (!(await stream.send(message))) return false;
  }
  return stream.send(WatchResponse.encode({ ...noEvent, synced: {} }).finish());
}

// Encodes as many events as a stream may be ahead of its reader; none at the end.
function openedMessages(connections: Iterator<Connection>): Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (let bytes = 0; bytes < AHEAD_BYTES_MAX; bytes += messages.at(-1)!.length) {
    const next = connections.next();
    if (next.done === true) break;
    const event = { kind: EventKind.EVENT_KIND_OPENED, connection: next.value };
    messages.push(WatchResponse.encode({ ...noEvent, event }).finish());
  }
  return messages;
}

/** Events are the same for every watcher: each is encoded once. */
class EncodedEvents {
  readonly #encoded = new WeakMap<ConnectionEvent, Uint8Array>();

  encode(event: ConnectionEvent): Uint8Array {
    let encoded = this.#encoded.get(event);
    if (encoded === undefined) {
      encoded = WatchResponse.encode({ ...noEvent, event }).finish();
      this.#encoded.set(event, encoded);
    }
    return encoded;
  }
}
