// Ends of one conversation whose reports arrive minutes apart are one connection, and the right one where
// their ports were used again meanwhile: what counts is when they lived.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { Identity } from "../identity/identity.ts";
import { flowLine } from "../testing/flow-lines.ts";
import type { TestReport, TestSocket } from "../testing/reports.ts";
import { World } from "../testing/world.ts";

const CLIENT = "10.1.0.1:40000";
const SERVER = "10.1.1.1:5432";
const SERVICE = "10.96.0.1:80";
// A Service that leads to the server.
const shop: Identity = {
  version: 1,
  pod: () => undefined,
  addressOwner: () => ({ kind: "unknown" }),
  serviceFront: (ip) =>
    ip === "10.96.0.1"
      ? { namespace: "shop", name: "db", hasBackend: (address) => SERVER.startsWith(address) }
      : undefined,
  zone: () => "",
  declaration: () => ({ declared: true, services: [] }),
};
const TICKS_PER_MINUTE = 6000;

const clientEnd = (id: number, cookie: number, remote = SERVER): TestSocket => ({
  id,
  namespace: 1,
  local: CLIENT,
  remote,
  cookie,
});
const serverEnd = (id: number, cookie: number): TestSocket => ({
  id,
  namespace: 1,
  local: SERVER,
  remote: CLIENT,
  cookie,
});
const ended = (...sockets: readonly TestSocket[]): TestReport => ({
  sockets: sockets.map((socket) => ({ ...socket, state: "CLOSE", inode: 0, bytes: [socket.cookie!, 1] })),
  removed: sockets.map(({ id }) => id),
});
const begin = (uid: string, sockets: readonly TestSocket[] = []): TestReport => ({
  keyframe: true,
  namespaces: [{ id: 1, inode: 101, podUid: uid }],
  sockets,
});
const listener: TestSocket = { id: 1, namespace: 1, local: "*:5432", state: "LISTEN" };

/** A client's node and a server's, which have reported once. */
function twoNodes(): World {
  const world = new World(shop, { closedKeepMs: 300_000, nodeLostMs: 600_000 });
  return world.report(begin("web"), "client").report(begin("db", [listener]), "server");
}

/** One line per connection: the evidence, and the bytes that each end sent, which name it. */
function pairs(world: World): string[] {
  return world
    .connections()
    .map(
      ({ evidence, bytesToServer, bytesToClient }) =>
        `${evidence.map((word) => word[0]).join("")} ${bytesToServer} ${bytesToClient}`,
    )
    .toSorted();
}

function counted(world: World): number {
  let connections = 0;
  for (const edge of world.aggregator.query.edges(undefined, 100).items) connections += edge.connections;
  return connections;
}

// The passes of a node that reads on while the other one is late.
function pass(world: World, node: string, seconds: number): World {
  for (let at = 0; at < seconds; at += 5) world.wait(4000).report({}, node);
  return world;
}

