import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { credentials, status } from "@grpc/grpc-js";
import type { ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";

import type {
  Connection,
  ListConnectionsResponse,
  WatchResponse,
} from "../../../lib/gen/whotalks/v1/query.ts";
import { programVersion } from "../../../lib/program/version.ts";
import { EventKind, Filter } from "../../../lib/gen/whotalks/v1/query.ts";
import { QueryServiceClient } from "../../../lib/gen/whotalks/v1/query_service.ts";
import { until } from "../../../lib/testing/eventually.ts";
import type { TestSocket } from "../testing/reports.ts";
import { World } from "../testing/world.ts";
import type { ServerOptions } from "./server.ts";
import { startServer } from "./server.ts";

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const namespaces = [{ id: 0, inode: 1, host: true }];

function manySockets(count: number, firstId = 1): TestSocket[] {
  return Array.from({ length: count }, (_, at) => ({
    id: firstId + at,
    local: `10.0.${at >> 12}.9:${32_768 + (at & 0xfff)}`,
    remote: "192.0.2.1:443",
  }));
}

async function serve(world: World, options: Partial<ServerOptions> = {}): Promise<QueryServiceClient> {
  const { query } = world.aggregator;
  const server = await startServer("127.0.0.1:0", { query, now: () => world.nowMs, ...options });
  const client = new QueryServiceClient(`127.0.0.1:${server.port}`, credentials.createInsecure());
  cleanups.push(
    () => server.close(),
    () => {
      client.close();
    },
  );
  return client;
}

async function readAll<Item>(stream: ClientReadableStream<Item>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of stream as AsyncIterable<Item>) items.push(item);
  return items;
}

function listed(parts: readonly ListConnectionsResponse[]): Connection[] {
  return parts.flatMap((part) => part.batch?.connections ?? []);
}

async function failure(stream: ClientReadableStream<unknown>): Promise<ServiceError> {
  try {
    await readAll(stream);
  } catch (error) {
    return error as ServiceError;
  }
  throw new Error("the call did not fail");
}

test("a list is a header with coverage, batches of at most 256, and a trailer", async () => {
  const world = new World();
  world.report({ keyframe: true, namespaces, sockets: manySockets(1000) });
  const client = await serve(world);
  const parts = await readAll(client.listConnections({ filter: undefined, limit: 0 }));
  assert.equal(parts[0]!.header!.coverage!.nodes[0]!.node, "a");
  assert.equal(parts[0]!.header!.timeMs, world.nowMs);
  assert.equal(listed(parts).length, 1000);
  assert.equal(new Set(listed(parts).map(({ uid }) => uid)).size, 1000);
  assert.ok(parts.every((part) => (part.batch?.connections.length ?? 0) <= 256));
  assert.deepEqual(parts.at(-1)!.trailer, { complete: true, count: 1000, matched: 1000 });
});

test("a limit cuts the list and the trailer says so", async () => {
  const world = new World();
  world.report({ keyframe: true, namespaces, sockets: manySockets(30) });
  const client = await serve(world, { itemsMax: 20 });
  const limited = await readAll(client.listConnections({ filter: undefined, limit: 10 }));
  assert.deepEqual(limited.at(-1)!.trailer, { complete: false, count: 10, matched: 30 });
  const bounded = await readAll(client.listConnections({ filter: undefined, limit: 0 }));
  assert.deepEqual(bounded.at(-1)!.trailer, { complete: false, count: 20, matched: 30 });
});

test("edges, listeners and coverage come the same way", async () => {
  const world = new World();
  const listener = { id: 1, local: "*:443", state: "LISTEN" as const };
  world.report({ keyframe: true, namespaces, sockets: [listener, ...manySockets(3, 2)] });
  const client = await serve(world);
  const edges = await readAll(client.listEdges({ filter: undefined, limit: 0 }));
  assert.equal(edges.flatMap((part) => part.batch?.edges ?? [])[0]!.connections, 3);
  const listeners = await readAll(client.listListeners({ filter: undefined, limit: 0 }));
  assert.equal(listeners.flatMap((part) => part.batch?.listeners ?? [])[0]!.port, 443);
  const coverage = await new Promise((resolve, reject) => {
    client.getCoverage({ pods: false }, (error, response) => {
      if (error === null) resolve([response.coverage!.nodes.length, response.version]);
      else reject(error);
    });
  });
  assert.deepEqual(coverage, [1, programVersion]);
});

test("a filter that cannot be meant is INVALID_ARGUMENT with a sentence", async () => {
  const client = await serve(new World());
  const cases: [Partial<Filter>, RegExp][] = [
    [{ from: [{ cidr: "10.0.0.0/99" }] }, /"10\.0\.0\.0\/99" is no address or range/],
    [{ to: [{ endpointKind: "planet" }] }, /unknown kind of endpoint "planet"; expected one of pod, /],
    [{ either: [{}] }, /selector is empty/],
    [{ states: ["asleep"] }, /unknown state "asleep"; expected one of ESTABLISHED, SYN_SENT, /],
    [{ protocols: ["256"] }, /unknown protocol "256"/],
    [
      { protocols: ["tcp", "250"] },
      /unknown protocol "250"; expected one of icmp, .*, a number from 0 to 249 or 253/,
    ],
    [{ protocols: ["251"] }, /unknown protocol "251"/],
    [{ protocols: ["252"] }, /unknown protocol "252"/],
    [
      { protocols: ["carrier-pigeon"] },
      /unknown protocol "carrier-pigeon"; expected one of icmp, igmp, .* packet, a number from 0 to 249 or 253 to 255/,
    ],
    [{ outcomes: ["won"] }, /unknown outcome "won"; expected one of established, /],
    [{ ports: [70_000] }, /70000 is no port/],
    [{ labels: "a in b" }, /"a in b" is no label requirement/],
  ];
  for (const [filter, sentence] of cases) {
    const error = await failure(client.listConnections({ filter: Filter.fromPartial(filter), limit: 0 }));
    assert.equal(error.code, status.INVALID_ARGUMENT);
    assert.match(error.details, sentence);
  }
});

