// The gRPC server: the query service, health (grpc.health.v1) and reflection.

import type { Socket } from "node:net";

import { Server, ServerCredentials } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation } from "grpc-health-check";
import type { Query } from "../query/query.ts";
import { ITEMS_MAX } from "../query/query.ts";
import { WATCH_EVENTS_MAX } from "../query/watch-queue.ts";
import { readFileDescriptors } from "./descriptors.ts";
import type { ServingCounts } from "./calls.ts";
import { Calls } from "./calls.ts";
import type { GateCounts } from "./gate.ts";
import { openGate } from "./gate.ts";
import { createQueryService, encodedDefinition } from "./query-service.ts";
import type { ServingLimits } from "./serving-limits.ts";
import { CONNECTIONS_PER_CALL, servingDefaults } from "./serving-limits.ts";

/** How long calls may take to end by themselves when the server closes, in milliseconds. */
const CLOSE_GRACE_MS = 1_000;
/** Largest request in bytes: a filter of thousands of values. */
const REQUEST_BYTES_MAX = 1024 * 1024;
/**
 * Streams of a connection. More than a caller may have, so that what is too much is refused with a sentence:
 * beyond this number, clients wait in silence.
 */
const STREAMS_PER_CALLER_CALL = 2;
/** Memory of one HTTP/2 session in MiB: its streams, each with one batch, and requests that are being read. */
const SESSION_MIB_MAX = 64;
/** A connection without calls is closed after this, in milliseconds. */
const IDLE_MS_MAX = 300_000;
/** A connection whose other end does not answer a ping is closed: asked after this, waited for that long. */
const KEEPALIVE_MS = 30_000;
const KEEPALIVE_ANSWER_MS = 20_000;

/** Options of the server. */
export interface ServerOptions {
  readonly query: Query;
  /** The stream's clock, milliseconds since 1970. */
  readonly now: () => number;
  /** Items per answer. */
  readonly itemsMax?: number;
  /** Events queued per watcher. */
  readonly watchEventsMax?: number;
  /** What calls may take; the defaults where absent. */
  readonly limits?: Partial<ServingLimits>;
  /** Whether health reports SERVING from the start; true by default. */
  readonly ready?: boolean;
}

/** Counts of calls, and of connections. */
export type ServerCounts = ServingCounts & GateCounts;

/** A running server. */
export interface RunningServer {
  readonly port: number;
  /** Sets what health reports: false while answers would still be incomplete. */
  setReady(ready: boolean): void;
  counts(): ServerCounts;
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
  const { server, calls, setReady } = createServer(options);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const { callsMax } = { ...servingDefaults, ...options.limits };
  const gate = await openGate(address, CONNECTIONS_PER_CALL * callsMax, (socket) =>
    injector.injectConnection(socket),
  );
  return {
    port: gate.port,
    setReady,
    counts: () => ({ ...calls.counts, ...gate.counts() }),
    close: async () => {
      gate.close();
      await closeServer(server, options.query);
    },
  };
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

function createServer(
  options: ServerOptions,
): { server: Server; calls: Calls } & Pick<RunningServer, "setReady"> {
  const { query, now, itemsMax = ITEMS_MAX, watchEventsMax = WATCH_EVENTS_MAX, ready = true } = options;
  const limits = { ...servingDefaults, ...options.limits };
  const server = new Server({
    "grpc.max_receive_message_length": REQUEST_BYTES_MAX,
    "grpc.max_concurrent_streams": STREAMS_PER_CALLER_CALL * limits.callsPerCallerMax,
    "grpc-node.max_session_memory": SESSION_MIB_MAX,
    "grpc.max_connection_idle_ms": IDLE_MS_MAX,
    "grpc.keepalive_time_ms": KEEPALIVE_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_ANSWER_MS,
  });
  const calls = new Calls(limits);
  const service = createQueryService({ query, now, itemsMax, watchEventsMax, calls });
  server.addService(encodedDefinition, { ...service });
  const health = new HealthImplementation();
  health.addToServer(server);
  const setReady = (isReady: boolean): void => {
    for (const name of ["", "whotalks.v1.QueryService"]) {
      health.setStatus(name, isReady ? "SERVING" : "NOT_SERVING");
    }
  };
  setReady(ready);
  new ReflectionService(describe(readFileDescriptors())).addToServer(server);
  return { server, calls, setReady };
}

// Reflection only needs the encoded files from a package definition; an enum's definition has nothing else.
function describe(files: readonly Uint8Array[]): ConstructorParameters<typeof ReflectionService>[0] {
  const fileDescriptorProtos = files.map((file) => Buffer.from(file));
  return { whotalks: { format: "Protocol Buffer 3 EnumDescriptorProto", type: {}, fileDescriptorProtos } };
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
