import assert from "node:assert/strict";
import { test } from "node:test";

import { World } from "../../testing/world.ts";

const namespaces = [{ id: 0, inode: 1, host: true }];
const client = { id: 1, local: "10.0.0.1:40000", remote: "10.0.0.2:80", bytes: [100, 2000] as const };
const listener = { id: 3, local: "*:80", state: "LISTEN" as const };

function only<Item>(iterable: Iterable<Item>): Item {
  const items = [...iterable];
  assert.equal(items.length, 1);
  return items[0]!;
}

test("a connection has the bytes of whichever end knows more, and the client's RTT", () => {
  const server = { id: 2, local: "10.0.0.2:80", remote: "10.0.0.1:40000", bytes: [2100, 90] as const };
  const world = new World().report({ keyframe: true, namespaces, sockets: [client, server, listener] });
  const { bytesToServer, bytesToClient, rttMicros, retransmits } = only(world.connections());
  assert.deepEqual([bytesToServer, bytesToClient, rttMicros, retransmits], [100, 2100, 250, 2]);
});

test("unknown bytes are left out", () => {
  const { bytes: _, ...uncounted } = client;
  const world = new World().report({ keyframe: true, namespaces, sockets: [uncounted] });
  const { bytesToServer, rttMicros } = only(world.connections());
  assert.deepEqual([bytesToServer, rttMicros], [undefined, undefined]);
  assert.equal(only(world.aggregator.query.edges(undefined, 10).items).bytesToServer, undefined);
});

test("an edge keeps the bytes of connections that are gone, and adds those of new ones", () => {
  const world = new World(undefined, { closedKeepMs: 5000 });
  world.report({ keyframe: true, namespaces, sockets: [client] });
  world.report({ changes: [{ id: 1, state: "ESTABLISHED", inode: 1001, bytes: [150, 3000] }] });
  // TIME_WAIT has no byte counters: the last known values stay.
  world.report({ changes: [{ id: 1, state: "TIME_WAIT", inode: 0 }] });
  world.report({ removed: [1] }).wait(10_000);
  assert.equal(world.connections().length, 0);
  world.report({ sockets: [{ ...client, id: 7, local: "10.0.0.1:40001", bytes: [1, 2] }] });
  const edge = only(world.aggregator.query.edges(undefined, 10).items);
  assert.deepEqual([edge.connections, edge.bytesToServer, edge.bytesToClient], [2, 151, 3002]);
});