describe("ends that a stopped agent reports minutes later", () => {
  it("join the ends that lived meanwhile, which are counted once", () => {
    const world = twoNodes().report(ended(serverEnd(2, 20)), "server");
    pass(world, "server", 90);
    assert.deepEqual([counted(world), world.connections().length], [1, 1]);
    world.report(ended(clientEnd(2, 10)), "client");
    assert.deepEqual(pairs(world), ["cs 10 20"]);
    assert.equal(counted(world), 1);
  });

  it("join in order if the port was reused several times meanwhile", () => {
    const world = twoNodes().report(ended(serverEnd(2, 20)), "server");
    pass(world, "server", 30).report(ended(serverEnd(3, 21)), "server");
    pass(world, "server", 30).report({ sockets: [serverEnd(4, 22)] }, "server");
    world.report(
      {
        ...ended(clientEnd(2, 10), clientEnd(3, 11)),
        sockets: [...ended(clientEnd(2, 10), clientEnd(3, 11)).sockets!, clientEnd(4, 12)],
      },
      "client",
    );
    assert.deepEqual(pairs(world), ["cs 10 20", "cs 11 21", "cs undefined undefined"]);
    assert.equal(counted(world), 3);
  });

  it("join if only the entry in TIME_WAIT is left", () => {
    const world = twoNodes().report(ended(serverEnd(2, 20)), "server");
    pass(world, "server", 50);
    const timerDeadline = world.agent("client").ticks + 100 + TICKS_PER_MINUTE / 6;
    const entry = { ...clientEnd(2, 10), state: "TIME_WAIT", inode: 0, timer: 3, timerDeadline } as const;
    world.report({ sockets: [entry] }, "client");
    assert.equal(world.connections().length, 1);
    assert.equal(counted(world), 1);
  });

  it("do not join an end that lived before the pass before", () => {
    const world = twoNodes().report(ended(serverEnd(2, 20)), "server");
    pass(pass(world, "server", 30), "client", 5);
    pass(world, "server", 30).report(ended(clientEnd(2, 10)), "client");
    assert.deepEqual(pairs(world), ["c 10 1", "s 1 20"]);
    assert.equal(counted(world), 2);
  });

  it("join the connection that was over, not the one that has the port now", () => {
    const world = twoNodes().report(ended(serverEnd(2, 20)), "server");
    pass(world, "server", 60).report({ sockets: [serverEnd(3, 21)] }, "server");
    pass(world, "server", 30).report(ended(clientEnd(2, 10)), "client");
    world.report({ sockets: [clientEnd(3, 11)] }, "client");
    const lines = pairs(world);
    assert.deepEqual(lines, ["cs 10 20", "cs undefined undefined"]);
  });

  it("join through a Service", () => {
    const world = twoNodes().report(ended(serverEnd(2, 20)), "server");
    pass(world, "server", 90).report(ended(clientEnd(2, 10, SERVICE)), "client");
    assert.deepEqual(pairs(world), ["cs 10 20"]);
    assert.equal(counted(world), 1);
  });

  it("join through a translation, also with an entry in TIME_WAIT", () => {
    const flow = flowLine("tcp", 7, `${CLIENT} > 10.96.0.9:80`, `${SERVER} > 10.1.1.254:50000`);
    const end = { ...serverEnd(2, 20), remote: "10.1.1.254:50000" };
    const entry = { ...end, state: "TIME_WAIT", inode: 0, bytes: [20, 1] } as const;
    const world = twoNodes().report({ sockets: [entry] }, "server");
    pass(world, "server", 90);
    world.report(
      { ...ended(clientEnd(2, 10, "10.96.0.9:80")), flows: [{ line: flow, namespace: 1 }] },
      "client",
    );
    assert.deepEqual(pairs(world), ["csf 10 20"]);
    assert.equal(counted(world), 1);
  });
});

interface HeldReport {
  readonly bytes: Uint8Array;
  readonly madeMs: number;
}

// What an agent publishes while the stream is away, encoded when it is made.
function hold(world: World, content: TestReport, node: string): HeldReport {
  const bytes = world.agent(node).encode(content);
  world.wait(1000);
  world.agent(node).ticks -= 100;
  return { bytes, madeMs: world.nowMs };
}

function release(world: World, reports: readonly HeldReport[]): void {
  for (const { bytes, madeMs } of reports) world.send(bytes, world.nowMs + 1000 - madeMs);
}

describe("reports that wait for the stream", () => {
  it("have the time at which they were made", () => {
    const world = twoNodes();
    const waiting = [hold(world, ended(clientEnd(2, 10)), "client"), hold(world, {}, "client")];
    world.report(ended(serverEnd(2, 20)), "server");
    pass(world, "server", 90);
    release(world, waiting);
    assert.deepEqual(pairs(world), ["cs 10 20"]);
    const [connection] = world.connections();
    assert.ok(world.nowMs - connection!.firstSeenMs > 90_000);
  });

  it("join the ends of their time if the port was reused", () => {
    const world = twoNodes();
    const first = hold(world, ended(clientEnd(2, 10)), "client");
    world.report(ended(serverEnd(2, 20)), "server");
    pass(world, "server", 60);
    const passes = Array.from({ length: 6 }, () => hold(world, {}, "client"));
    const second = hold(world, ended(clientEnd(2, 11)), "client");
    world.report(ended(serverEnd(2, 21)), "server");
    pass(world, "server", 30);
    release(world, [first, ...passes, second]);
    assert.deepEqual(pairs(world), ["cs 10 20", "cs 11 21"]);
  });
});

describe("an end whose partner is gone", () => {
  it("stays if its node has not reported since another end took the port", () => {
    const world = twoNodes().report({ sockets: [clientEnd(2, 10)] }, "client");
    world.report({ sockets: [serverEnd(2, 20)] }, "server");
    world.wait(8000).report({ removed: [2], sockets: [serverEnd(3, 21)] }, "server");
    world.wait(7000);
    assert.equal(world.connections().length, 2);
    world.report({ removed: [2], sockets: [clientEnd(3, 11)] }, "client");
    assert.equal(world.connections().filter(({ evidence }) => evidence.length === 2).length, 2);
    assert.equal(counted(world), 2);
  });
});
