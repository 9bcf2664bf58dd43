// Two agents report for one node, or somebody else does in its name; and a run follows another.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { TestAgent } from "../testing/reports.ts";
import type { TestReport } from "../testing/reports.ts";
import { World } from "../testing/world.ts";

const coverage = { intervalMs: 1000 };
const namespaces = [{ id: 0, inode: 100, host: true }];
const listener = { id: 1, local: "*:80", state: "LISTEN" as const };

function keyframe(port: number): TestReport {
  return {
    keyframe: true,
    namespaces,
    coverage,
    sockets: [listener, { id: 2, local: `10.0.0.1:${port}`, remote: "192.0.2.1:443" }],
  };
}

function later(bootId = "boot-1"): TestAgent {
  const agent = new TestAgent("a");
  agent.bootId = bootId;
  agent.epoch += 60_000;
  return agent;
}

function ports(world: World): number[] {
  return world.connections({ openOnly: true }).map(({ client }) => client!.port);
}

function limits(world: World): string {
  return world.aggregator.query.coverage().nodes[0]!.limits.join("\n");
}

for (const bootId of ["boot-1", "another-boot"]) {
  describe(`a new run (${bootId})`, () => {
    it("does not displace a run that continues, and coverage names both", () => {
      const world = new World().report(keyframe(40_000));
      const rival = later(bootId);
      world.send(rival.encode(keyframe(50_000)));
      for (let at = 0; at < 30; at++) {
        world.report({ coverage });
        world.send(rival.encode({ coverage }));
      }
      assert.deepEqual(ports(world), [40_000]);
      assert.match(limits(world), /^two agents report for a: /);
      world.report({ coverage, sockets: [{ id: 3, local: "10.0.0.1:40001", remote: "192.0.2.1:443" }] });
      assert.deepEqual(ports(world), [40_000, 40_001]);
    });

    it("takes over once the run before has been silent, with everything that it has reported", () => {
      const world = new World().report(keyframe(40_000));
      const next = later(bootId);
      world.send(next.encode(keyframe(50_000)));
      world.send(
        next.encode({ coverage, sockets: [{ id: 3, local: "10.0.0.1:50001", remote: "192.0.2.1:443" }] }),
      );
      assert.deepEqual(ports(world), [40_000]);
      world.wait(4000);
      assert.deepEqual(ports(world), [50_000, 50_001]);
      assert.equal(limits(world), "");
    });

    it("takes over at once if the run before has said that it ends", () => {
      const world = new World().report(keyframe(40_000)).report({ coverage, ends: true });
      world.send(later(bootId).encode(keyframe(50_000)));
      assert.deepEqual(ports(world), [50_000]);
    });
  });
}

it("a second agent is named until it has been gone for a while", () => {
  const world = new World().report(keyframe(40_000));
  world.send(later().encode(keyframe(50_000))).report({ coverage });
  for (let minute = 0; minute < 16; minute++) world.report({ coverage }).wait(500);
  assert.match(limits(world), /two agents/);
});

it("reports beyond the limit are dropped, and the run takes over with its next keyframe", () => {
  const world = new World().report(keyframe(40_000));
  const next = later();
  world.send(next.encode(keyframe(50_000)));
  for (let at = 0; at < 700; at++) {
    world.aggregator.ingest(next.encode({ coverage }), world.nowMs);
  }
  world.wait(4000).send(next.encode(keyframe(50_001)));
  assert.deepEqual(ports(world), [50_001]);
});

it("reports in the name of an unknown node are refused, and coverage names it", () => {
  const world = new World(undefined, { isNode: (name) => name === "a" });
  world.report(keyframe(40_000)).report(keyframe(50_000), "invented").report(keyframe(50_001), "invented");
  const { nodes, limits: said } = world.aggregator.query.coverage();
  assert.deepEqual(
    nodes.map(({ node }) => node),
    ["a"],
  );
  assert.match(
    said.join(),
    /^refuses reports in the name of nodes that the cluster does not have: invented;/,
  );
  assert.equal(world.aggregator.counts().strange, 2);
});
