// An agent restarts: what it reports afterwards continues what is known, and what opened meanwhile is counted.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { NodeCoverage } from "../../../lib/gen/whotalks/v1/report.ts";
import type { TestReport, TestSocket } from "../testing/reports.ts";
import { World } from "../testing/world.ts";

const namespaces = [
  { id: 0, inode: 100, host: true },
  { id: 1, inode: 101, podUid: "web" },
];
/** Ticks in a minute, for which the kernel keeps an entry in TIME_WAIT. */
const MINUTE_TICKS = 6000;

function end(id: number, options: Partial<TestSocket> = {}): TestSocket {
  return { id, namespace: 1, local: "10.0.0.1:8080", remote: `10.0.0.2:${40_000 + id}`, ...options };
}

/** An end in TIME_WAIT, `forTicks` after it entered it. */
function timeWait(world: World, id: number, forTicks: number, options: Partial<TestSocket> = {}): TestSocket {
  const timerDeadline = world.agent().ticks + 100 - forTicks + MINUTE_TICKS;
  return end(id, { state: "TIME_WAIT", inode: 0, timer: 3, timerDeadline, ...options });
}

function account(
  opened: number,
  seen: number,
  kernelOpens: number,
  unseen = 0,
): NonNullable<TestReport["accounts"]> {
  return [{ namespace: 1, openedByKernel: opened, seen, unseen, kernelOpens }];
}

/** A world whose agent has reported ends that lived for a moment. */
function afterShortOnes(count: number, options: Partial<TestSocket> = {}): World {
  const ids = Array.from({ length: count }, (_, at) => at + 1);
  return new World().report({ keyframe: true, namespaces, accounts: account(0, 0, 1000) }).report({
    sockets: ids.map((id) => end(id, { state: "CLOSE", inode: 0, ...options })),
    removed: ids,
    accounts: account(count, count, 1000 + count),
    coverage: { openedByKernel: count, seen: count },
  });
}

function restart(world: World, afterMs: number): World {
  world.wait(afterMs);
  const agent = world.agent();
  agent.epoch += 3_600_000;
  agent.sequence = 0;
  agent.ticks = 0;
  return world;
}

function counted(world: World): number {
  let connections = 0;
  for (const edge of world.aggregator.query.edges(undefined, 100).items) connections += edge.connections;
  return connections;
}

function pod(world: World): string {
  const found = world.aggregator.query.coverage(true).pods.find(({ podUid }) => podUid === "web")!;
  return `${found.openedByKernel} ${found.seen} ${found.unseen}`;
}

function node(world: World): NodeCoverage {
  return world.aggregator.query.coverage().nodes[0]!;
}

describe("entries in TIME_WAIT after a restart", () => {
  for (const cookie of [0, 77]) {
    it(`are the connections that were counted, ${cookie === 0 ? "by their times" : "by their cookies"}`, () => {
      const world = restart(afterShortOnes(1, { cookie }), 30_000);
      world.report({
        keyframe: true,
        namespaces,
        sockets: [timeWait(world, 1, 3100, { cookie, id: 9 })],
        accounts: account(0, 0, 1001),
      });
      assert.equal(counted(world), 1);
      assert.equal(world.connections().length, 1);
      assert.equal(pod(world), "1 1 0");
    });

    it(`are other ones if the port was reused, ${cookie === 0 ? "by their times" : "by their cookies"}`, () => {
      const world = restart(afterShortOnes(1, { cookie }), 30_000);
      const again = timeWait(world, 1, 500, { id: 9, cookie: cookie === 0 ? 0 : 78 });
      world.report({ keyframe: true, namespaces, sockets: [again], accounts: account(0, 0, 1002) });
      assert.equal(counted(world), 2);
      assert.equal(pod(world), "2 2 0");
    });
  }

  it("of a port that was used several times continue the one with their cookie", () => {
    const world = afterShortOnes(1, { cookie: 77 });
    world.report({ sockets: [end(1, { state: "CLOSE", inode: 0, cookie: 78 })], removed: [1] });
    restart(world, 20_000).report({
      keyframe: true,
      namespaces,
      sockets: [timeWait(world, 1, 2100, { id: 9, cookie: 77 })],
    });
    assert.equal(counted(world), 2);
  });
});

