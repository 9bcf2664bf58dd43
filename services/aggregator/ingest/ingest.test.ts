import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";

import { Report } from "../../../lib/gen/whotalks/v1/report.ts";
import { World } from "../testing/world.ts";

const client = { id: 2, pid: 12, startTicks: 6, name: "client" };
const one = { id: 1, local: "10.0.0.9:40000", remote: "192.0.2.1:443", holders: [2] };
const two = { id: 2, local: "10.0.0.9:40001", remote: "192.0.2.1:443", holders: [2] };
const three = { id: 3, local: "10.0.0.9:40002", remote: "192.0.2.1:443", holders: [2] };
const keyframe = {
  keyframe: true,
  namespaces: [{ id: 0, inode: 1, host: true }],
  processes: [client],
  sockets: [one],
};

function ports(world: World): number[] {
  return world.connections({ openOnly: true }).map((connection) => connection.client!.port);
}

function nodeCoverage(world: World): { gaps: number; limits: string[] } {
  const [node] = world.aggregator.query.coverage().nodes;
  return { gaps: node!.gaps, limits: node!.limits };
}

test("a report that comes twice counts once", () => {
  const world = new World();
  const bytes = world.agent().encode(keyframe);
  world.send(bytes).send(bytes);
  assert.deepEqual(ports(world), [40000]);
  assert.equal(world.aggregator.counts().duplicates, 1);
  assert.equal(nodeCoverage(world).gaps, 0);
});

test("after a lost report deltas wait for the next keyframe, and coverage reports the gap", () => {
  const world = new World();
  world.report(keyframe);
  world.agent().encode({ sockets: [two] });
  world.report({ sockets: [three] });
  assert.deepEqual(ports(world), [40000]);
  assert.equal(nodeCoverage(world).gaps, 1);
  assert.match(nodeCoverage(world).limits.join(), /waiting for a keyframe/);
  world.report({ ...keyframe, sockets: [one, two, three] });
  assert.deepEqual(ports(world), [40000, 40001, 40002]);
  assert.deepEqual(nodeCoverage(world), { gaps: 1, limits: [] });
});

test("reports in the wrong order: the later one is a gap, the earlier one a duplicate", () => {
  const world = new World();
  world.report(keyframe);
  const early = world.agent().encode({ sockets: [two] });
  const late = world.agent().encode({ removed: [2] });
  world.send(late).send(early);
  assert.deepEqual(ports(world), [40000]);
  assert.equal(nodeCoverage(world).gaps, 1);
  assert.equal(world.aggregator.counts().duplicates, 1);
});

test("a first report that is a delta waits for a keyframe and is no gap", () => {
  const world = new World();
  world.report({ sockets: [one] });
  assert.deepEqual(ports(world), []);
  assert.equal(nodeCoverage(world).gaps, 0);
});

test("a restarted agent continues the same connections, once each", () => {
  const world = new World();
  world.report(keyframe);
  const [before] = world.connections();
  world.agent().epoch += 5000;
  world.agent().sequence = 0;
  world.agent().ticks = 0;
  world.wait(2000).report({
    ...keyframe,
    namespaces: [{ id: 7, inode: 1, host: true }],
    processes: [{ ...client, id: 9 }],
    sockets: [
      { ...one, id: 5, namespace: 7, inode: 1001, holders: [9] },
      { ...two, id: 1, namespace: 7, holders: [9] },
    ],
  });
  assert.deepEqual(ports(world), [40000, 40001]);
  const [after] = world.connections();
  assert.equal(after!.uid, before!.uid);
  assert.equal(after!.firstSeenMs, before!.firstSeenMs);
  assert.equal(after!.client!.process!.name, "client");
  assert.equal(world.connections().length, 2);
});

test("a report of an earlier run of the agent is rejected", () => {
  const world = new World();
  world.report(keyframe);
  world.agent().epoch -= 5000;
  world.report({ ...keyframe, sockets: [two] });
  assert.deepEqual(ports(world), [40000]);
  assert.equal(world.aggregator.counts().stale, 1);
});

