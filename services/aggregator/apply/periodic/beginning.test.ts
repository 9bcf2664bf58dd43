import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { TestReport } from "../../testing/reports.ts";
import { World } from "../../testing/world.ts";

const open = { id: 2, local: "10.0.0.1:40000", remote: "10.0.1.1:80" };
const closes = { id: 3, local: "10.0.0.1:40001", remote: "10.0.1.1:80" };
const waits = {
  id: 4,
  local: "10.0.0.1:80",
  remote: "10.0.1.1:50000",
  state: "TIME_WAIT",
  inode: 0,
} as const;
const ofA: TestReport = { keyframe: true, namespaces: [{}], sockets: [open, closes, waits] };
const ofB: TestReport = {
  keyframe: true,
  namespaces: [{}],
  sockets: [
    { id: 1, local: "*:80", state: "LISTEN" },
    { id: 2, local: "10.0.1.1:80", remote: "10.0.0.1:40000" },
  ],
};

function countedSince({ aggregator }: World): number[] {
  return aggregator.query.coverage().nodes.map((node) => node.countedSinceMs);
}

function sums({ aggregator }: World): number[] {
  return [...aggregator.query.edges(undefined, 100).items].map(({ connections }) => connections);
}

/** Reports that a stream without its first messages has: each node's keyframe comes after deltas. */
function truncated(closedKeepMs = 60_000): World {
  const world = new World(undefined, { closedKeepMs });
  for (const name of ["a", "b"]) world.agent(name).encode({ keyframe: true });
  world
    .report({}, "a")
    .report({}, "b")
    .report(ofA, "a")
    .report({ removed: [closes.id] }, "a");
  return world.report({}, "b").report({}, "a");
}

describe("where sums begin in a stream without its first reports", () => {
  test("what closed before every node was known is not counted; what is open is", () => {
    const world = truncated().report(ofB, "b");
    assert.deepEqual(
      world.lines().filter((line) => !line.endsWith("closed")),
      ["process 10.0.0.1:40000 -> process 10.0.1.1:80 tcp cs listener"],
    );
    assert.deepEqual(sums(world), [1]);
    const since = countedSince(world);
    assert.deepEqual(since, [world.nowMs, world.nowMs]);
    // The next keyframe has the entry in TIME_WAIT again.
    world.report({ ...ofA, sockets: [open, waits] }, "a");
    assert.deepEqual(sums(world), [1]);
    world.report({ removed: [open.id, waits.id] }, "a").report({ removed: [2] }, "b");
    assert.deepEqual(sums(world), [1]);
    assert.deepEqual(countedSince(world), since);
    assert.equal(world.aggregator.counts().rowsRejected, 0);
  });

  test("it makes no difference that closed connections are kept for a shorter time than that takes", () => {
    assert.deepEqual(sums(truncated(1000).wait(5000).report(ofB, "b")), [1]);
  });

  test("a node whose keyframe does not come is not waited for longer than a quarter of an hour", () => {
    const world = truncated();
    for (let minute = 0; minute < 16; minute++) {
      for (let second = 0; second < 30; second++) world.report({}, "a").report({}, "b");
    }
    const [a = 0, b] = countedSince(world);
    assert.ok(a > 0 && a <= world.nowMs);
    assert.equal(b, 0);
    assert.ok(countedSince(world.report(ofB, "b"))[1]! > a);
  });
});

test("if every node begins with a keyframe, connections that closed at once count", () => {
  const world = new World()
    .report(ofA, "a")
    .report({ removed: [closes.id] }, "a")
    .report(ofB, "b")
    .wait(10_000);
  assert.equal(
    sums(world).reduce((sum, count) => sum + count, 0),
    3,
  );
  const [a = 0, b = 0] = countedSince(world);
  assert.equal(b - a, 2000);
});