test("a deadline ends a call, and a cancelled call stops being answered", async () => {
  const world = new World();
  world.report({ keyframe: true, namespaces, sockets: manySockets(4000) });
  const client = await serve(world);
  const error = await failure(
    client.watch({ filter: undefined, initial: false }, { deadline: Date.now() + 100 }),
  );
  assert.equal(error.code, status.DEADLINE_EXCEEDED);
  const call = client.listConnections({ filter: undefined, limit: 0 });
  call.once("data", () => {
    call.cancel();
  });
  assert.equal((await failure(call)).code, status.CANCELLED);
  // The server still answers.
  assert.equal(listed(await readAll(client.listConnections({ filter: undefined, limit: 1 }))).length, 1);
});

test("a watch reports what exists, then what opens, changes and closes", async () => {
  const world = new World();
  const [first, second, third] = manySockets(3);
  world.report({ keyframe: true, namespaces, sockets: [first!] });
  const client = await serve(world);
  const call = client.watch({ filter: undefined, initial: true });
  call.on("error", () => undefined);
  const got: WatchResponse[] = [];
  call.on("data", (part: WatchResponse) => got.push(part));
  await until("synced", () => got.some((part) => part.synced !== undefined));
  world.report({ sockets: [second!, { ...third!, state: "SYN_SENT" }] });
  world.report({ changes: [{ id: 3, state: "ESTABLISHED", inode: 1003 }] });
  world.report({ removed: [2] });
  const events = (): [EventKind, number][] =>
    got.flatMap(({ event }) => (event === undefined ? [] : [[event.kind, event.connection!.client!.port]]));
  await until("the last event", () => events().length >= 5);
  const { EVENT_KIND_OPENED, EVENT_KIND_CHANGED, EVENT_KIND_CLOSED } = EventKind;
  assert.deepEqual(events(), [
    [EVENT_KIND_OPENED, 32_768],
    [EVENT_KIND_OPENED, 32_769],
    [EVENT_KIND_OPENED, 32_770],
    [EVENT_KIND_CHANGED, 32_770],
    [EVENT_KIND_CLOSED, 32_769],
  ]);
  call.cancel();
});

test("a watcher that does not read costs a bounded queue and learns how much it missed", async () => {
  const world = new World();
  world.report({ keyframe: true, namespaces });
  const client = await serve(world, { watchEventsMax: 10 });
  const call = client.watch({ filter: undefined, initial: false });
  call.on("error", () => undefined);
  const got: WatchResponse[] = [];
  call.on("data", (part: WatchResponse) => got.push(part));
  await until("the header", () => got.length === 1);
  // All in one report: the queue fills before the server can send any event.
  world.report({ sockets: manySockets(500) });
  await until("the hole", () => got.some((part) => part.missed !== undefined));
  const events = got.filter((part) => part.event !== undefined).length;
  const missed = got.reduce((sum, part) => sum + (part.missed?.events ?? 0), 0);
  assert.equal(events + missed, 500);
  assert.equal(events, 10);
  call.cancel();
});

test("health says SERVING, and NOT_SERVING while not ready", async () => {
  const { query } = new World().aggregator;
  const server = await startServer("127.0.0.1:0", { query, now: Date.now, ready: false });
  const client = new QueryServiceClient(`127.0.0.1:${server.port}`, credentials.createInsecure());
  cleanups.push(
    () => server.close(),
    () => {
      client.close();
    },
  );
  const check = (): Promise<number> =>
    new Promise((resolve, reject) => {
      const ask = new BinaryWriter().uint32(10).string("whotalks.v1.QueryService").finish();
      client.makeUnaryRequest(
        "/grpc.health.v1.Health/Check",
        (bytes: Uint8Array) => Buffer.from(bytes),
        (bytes: Buffer) => {
          const reader = new BinaryReader(bytes);
          reader.tag();
          return reader.int32();
        },
        ask,
        (error, answer) => {
          if (error === null) resolve(answer!);
          else reject(error);
        },
      );
    });
  const [serving, notServing] = [1, 2];
  assert.equal(await check(), notServing);
  server.setReady(true);
  assert.equal(await check(), serving);
});

test("reflection lists the services and returns the protos", async () => {
  const client = await serve(new World());
  const call = client.makeBidiStreamRequest(
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    (bytes: Uint8Array) => Buffer.from(bytes),
    (bytes: Buffer) => bytes,
  );
  const answers: Buffer[] = [];
  call.on("data", (answer: Buffer) => answers.push(answer));
  const [listServices, fileContainingSymbol] = [(7 << 3) | 2, (4 << 3) | 2];
  call.write(new BinaryWriter().uint32(listServices).string("*").finish());
  await until("the list", () => answers.length === 1);
  assert.match(answers[0]!.toString("latin1"), /whotalks\.v1\.QueryService/);
  call.write(new BinaryWriter().uint32(fileContainingSymbol).string("whotalks.v1.Connection").finish());
  await until("the file", () => answers.length === 2);
  assert.match(answers[1]!.toString("latin1"), /whotalks\/v1\/query\.proto/);
  call.end();
});

test("an address that is taken is an error, not a crash", async () => {
  const { query } = new World().aggregator;
  const first = await startServer("127.0.0.1:0", { query, now: Date.now });
  cleanups.push(() => first.close());
  await assert.rejects(startServer(`127.0.0.1:${first.port}`, { query, now: Date.now }), /EADDRINUSE|bind/);
});