test("after a reboot nothing of before is open, and reports of the old boot are rejected", () => {
  const world = new World();
  world.report(keyframe);
  world.agent().bootId = "boot-2";
  world.agent().epoch -= 100_000;
  world.agent().sequence = 0;
  world.wait(2000).report({ ...keyframe, sockets: [two] });
  assert.deepEqual(ports(world), [40001]);
  world.agent().bootId = "boot-1";
  world.report(keyframe);
  assert.deepEqual(ports(world), [40001]);
  assert.equal(world.aggregator.counts().stale, 1);
});

test("the parts of a keyframe are one replacement", () => {
  const world = new World();
  world.report(keyframe);
  world.report({ ...keyframe, part: 0, parts: 2, sockets: [two] });
  assert.deepEqual(ports(world), [40000, 40001]);
  world.report({ keyframe: true, part: 1, parts: 2, sockets: [three] });
  assert.deepEqual(ports(world), [40001, 40002]);
  world.report({ removed: [3] });
  assert.deepEqual(ports(world), [40001]);
});

test("a keyframe with a lost part replaces nothing and waits for the next one", () => {
  const world = new World();
  world.report(keyframe);
  world.report({ ...keyframe, part: 0, parts: 3, sockets: [two] });
  world.agent().encode({ keyframe: true, part: 1, parts: 3 });
  world.report({ keyframe: true, part: 2, parts: 3, sockets: [three] });
  assert.deepEqual(ports(world), [40000, 40001]);
  world.report({ ...keyframe, sockets: [three] });
  assert.deepEqual(ports(world), [40002]);
});

test("rows that name unknown namespaces, and changes of unknown sockets, are counted and left out", () => {
  const world = new World();
  world.report({ ...keyframe, sockets: [one, { ...two, namespace: 9 }] });
  world.report({ changes: [{ id: 99, state: "CLOSE_WAIT", inode: 5 }], removed: [98], cleared: [97] });
  assert.deepEqual(ports(world), [40000]);
  // The socket, its holder, and the change.
  assert.equal(world.aggregator.counts().rowsRejected, 3);
});

test("times: first seen by the agent's ticks, last seen by its latest pass, both on the stream's clock", () => {
  const world = new World();
  world.agent().ticks = 1000;
  world.report({ ...keyframe, ageMs: 30, sockets: [{ ...one, firstSeen: 1050 }] });
  const [connection] = world.connections();
  assert.equal(connection!.firstSeenMs, world.nowMs - 30 - 500);
  assert.equal(connection!.lastSeenMs, world.nowMs - 30);
  world.report({ ageMs: 10 });
  assert.equal(world.connections()[0]!.lastSeenMs, world.nowMs - 10);
  const lastMs = world.nowMs - 10;
  world.report({ removed: [1] });
  assert.equal(world.connections()[0]!.lastSeenMs, lastMs);
});

test("a timer's end is reported in milliseconds from now, never below zero", () => {
  const world = new World();
  world.report({ ...keyframe, sockets: [{ ...one, timer: 2, timerDeadline: 300 }] });
  assert.deepEqual(world.connections()[0]!.client!.timer, { kind: "keepalive", expiresMs: 2000 });
  world.wait(500);
  assert.equal(world.connections()[0]!.client!.timer!.expiresMs, 1500);
  world.wait(5000);
  assert.equal(world.connections()[0]!.client!.timer!.expiresMs, 0);
});

test("a node that is silent for too long is lost: its connections end, coverage says so, its next report brings it back", () => {
  const world = new World();
  world.report(keyframe);
  world.wait(59_000);
  assert.equal(world.connections()[0]!.closed, false);
  world.wait(2000);
  const [lost] = world.connections();
  assert.equal(lost!.closed, true);
  assert.equal(lost!.outcome, "established");
  assert.match(nodeCoverage(world).limits.join(), /node lost/);
  world.report({ sockets: [two] });
  assert.deepEqual(ports(world), [40000, 40001]);
  assert.equal(world.connections().length, 2);
  assert.equal(world.connections()[0]!.uid, lost!.uid);
  world.report({ removed: [1] });
  assert.deepEqual(ports(world), [40001]);
  assert.doesNotMatch(nodeCoverage(world).limits.join(), /node lost/);
});

