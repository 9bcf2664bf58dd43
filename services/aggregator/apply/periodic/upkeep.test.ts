import assert from "node:assert/strict";
import { test } from "node:test";

import { World } from "../../testing/world.ts";

const end = { local: "10.0.0.1:8080", inode: 0, state: "TIME_WAIT" as const, timer: 3 };

test("an entry in TIME_WAIT of a silent node ends when its kernel drops it", () => {
  const world = new World(undefined, { nodeLostMs: 600_000 });
  world.report({
    keyframe: true,
    namespaces: [{ id: 0, inode: 100, host: true }],
    sockets: [
      { ...end, id: 1, remote: "10.0.0.2:40000", timerDeadline: 100 + 3000 },
      { ...end, id: 2, remote: "10.0.0.2:40001", timerDeadline: 100 + 5900 },
      { id: 3, local: "10.0.0.1:8080", remote: "10.0.0.2:40002" },
    ],
  });
  const ended = (): number => world.aggregator.counts().endedConnections;
  assert.equal(ended(), 0);
  world.wait(34_000);
  assert.equal(ended(), 0);
  world.wait(2000);
  assert.equal(ended(), 1);
  world.wait(29_000);
  assert.equal(ended(), 2);
});
