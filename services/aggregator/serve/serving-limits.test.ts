// The limits of the query API, over real connections: each with the caller's error and the counters.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { credentials, status } from "@grpc/grpc-js";
import type { ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import { BinaryReader } from "@bufbuild/protobuf/wire";

import { connect } from "../../../cli/ask/ask.ts";
import type { Connection, ListConnectionsResponse } from "../../../lib/gen/whotalks/v1/query.ts";
import { Filter } from "../../../lib/gen/whotalks/v1/query.ts";
import { QueryServiceClient } from "../../../lib/gen/whotalks/v1/query_service.ts";
import { until } from "../../../lib/testing/eventually.ts";
import type { UnreadMethod } from "../testing/unread-call.ts";
import { UnreadCall } from "../testing/unread-call.ts";
import type { TestSocket } from "../testing/reports.ts";
import { World } from "../testing/world.ts";
import { Messages } from "../query/messages.ts";
import type { RunningServer } from "./server.ts";
import { startServer } from "./server.ts";
import type { ServingLimits } from "./serving-limits.ts";

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const namespaces = [{ id: 0, inode: 1, host: true }];
const everything = { filter: undefined, limit: 0 };
const events = { filter: undefined, initial: true };
/** The error of a dropped reader: ENHANCE_YOUR_CALM, which gRPC's clients report as RESOURCE_EXHAUSTED. */
const RESET = "reset 11";
/** Some 800 kB of connections, which no window holds. */
const MANY = 3000;

function manySockets(count: number): TestSocket[] {
  return Array.from({ length: count }, (_, at) => ({
    id: 1 + at,
    local: `10.0.${at >> 12}.9:${32_768 + (at & 0xfff)}`,
    remote: "192.0.2.1:443",
  }));
}

function worldOf(count: number): World {
  return new World().report({ keyframe: true, namespaces, sockets: manySockets(count) });
}

async function serve(world: World, limits: Partial<ServingLimits>): Promise<RunningServer> {
  const { query } = world.aggregator;
  const server = await startServer("127.0.0.1:0", { query, now: () => world.nowMs, limits });
  cleanups.push(() => server.close());
  return server;
}

// A caller with a connection of its own, as each comes through a port-forward.
function dial({ port }: RunningServer): QueryServiceClient {
  const options = { "grpc.use_local_subchannel_pool": 1 };
  const client = new QueryServiceClient(`127.0.0.1:${port}`, credentials.createInsecure(), options);
  cleanups.push(() => client.close());
  return client;
}

// An unread call, with its own caller.
function leaveUnread({ port }: RunningServer, method: UnreadMethod = "listConnections"): UnreadCall {
  const call = new UnreadCall(`127.0.0.1:${port}`, method);
  cleanups.push(() => call.close());
  return call;
}

// A call that waits for what comes.
function pending<Part>(call: ClientReadableStream<Part>): ClientReadableStream<Part> {
  return call.on("error", () => undefined);
}

async function gathered<Part>(stream: AsyncIterable<Part>): Promise<Part[]> {
  const parts: Part[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

function readAll<Part>(call: ClientReadableStream<Part>): Promise<Part[]> {
  return gathered(call as AsyncIterable<Part>);
}

async function failure(call: ClientReadableStream<unknown>): Promise<ServiceError> {
  try {
    await readAll(call);
  } catch (error) {
    return error as ServiceError;
  }
  throw new Error("the call did not fail");
}

function itemsOf(parts: readonly ListConnectionsResponse[]): number {
  return parts.reduce((sum, { batch }) => sum + (batch?.connections.length ?? 0), 0);
}

// The seconds of google.rpc.RetryInfo in the status that gRPC's other clients read.
function retryInfoSeconds({ metadata }: ServiceError): number {
  const path = [3, 2, 1, 1];
  let bytes: Uint8Array = metadata.get("grpc-status-details-bin")[0] as Buffer;
  for (const [depth, wanted] of path.entries()) {
    const reader = new BinaryReader(bytes);
    let found: Uint8Array | number | undefined;
    while (reader.pos < reader.len) {
      const [field, wire] = reader.tag();
      if (field !== wanted) reader.skip(wire);
      else found = depth === path.length - 1 ? Number(reader.int64()) : reader.bytes();
    }
    if (typeof found === "number") return found;
    bytes = found!;
  }
  throw new Error("no RetryInfo");
}

test("nothing is encoded ahead of what a stream takes, however many do not read", async (t) => {
  const server = await serve(worldOf(MANY), {});
  let built = 0;
  const methods = Messages.prototype;
  const original = Object.getOwnPropertyDescriptor(methods, "connection")!;
  const build = original.value as (this: Messages, slot: number) => Connection;
  methods.connection = function (slot) {
    built++;
    return build.call(this, slot);
  };
  t.after(() => Object.defineProperty(methods, "connection", original));
  const calls = Array.from({ length: 20 }, () => leaveUnread(server));
  await until("all wait", () => server.counts().calls === 20);
  await sleep(500);
  // A window of 64 KiB and a batch of 32 KiB for each call, at 100 bytes a connection and more.
  assert.ok(built < 20 * 1200, `${built} connections were built`);
  assert.ok(server.counts().bytes <= 20 * 2 * 2 * 32 * 1024, `${server.counts().bytes} bytes`);
  const parts = await readAll(dial(server).listConnections(everything));
  assert.equal(itemsOf(parts), MANY);
  for (const call of calls) call.close();
  await until("nothing is counted", () => server.counts().calls === 0 && server.counts().bytes === 0);
});

test("a caller with too many calls is refused with a sentence and the time to ask again; others are not", async () => {
  const server = await serve(worldOf(10), { callsPerCallerMax: 3 });
  const client = dial(server);
  const watches = Array.from({ length: 3 }, () => pending(client.watch(events)));
  await until("the watches run", () => server.counts().calls === 3);
  const calls = [client.listEdges(everything), client.watch(events), client.listListeners(everything)];
  for (const call of calls) {
    const error = await failure(call);
    assert.equal(error.code, status.RESOURCE_EXHAUSTED);
    assert.equal(
      error.details,
      "this caller has 3 calls already, which is the limit: end some first; ask again in 2 s",
    );
    assert.deepEqual(error.metadata.get("grpc-retry-pushback-ms"), ["2000"]);
    assert.equal(retryInfoSeconds(error), 2);
  }
  const refused = await new Promise<ServiceError | null>((resolve) => {
    client.getCoverage({ pods: false }, resolve);
  });
  assert.equal(refused?.code, status.RESOURCE_EXHAUSTED);
  assert.equal(server.counts().refusedForCaller, 4);
  assert.equal(itemsOf(await readAll(dial(server).listConnections(everything))), 10);
  watches[0]!.cancel();
  await until("a call has ended", () => server.counts().calls === 2);
  assert.equal(itemsOf(await readAll(client.listConnections(everything))), 10);
});

test("too many calls in all are refused with a sentence", async () => {
  const server = await serve(worldOf(10), { callsMax: 3 });
  for (let number = 0; number < 3; number++) pending(dial(server).watch(events));
  await until("the watches run", () => server.counts().calls === 3);
  const error = await failure(dial(server).listEdges(everything));
  assert.equal(error.code, status.RESOURCE_EXHAUSTED);
  assert.equal(error.details, "3 calls run already, which is the limit; ask again in 2 s");
  assert.equal(server.counts().refusedForAll, 1);
  // These watches wait for nothing: they are no stalled readers.
  assert.equal(server.counts().droppedForRoom, 0);
});

test("a stalled reader makes room for a new call after a second", async () => {
  const server = await serve(worldOf(MANY), { callsMax: 2 });
  const stalled = [1, 2].map(() => leaveUnread(server));
  await until("both run", () => server.counts().calls === 2);
  assert.equal((await failure(dial(server).listEdges(everything))).code, status.RESOURCE_EXHAUSTED);
  await sleep(1200);
  assert.equal((await readAll(dial(server).listEdges(everything))).at(-1)!.trailer!.complete, true);
  assert.equal(server.counts().droppedForRoom, 1);
  assert.equal(await Promise.race(stalled.map(({ ended }) => ended)), RESET);
});

test("bytes of answers are limited: who does not read makes room", async () => {
  const server = await serve(worldOf(MANY), { bytesMax: 512 * 1024 });
  for (let number = 0; number < 12; number++) leaveUnread(server);
  const parts = await readAll(dial(server).listConnections(everything));
  assert.equal(itemsOf(parts), MANY);
  const { bytes, droppedForRoom } = server.counts();
  assert.ok(bytes <= 512 * 1024, `${bytes} bytes`);
  assert.ok(droppedForRoom > 0);
});

test("a list of edges that has no room is refused with a sentence", async () => {
  const server = await serve(worldOf(10), { bytesMax: 64 });
  const error = await failure(dial(server).listEdges(everything));
  assert.equal(error.code, status.RESOURCE_EXHAUSTED);
  assert.match(
    error.details,
    /^the answer has \d+ bytes, and 32 are the limit: ask for less by filters or a limit; /,
  );
  assert.equal(server.counts().refusedForBytes, 1);
  assert.equal(server.counts().bytes, 0);
});

test("a reader that takes nothing is dropped after the reader timeout, one that reads slowly is not", async () => {
  const server = await serve(worldOf(MANY), { readerTimeoutMs: 1500 });
  const stalled = leaveUnread(server);
  const asker = connect(`127.0.0.1:${server.port}`, 10_000, new AbortController().signal);
  cleanups.push(() => asker.close());
  const slow = (async () => {
    let count = 0;
    for await (const part of asker.connections({ filter: Filter.create(), limit: 0 })) {
      if (part.part !== "items") continue;
      count += part.items.length;
      await sleep(40);
    }
    return count;
  })();
  await until("it is dropped", () => server.counts().droppedStalled === 1, 10_000);
  assert.equal(await stalled.ended, RESET);
  assert.equal(await slow, MANY);
  assert.equal(server.counts().droppedStalled, 1);
  await until("nothing is counted", () => server.counts().calls === 0 && server.counts().bytes === 0);
});

test("the end of a short answer counts until it is taken", async () => {
  // Larger than the window, smaller than the window and what may be ahead of it.
  const server = await serve(worldOf(450), { readerTimeoutMs: 1000 });
  const calls = Array.from({ length: 3 }, () => leaveUnread(server));
  await sleep(200);
  assert.equal(server.counts().calls, 3);
  await until("all are dropped", () => server.counts().calls === 0, 10_000);
  for (const call of calls) assert.equal(await call.ended, RESET);
  assert.equal(server.counts().bytes, 0);
});

test("a crowd that asks for the same edges shares one answer", async (t) => {
  const world = worldOf(2000);
  const server = await serve(world, {});
  const asked = t.mock.method(world.aggregator.query, "edges");
  const answers = await Promise.all(
    Array.from({ length: 60 }, () => readAll(dial(server).listEdges(everything))),
  );
  for (const parts of answers) assert.equal(parts.at(-1)!.trailer!.complete, true);
  assert.ok(asked.mock.callCount() < 30, `${asked.mock.callCount()} answers were made`);
});

test("the command line retries after a refusal, within its timeout", async () => {
  const server = await serve(worldOf(10), { callsMax: 1 });
  const watch = pending(dial(server).watch(events));
  await until("the watch runs", () => server.counts().calls === 1);
  const asker = (timeoutMs: number) => {
    const made = connect(`127.0.0.1:${server.port}`, timeoutMs, new AbortController().signal, "here");
    cleanups.push(() => made.close());
    return made.edges({ filter: Filter.create(), limit: 0 });
  };
  await assert.rejects(gathered(asker(1000)), {
    name: "FailureError",
    message:
      "The server at here has too much to do: 1 calls run already, which is the limit; ask again in 2 s",
  });
  setTimeout(() => watch.cancel(), 1000);
  const parts = await gathered(asker(10_000));
  assert.equal(parts.at(-1)!.part, "end");
  assert.ok(server.counts().refusedForAll >= 2);
});

test("the command line says why its answer ended if it was not read", async () => {
  // grpc-js reads 16 messages ahead.
  const server = await serve(worldOf(3 * MANY), { readerTimeoutMs: 1000 });
  const asker = connect(`127.0.0.1:${server.port}`, 10_000, new AbortController().signal, "here");
  cleanups.push(() => asker.close());
  const reading = async (): Promise<void> => {
    let paused = false;
    for await (const _ of asker.connections({ filter: Filter.create(), limit: 0 })) {
      if (!paused) await until("it is dropped", () => server.counts().droppedStalled > 0, 10_000);
      paused = true;
    }
  };
  await assert.rejects(reading(), {
    name: "FailureError",
    message: /^The server at here ended the answer, because nobody read it for 1s, or less where others/,
  });
});
