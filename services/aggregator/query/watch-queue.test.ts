import assert from "node:assert/strict";
import { test } from "node:test";

import { EventKind } from "../../../lib/gen/whotalks/v1/query.ts";
import type { ConnectionEvent } from "../../../lib/gen/whotalks/v1/query.ts";
import { WatchEvents, WatchQueue } from "./watch-queue.ts";

function event(): ConnectionEvent {
  return { kind: EventKind.EVENT_KIND_OPENED, connection: undefined };
}

async function taken(queue: WatchQueue): Promise<(string | number)[]> {
  const items = (await queue.take()) ?? [];
  return [...items].map((item) => ("event" in item ? "event" : item.missed));
}

test("a watcher that lags behind the store has a gap in the place of what left it", async () => {
  const store = new WatchEvents(3);
  const queue = new WatchQueue(10);
  for (let number = 0; number < 5; number++) queue.push(store.add(event()));
  assert.deepEqual(await taken(queue), [2, "event", "event", "event"]);
});

test("a full queue has its gap at the end, and gaps add up", async () => {
  const store = new WatchEvents(2);
  const queue = new WatchQueue(3);
  for (let number = 0; number < 6; number++) queue.push(store.add(event()));
  assert.deepEqual(await taken(queue), [6]);
});

test("an event that leaves the store while the queue is read is part of a gap", async () => {
  const store = new WatchEvents(2);
  const queue = new WatchQueue(10);
  for (let number = 0; number < 2; number++) queue.push(store.add(event()));
  const items = [...((await queue.take()) ?? [])].length;
  assert.equal(items, 2);
  for (let number = 0; number < 2; number++) queue.push(store.add(event()));
  const reading = (await queue.take())![Symbol.iterator]();
  assert.ok("event" in reading.next().value!);
  store.add(event());
  store.add(event());
  assert.deepEqual(reading.next().value, { missed: 1 });
});

test("a closed queue returns what is left, then nothing", async () => {
  const queue = new WatchQueue(10);
  queue.push(new WatchEvents(1).add(event()));
  queue.close();
  assert.deepEqual(await taken(queue), ["event"]);
  assert.equal(await queue.take(), null);
});
