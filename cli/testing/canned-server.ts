// A real gRPC server with canned answers, for tests that run the command line as a process.

import { Server, ServerCredentials, type ServerWritableStream, type status } from "@grpc/grpc-js";
import {
  type Connection,
  type Coverage,
  type Edge,
  EventKind,
  type Filter,
  type Listener,
  type WatchResponse,
} from "../../lib/gen/whotalks/v1/query.ts";
import { type QueryServiceServer, QueryServiceService } from "../../lib/gen/whotalks/v1/query_service.ts";
import * as canned from "./canned-answers.ts";

/** The server's answers; each may be changed while it runs. */
export interface CannedAnswers {
  edges: Edge[];
  connections: Connection[];
  listeners: Listener[];
  coverage: Coverage;
  /** The server's version. */
  version: string;
  /** How a list behaves: completes, never begins, breaks off, or is refused with this status. */
  mood: "well" | "silent" | "breaks-off" | { readonly code: status; readonly details: string };
}

/** A running server. */
export interface CannedServer extends AsyncDisposable {
  readonly address: string;
  readonly answers: CannedAnswers;
  /** The filters and limits received, in order. */
  readonly asked: Array<{
    readonly call: string;
    readonly filter: Filter | undefined;
    readonly limit: number;
  }>;
}

type ListCall = ServerWritableStream<{ filter: Filter | undefined; limit: number }, object>;

/** Items per batch: few, so that lists take several batches. */
const BATCH_ITEMS = 500;

/** Starts a server on a free loopback port. */
export async function startCannedServer(changes: Partial<CannedAnswers> = {}): Promise<CannedServer> {
  const answers: CannedAnswers = {
    edges: canned.edges,
    connections: canned.connections,
    listeners: canned.listeners,
    coverage: canned.fullCoverage,
    version: "9.8.7",
    mood: "well",
    ...changes,
  };
  const asked: CannedServer["asked"] = [];
  const list =
    <Item extends object>(name: string, itemsOf: (filter: Filter | undefined) => Item[]) =>
    (call: ListCall): void => {
      asked.push({ call: name, filter: call.request.filter, limit: call.request.limit });
      void sendList(call, name, itemsOf(call.request.filter), answers);
    };
  const service: Record<string, unknown> = {
    listEdges: list("edges", () => answers.edges),
    listConnections: list("connections", (filter) =>
      filter?.protocols.includes("unix") === true ? canned.unixConnections : answers.connections,
    ),
    listListeners: list("listeners", () => answers.listeners),
    getCoverage: (
      { request }: { readonly request: { readonly pods: boolean } },
      respond: (error: null, value: object) => void,
    ) => {
      const pods = request.pods ? answers.coverage.pods : [];
      respond(null, {
        coverage: { ...answers.coverage, pods },
        timeMs: canned.timeMs,
        version: answers.version,
      });
    },
    watch: (call: ServerWritableStream<{ filter: Filter | undefined; initial: boolean }, WatchResponse>) => {
      asked.push({ call: "watch", filter: call.request.filter, limit: 0 });
      call.write({ header: { coverage: answers.coverage, timeMs: canned.timeMs } });
      for (const [index, connection] of answers.connections.entries()) {
        call.write({
          event: {
            kind: index === 1 ? EventKind.EVENT_KIND_CLOSED : EventKind.EVENT_KIND_OPENED,
            connection,
          },
        });
      }
      call.write({ synced: {} });
      call.write({ missed: { events: 12 } });
    },
  };
  const server = new Server();
  server.addService(QueryServiceService, service as QueryServiceServer);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    address: `127.0.0.1:${port}`,
    answers,
    asked,
    [Symbol.asyncDispose]: () => {
      server.forceShutdown();
      return Promise.resolve();
    },
  };
}

async function sendList(
  call: ListCall,
  name: string,
  items: readonly object[],
  answers: CannedAnswers,
): Promise<void> {
  if (typeof answers.mood === "object") {
    call.emit("error", answers.mood);
    return;
  }
  if (answers.mood === "silent") return;
  call.write({ header: { coverage: answers.coverage, timeMs: canned.timeMs } });
  const count = call.request.limit === 0 ? items.length : Math.min(items.length, call.request.limit);
  for (let index = 0; index < count; index += BATCH_ITEMS) {
    const batch = { [name]: items.slice(index, Math.min(count, index + BATCH_ITEMS)) };
    if (!call.write({ batch })) await new Promise<void>((resolve) => call.once("drain", resolve));
  }
  if (answers.mood === "well") {
    call.write({ trailer: { complete: count === items.length, count, matched: items.length } });
  }
  call.end();
}
