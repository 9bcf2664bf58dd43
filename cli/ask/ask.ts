// Queries a whotalks server by gRPC and returns its answers as streams. This file is loaded only when there is
// a server to query: gRPC takes longer to load than the rest of the command line together.

import { setTimeout as sleep } from "node:timers/promises";

import { type ClientReadableStream, credentials, type Metadata } from "@grpc/grpc-js";
import type {
  Connection,
  Edge,
  Filter,
  GetCoverageRequest,
  GetCoverageResponse,
  ListHeader,
  Listener,
  ListTrailer,
  WatchResponse,
} from "../../lib/gen/whotalks/v1/query.ts";
import { QueryServiceClient, QueryServiceService } from "../../lib/gen/whotalks/v1/query_service.ts";
import type { NodeCoverage } from "../../lib/gen/whotalks/v1/report.ts";
import type { Answer, AnswerPart } from "./answer.ts";
import { type AskError, explainAskError, retryAfterMs } from "./ask-errors.ts";
import { FailureError } from "../command/errors.ts";

/** Largest message that is accepted, in bytes: servers send much smaller batches. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/** Header of the server's answers: how long they may wait for their reader, in milliseconds. */
const READER_TIMEOUT_HEADER = "whotalks-reader-timeout-ms";

/** Parameters of a query. */
export interface AskOptions {
  readonly filter: Filter;
  /** 0 means the server's own limit. */
  readonly limit: number;
}

/** A source of answers. */
export interface Asker {
  edges(options: AskOptions): Answer<Edge>;
  connections(options: AskOptions): Answer<Connection>;
  listeners(options: AskOptions): Answer<Listener>;
  /** Includes each pod's own account if `pods` is set. */
  coverage(pods: boolean): Answer<NodeCoverage>;
  /** Ends without an error when the signal is aborted. */
  watch(filter: Filter, initial: boolean): AsyncIterable<WatchResponse>;
  close(): void;
}

/**
 * Creates an asker for the server at HOST:PORT or unix:PATH. Every wait for a part of an answer times out
 * after timeoutMs; aborting the signal cancels running calls. Failures are FailureErrors that name the
 * address, or a place that the user knows better.
 */
export function connect(
  address: string,
  timeoutMs: number,
  signal: AbortSignal,
  place: string = address,
): Asker {
  const client = new QueryServiceClient(address, credentials.createInsecure(), {
    "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
    // Do not use a proxy from the environment for an address that the user named.
    "grpc.enable_http_proxy": 0,
  });
  const explain = (error: unknown): Error => explainAskError(error as AskError, place, timeoutMs);
  const within = { timeoutMs, signal, explain };
  return {
    edges: (options) =>
      listAnswer(
        () => client.listEdges(options),
        within,
        (batch) => batch.edges,
      ),
    connections: (options) =>
      listAnswer(
        () => client.listConnections(options),
        within,
        (batch) => batch.connections,
      ),
    listeners: (options) =>
      listAnswer(
        () => client.listListeners(options),
        within,
        (batch) => batch.listeners,
      ),
    coverage: async function* (pods) {
      const ask = (): ClientReadableStream<GetCoverageResponse> => askOne(client, { pods });
      let response: GetCoverageResponse | undefined;
      for await (const part of parts(ask, within, () => true)) response = part;
      if (signal.aborted) return;
      if (response?.coverage === undefined)
        throw new FailureError(`The server at ${place} sent an empty answer.`);
      const { timeMs, coverage: all, version } = response;
      yield { part: "head", timeMs, coverage: all, version };
      yield { part: "items", items: response.coverage.nodes };
      yield { part: "end", complete: true, matched: response.coverage.nodes.length };
    },
    watch: (filter, initial) => watchParts(() => client.watch({ filter, initial }), within),
    close: () => client.close(),
  };
}

interface Within {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly explain: (error: unknown) => Error;
}