describe("the account over a restart", () => {
  it("counts by number what opened meanwhile and was not seen", () => {
    const world = restart(afterShortOnes(5), 2000);
    world.report({
      keyframe: true,
      namespaces,
      sockets: [end(50), end(51)],
      accounts: account(0, 0, 1015),
    });
    assert.equal(pod(world), "15 7 8");
    assert.deepEqual([node(world).openedByKernel, node(world).seen, node(world).unseen], [15, 7, 8]);
  });

  it("counts what was reported between the last account and the end of the agent", () => {
    const world = afterShortOnes(5);
    world.report({ sockets: [end(6, { state: "CLOSE", inode: 0 })], removed: [6] });
    restart(world, 2000).report({ keyframe: true, namespaces, accounts: account(0, 0, 1006) });
    assert.equal(pod(world), "6 6 0");
  });

  it("counts everything of a namespace that appeared meanwhile", () => {
    const world = restart(afterShortOnes(1), 2000);
    world.report({
      keyframe: true,
      namespaces: [...namespaces, { id: 2, inode: 102, podUid: "new" }],
      sockets: [end(7, { namespace: 2, local: "10.0.0.7:40000" })],
      accounts: [
        ...account(0, 0, 1001),
        { namespace: 2, openedByKernel: 0, seen: 0, unseen: 0, kernelOpens: 4 },
      ],
    });
    const pods = world.aggregator.query.coverage(true).pods;
    const found = pods.find(({ podUid }) => podUid === "new")!;
    assert.deepEqual([found.openedByKernel, found.seen, found.unseen], [4, 1, 3]);
  });

  it("continues from run to run, and names restarts and their length", () => {
    const world = restart(afterShortOnes(5), 2000);
    world.report({ keyframe: true, namespaces, accounts: account(0, 0, 1008) });
    restart(world, 4000).report({ keyframe: true, namespaces, accounts: account(0, 0, 1010) });
    const { agentRestarts, agentAwayMs, openedByKernel, unseen, sinceMs } = node(world);
    assert.deepEqual([agentRestarts, agentAwayMs, openedByKernel, unseen], [2, 8000, 10, 5]);
    assert.ok(sinceMs > 0 && sinceMs < world.nowMs - 8000);
  });

  it("numbers no gap after an agent that did not report the kernel's counters", () => {
    const world = new World()
      .report({ keyframe: true, namespaces, accounts: account(3, 3, 0) })
      .report({ accounts: account(4, 3, 0, 1) });
    restart(world, 2000).report({ keyframe: true, namespaces, accounts: account(0, 0, 900) });
    world.report({ accounts: account(2, 2, 902), sockets: [end(1), end(2)] });
    assert.equal(pod(world), "6 5 1");
  });

  it("begins again if the kernel's counters decreased", () => {
    const world = restart(afterShortOnes(5), 2000);
    world.report({ keyframe: true, namespaces, accounts: account(0, 0, 7) });
    assert.equal(pod(world), "5 5 0");
  });
});

describe("an agent that saw an end twice", () => {
  it("leaves nothing unseen", () => {
    const world = afterShortOnes(5);
    world.report({ accounts: account(6, 8, 1006), sockets: [end(6)] });
    assert.equal(pod(world), "6 6 0");
  });
});

describe("reports that were lost", () => {
  it("leave what their agent saw unseen", () => {
    const world = afterShortOnes(5);
    const lost = [6, 7, 8].map((id) => end(id, { state: "CLOSE", inode: 0 }));
    world.agent().encode({ sockets: lost, removed: [6, 7, 8] });
    world.report({ accounts: account(8, 8, 1008), coverage: { openedByKernel: 8, seen: 8 } });
    world.report({
      keyframe: true,
      namespaces,
      accounts: account(9, 9, 1009),
      sockets: [end(9)],
      coverage: { openedByKernel: 9, seen: 9 },
    });
    assert.equal(pod(world), "9 6 3");
    assert.deepEqual([node(world).openedByKernel, node(world).seen, node(world).unseen], [9, 6, 3]);
  });
});
