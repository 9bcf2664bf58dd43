// The gRPC server: the query service, health (grpc.health.v1) and reflection.

import type { Socket } from "node:net";

import { Server, ServerCredentials } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation } from "grpc-health-check";
import { QueryServiceService } from "../../../lib/gen/whotalks/v1/query_service.ts";
import type { Query } from "../query/query.ts";
import { ITEMS_MAX } from "../query/query.ts";
import { WATCH_EVENTS_MAX } from "../query/watch-queue.ts";
import { readFileDescriptors } from "./descriptors.ts";
import { createQueryService } from "./query-service.ts";

/** How long calls may take to end by themselves when the server closes, in milliseconds. */
const CLOSE_GRACE_MS = 1_000;
/** Largest request in bytes: a filter of thousands of values. */
const REQUEST_BYTES_MAX = 1024 * 1024;
/** Concurrent calls per connection. */
const CALLS_MAX = 128;

/** Options of the server. */
export interface ServerOptions {
  readonly query: Query;
  /** The stream's clock, milliseconds since 1970. */
  readonly now: () => number;
  /** Items per answer. */
  readonly itemsMax?: number;
  /** Events queued per watcher. */
  readonly watchEventsMax?: number;
  /** Whether health reports SERVING from the start; true by default. */
  readonly ready?: boolean;
}

/** A running server. */
export interface RunningServer {
  readonly port: number;
  /** Sets what health reports: false while answers would still be incomplete. */
  setReady(ready: boolean): void;
  /** Stops listening and ends running calls. */
  close(): Promise<void>;
}

/** A server that others pass connections to. */
export interface ConnectionServer {
  /** Serves a connection; bytes already read from it must be back in its buffer. */
  take(connection: Socket): void;
  /** Ends running calls. */
  close(): Promise<void>;
}

/**
 * Starts the server at an address such as "127.0.0.1:4180" or "[::]:4180"; port 0 picks a free port. Rejects
 * if it cannot listen there.
 */
export async function startServer(address: string, options: ServerOptions): Promise<RunningServer> {
  const { server, setReady } = createServer(options);
  const port = await bind(server, address);
  return { port, setReady, close: () => closeServer(server, options.query) };
}

/** Creates the server without listening anywhere. */
export function serveConnections(options: ServerOptions): ConnectionServer {
  const { server } = createServer(options);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  return {
    take: (connection) => injector.injectConnection(connection),
    close: () => closeServer(server, options.query),
  };
}

function createServer(options: ServerOptions): { server: Server } & Pick<RunningServer, "setReady"> {
  const { query, now, itemsMax = ITEMS_MAX, watchEventsMax = WATCH_EVENTS_MAX, ready = true } = options;
  const server = new Server({
    "grpc.max_receive_message_length": REQUEST_BYTES_MAX,
    "grpc.max_concurrent_streams": CALLS_MAX,
  });
  server.addService(QueryServiceService, createQueryService({ query, now, itemsMax, watchEventsMax }));
  const health = new HealthImplementation();
  health.addToServer(server);
  const setReady = (isReady: boolean): void => {
    for (const service of ["", "whotalks.v1.QueryService"]) {
      health.setStatus(service, isReady ? "SERVING" : "NOT_SERVING");
    }
  };
  setReady(ready);
  new ReflectionService(describe(readFileDescriptors())).addToServer(server);
  return { server, setReady };
}

// Reflection only needs the encoded files from a package definition; an enum's definition has nothing else.
function describe(files: readonly Uint8Array[]): ConstructorParameters<typeof ReflectionService>[0] {
  const fileDescriptorProtos = files.map((file) => Buffer.from(file));
  return { whotalks: { format: "Protocol Buffer 3 EnumDescriptorProto", type: {}, fileDescriptorProtos } };
}

function bind(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}

function closeServer(server: Server, query: Query): Promise<void> {
  query.close();
  return new Promise((resolve) => {
    const force = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, CLOSE_GRACE_MS);
    server.tryShutdown(() => {
      clearTimeout(force);
      resolve();
    });
  });
}