// A unary call as a stream of its one response, which is the same on the wire.
function askOne(
  client: QueryServiceClient,
  request: GetCoverageRequest,
): ClientReadableStream<GetCoverageResponse> {
  const { path, requestSerialize, responseDeserialize } = QueryServiceService.getCoverage;
  return client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request);
}

interface ListPart<Batch> {
  header?: ListHeader | undefined;
  batch?: Batch | undefined;
  trailer?: ListTrailer | undefined;
}

async function* listAnswer<Batch, Item>(
  call: () => ClientReadableStream<ListPart<Batch>>,
  within: Within,
  itemsOf: (batch: Batch) => Item[],
): AsyncGenerator<AnswerPart<Item>> {
  let opened = false;
  let ended = false;
  for await (const part of parts(call, within, () => true)) {
    if (part.header?.coverage !== undefined) {
      opened = true;
      yield { part: "head", timeMs: part.header.timeMs, coverage: part.header.coverage };
    } else if (part.batch !== undefined && opened) {
      yield { part: "items", items: itemsOf(part.batch) };
    } else if (part.trailer !== undefined && opened) {
      ended = true;
      yield { part: "end", complete: part.trailer.complete, matched: part.trailer.matched };
    }
  }
  if (!ended) throw new FailureError("The answer broke off before its end: ask again.");
}

async function* watchParts(
  call: () => ClientReadableStream<WatchResponse>,
  within: Within,
): AsyncGenerator<WatchResponse> {
  // Only the header has a timeout: after it, a quiet cluster may send nothing for hours.
  let opened = false;
  for await (const part of parts(call, within, () => !opened)) {
    opened = true;
    yield part;
  }
  if (!within.signal.aborted) throw new FailureError("The server ended the watch: start it again.");
}

// Reads a call part by part. What the server refuses for want of room is asked again after the time that it
// names, as long as the timeout allows.
async function* parts<Part>(
  open: () => ClientReadableStream<Part>,
  within: Within,
  timed: () => boolean,
): AsyncGenerator<Part> {
  const { timeoutMs, signal, explain } = within;
  const endMs = performance.now() + timeoutMs;
  while (!signal.aborted) {
    let begun = false;
    try {
      for await (const part of partsOfCall(open(), within, timed)) {
        begun = true;
        yield part;
      }
      return;
    } catch (error) {
      if (signal.aborted) return;
      const retryMs = begun ? null : retryAfterMs(error as AskError);
      if (retryMs === null || performance.now() + retryMs > endMs) throw explain(error);
      await sleep(retryMs, undefined, { signal }).catch(() => {});
    }
  }
}

// The timeout runs only while waiting for the server, never while our own reader is slow.
async function* partsOfCall<Part>(
  call: ClientReadableStream<Part>,
  { timeoutMs, signal }: Within,
  timed: () => boolean,
): AsyncGenerator<Part> {
  // Cancelling makes the call emit an error even if nobody reads it any more.
  call.on("error", () => {});
  let readerTimeoutMs: number | undefined;
  call.on("metadata", (metadata: Metadata) => {
    readerTimeoutMs = Number(metadata.get(READER_TIMEOUT_HEADER)[0]) || undefined;
  });
  const cancel = (): void => call.cancel();
  if (signal.aborted) cancel();
  signal.addEventListener("abort", cancel, { once: true });
  const reader: AsyncIterator<Part, undefined> = call[Symbol.asyncIterator]();
  let late = false;
  try {
    while (true) {
      const timer = timed()
        ? setTimeout(() => {
            late = true;
            call.cancel();
          }, timeoutMs)
        : undefined;
      const next = await reader.next().finally(() => clearTimeout(timer));
      if (next.done === true) return;
      yield next.value;
    }
  } catch (error) {
    if (late) throw { code: "late" } satisfies AskError;
    const { code, details, metadata } = error as AskError;
    throw { code, details, metadata, readerTimeoutMs } as AskError;
  } finally {
    signal.removeEventListener("abort", cancel);
    call.cancel();
  }
}
