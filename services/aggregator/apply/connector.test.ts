import assert from "node:assert/strict";
import { test } from "node:test";

import { World } from "../testing/world.ts";
import { RETRIES_MAX } from "./connector.ts";

/** Sockets per report, whose size is limited. */
const ROWS = 6000;

test("ends whose peer could be one of several are counted once the retry queue is full", () => {
  const world = new World();
  const namespaces = [1, 2, 3].map((id) => ({ id, inode: 100 + id }));
  // Three namespaces with the same tuples: it is undecidable which two of each three ends match.
  const count = Math.ceil(RETRIES_MAX / 3) + 10;
  const sockets = [];
  for (let number = 0; number < count; number++) {
    const client = `10.${number >> 14}.0.1:${1024 + (number & 0x3fff)}`;
    sockets.push(
      { id: number * 3 + 1, namespace: 1, local: client, remote: "10.9.9.9:80" },
      { id: number * 3 + 2, namespace: 2, local: "10.9.9.9:80", remote: client },
      { id: number * 3 + 3, namespace: 3, local: "10.9.9.9:80", remote: client },
    );
  }
  world.report({ keyframe: true, namespaces });
  for (let from = 0; from < sockets.length; from += ROWS)
    world.aggregator.ingest(world.agent().encode({ sockets: sockets.slice(from, from + ROWS) }), world.nowMs);
  world.wait(1000);
  const refused = count * 3 - RETRIES_MAX;
  assert.ok(refused > 0);
  assert.equal(world.aggregator.query.coverage().storeOverflowed, refused);
  assert.equal(world.aggregator.counts().overflowed, refused);
  // A retry counts nothing twice.
  world.wait(1000);
  assert.equal(world.aggregator.counts().overflowed, refused);
});