test("a lost node whose reports were lost too is back with its next keyframe", () => {
  const world = new World();
  world.report(keyframe).wait(61_000);
  world.agent().encode({});
  world.report({ sockets: [two] });
  assert.deepEqual(ports(world), []);
  world.report(keyframe);
  assert.deepEqual(ports(world), [40000]);
});

test("connections of a lost node that have expired are not brought back", () => {
  const world = new World(undefined, { closedKeepMs: 30_000 });
  world.report(keyframe).wait(61_000).wait(25_000);
  assert.equal(world.connections().length, 1);
  world.wait(10_000);
  assert.equal(world.connections().length, 0);
  world.report({ sockets: [two], removed: [1] });
  assert.deepEqual(ports(world), []);
  world.report({ ...keyframe, sockets: [two] });
  assert.deepEqual(ports(world), [40001]);
});

test("a lost node has no listeners, until it is back", () => {
  const world = new World();
  const listening = (): number => [...world.aggregator.query.listeners(undefined, 10).items].length;
  world.report({ ...keyframe, sockets: [{ id: 1, local: "*:80", state: "LISTEN" }] });
  assert.equal(listening(), 1);
  world.wait(61_000);
  assert.equal(listening(), 0);
  world.report({});
  assert.equal(listening(), 1);
});

test("a connection that has ended stays for a while, then goes, and its edge stays", () => {
  const world = new World();
  world.report(keyframe).report({ removed: [1] });
  world.wait(59_000);
  assert.equal(world.connections().length, 1);
  world.report({}).wait(2000);
  assert.equal(world.connections().length, 0);
  const [edge] = [...world.aggregator.query.edges(undefined, 10).items];
  assert.equal(edge!.connections, 1);
  assert.equal(edge!.open, 0);
  const { sockets, connections } = world.aggregator.counts();
  assert.deepEqual({ sockets, connections }, { sockets: 0, connections: 0 });
});

test("how attempts went: pending, refused, timed out", () => {
  const world = new World();
  const opening = { ...one, state: "SYN_SENT" as const };
  world.report({ ...keyframe, sockets: [opening] });
  assert.equal(world.connections()[0]!.outcome, "pending");
  world.report({ removed: [1], sockets: [{ ...two, state: "SYN_SENT" }] });
  assert.equal(world.connections()[0]!.outcome, "refused");
  for (let second = 0; second < 21; second++) world.report({});
  world.report({ removed: [2] });
  assert.deepEqual(
    world.connections().map(({ outcome }) => outcome),
    ["refused", "timed-out"],
  );
});

test("a process that becomes another program by exec moves its connections to another edge", () => {
  const world = new World();
  world.report(keyframe);
  world.report({ processes: [{ ...client, name: "renamed", exe: "/bin/renamed" }] });
  const edges = [...world.aggregator.query.edges(undefined, 10).items];
  assert.deepEqual(
    edges.map((edge) => [edge.client!.process!.name, edge.connections]),
    [["renamed", 1]],
  );
});

test("any bytes are rejected or applied, never thrown at", () => {
  const world = new World();
  const valid = world.agent().encode(keyframe);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(valid.length), (noise, at) => {
      world.aggregator.ingest(noise, world.nowMs);
      const broken = valid.slice();
      broken.set(
        noise.subarray(0, Math.max(0, Math.min(4, valid.length - at))),
        Math.min(at, valid.length - 4),
      );
      world.aggregator.ingest(broken, world.nowMs);
      world.aggregator.ingest(valid.subarray(0, at), world.nowMs);
      world.connections();
    }),
    { numRuns: 300 },
  );
  assert.ok(world.aggregator.counts().rejected > 0);
});

test("reports of another schema, without a node or with absurd ages are rejected and counted", () => {
  const world = new World();
  const header = Report.decode(world.agent().encode(keyframe));
  for (const wrong of [
    { schema: 2 },
    { node: "" },
    { node: "n".repeat(300) },
    { ageMs: 2 ** 31 },
    { part: 3 },
    { sequence: 0 },
  ]) {
    world.send(Report.encode({ ...header, ...wrong }).finish());
  }
  assert.equal(world.aggregator.counts().rejected, 6);
  assert.equal(world.aggregator.query.coverage().reportsRejected, 6);
  assert.equal(world.connections().length, 0);
});
