import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { Filter } from "../../lib/gen/whotalks/v1/query.ts";
import { World } from "../../services/aggregator/testing/world.ts";
import type { Answer } from "../ask/answer.ts";
import type { Asker } from "../ask/ask.ts";
import { connect } from "../ask/ask.ts";
import { UsageError } from "../../lib/program/usage-error.ts";
import { askPipeline } from "./ask-pipeline.ts";
import { serveLater } from "./serve-later.ts";

const namespaces = [{ id: 0, inode: 1, host: true }];
const everything = { filter: Filter.create(), limit: 0 };
const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function busyWorld(): World {
  const world = new World();
  const sockets = Array.from({ length: 600 }, (_, at) => ({
    id: at + 2,
    local: `10.0.0.9:${32_768 + at}`,
    remote: "192.0.2.1:443",
  }));
  world.report({
    keyframe: true,
    namespaces,
    sockets: [{ id: 1, local: "*:443", state: "LISTEN" as const }, ...sockets],
  });
  return world;
}

async function serve({ aggregator: { query }, nowMs }: World): Promise<string> {
  const server = await serveLater({ host: "127.0.0.1", port: 0 }, { query, now: () => nowMs });
  cleanups.push(() => server.close());
  return `127.0.0.1:${server.port}`;
}

function dial(address: string): Asker {
  const asker = connect(address, 10_000, new AbortController().signal);
  cleanups.push(() => asker.close());
  return asker;
}

async function all<Part>(parts: AsyncIterable<Part>): Promise<Part[]> {
  const found: Part[] = [];
  for await (const part of parts) found.push(part);
  return found;
}

test("calls from within get the same answers as calls over the network, the first and those beside it", async () => {
  const world = busyWorld();
  const { query } = world.aggregator;
  const within = askPipeline({ query, now: () => world.nowMs }, new AbortController().signal);
  const address = await serve(world);
  const askers = [dial(address), dial(address), dial(address)];
  const expected = await answersOf(within);
  assert.equal((expected.connections.at(-1) as unknown[]).length, 600);
  for (const answers of await Promise.all(askers.map((asker) => answersOf(asker)))) {
    assert.deepEqual(answers, expected);
  }
});

async function answersOf(asker: Asker) {
  return {
    connections: await whole(asker.connections(everything)),
    limited: await whole(asker.connections({ ...everything, limit: 10 })),
    edges: await whole(asker.edges(everything)),
    listeners: await whole(asker.listeners(everything)),
    coverage: await whole(asker.coverage(true)),
  };
}

// An answer with its batches joined: how many items come together is not part of it.
async function whole<Item>(answer: Answer<Item>) {
  const parts = await all(answer);
  const items = parts.flatMap((part) => (part.part === "items" ? part.items : []));
  return [...parts.filter(({ part }) => part !== "items"), items];
}

test("a watch from within reports what exists, then changes, and ends without an error when aborted", async () => {
  const world = busyWorld();
  const stop = new AbortController();
  const asker = askPipeline({ query: world.aggregator.query, now: () => world.nowMs }, stop.signal);
  const parts = asker.watch(Filter.create(), true)[Symbol.asyncIterator]();
  assert.ok((await parts.next()).value!.header!.coverage);
  for (let event = 0; event < 600; event++) assert.ok((await parts.next()).value!.event!.connection);
  assert.deepEqual((await parts.next()).value!.synced, {});
  const next = parts.next();
  world.report({ sockets: [{ id: 1000, local: "10.0.0.9:50000", remote: "192.0.2.1:443" }] });
  assert.equal((await next).value!.event!.connection!.client!.port, 50_000);
  const end = parts.next();
  stop.abort();
  assert.equal((await end).done, true);
});

test("a filter that cannot be meant is the user's mistake", async () => {
  const world = busyWorld();
  const asker = askPipeline(
    { query: world.aggregator.query, now: () => world.nowMs },
    new AbortController().signal,
  );
  const filter = Filter.create({ from: [{ cidr: "10.0.0.0/99" }] });
  await assert.rejects(all(asker.edges({ filter, limit: 0 })), UsageError);
});

test("an address that is taken is refused; a server that nobody called closes at once", async () => {
  const address = await serve(busyWorld());
  const port = Number(address.split(":")[1]);
  const { aggregator } = busyWorld();
  await assert.rejects(serveLater({ host: "127.0.0.1", port }, { query: aggregator.query, now: Date.now }), {
    code: "EADDRINUSE",
  });
});
