// Connections that came and went between two reports: each is in `sockets` and in `removed` of one report.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { Identity, PodIdentity } from "../identity/identity.ts";
import type { TestReport, TestSocket } from "../testing/reports.ts";
import { World } from "../testing/world.ts";

const CLIENT = "10.1.0.1";
const SERVER = "10.1.1.1";
const SERVICE = "10.96.0.1";

function pod(uid: string): PodIdentity {
  return {
    uid,
    namespace: "shop",
    name: uid,
    workload: { kind: "Deployment", name: uid },
    node: "n",
    serviceAccount: "default",
    hostNetwork: false,
    labels: {},
    containers: new Map(),
  };
}

// Two pods, and a Service that leads to one of them.
const shop: Identity = {
  version: 1,
  pod: (uid) => pod(uid),
  addressOwner: (ip) =>
    ip === CLIENT || ip === SERVER
      ? { kind: "pod", pod: pod(ip === CLIENT ? "web" : "db") }
      : { kind: "service", namespace: "shop", name: "db" },
  serviceFront: (ip) =>
    ip === SERVICE
      ? { namespace: "shop", name: "db", hasBackend: (backend) => backend === SERVER }
      : undefined,
  zone: () => "",
  declaration: () => ({ declared: true, services: [] }),
};

const begin = (uid: string): TestReport => ({
  keyframe: true,
  namespaces: [{ id: 1, inode: 101, podUid: uid }],
  ...(uid === "db" ? { sockets: [{ id: 1, namespace: 1, local: "*:5432", state: "LISTEN" }] } : {}),
});

interface Burst {
  /** Connections: the number of ports they share, and how often each port is reused within the burst. */
  readonly ports: number;
  readonly rounds: number;
  readonly dialled: string;
}

// One side's report of a burst. All sockets of a round have the same ticks, so that time separates the rounds.
function burstReport(
  side: "client" | "server",
  { ports, rounds, dialled }: Burst,
  ticks: number,
  cookies: number,
): TestReport {
  const sockets: TestSocket[] = [];
  for (let round = 0; round < rounds; round++) {
    for (let at = 0; at < ports; at++) {
      const id = 10 + sockets.length;
      const client = `${CLIENT}:${40_000 + at}`;
      sockets.push({
        id,
        namespace: 1,
        inode: 0,
        state: "CLOSE",
        firstSeen: ticks - (rounds - round) * 20,
        cookie: cookies + id,
        ...(side === "client"
          ? { local: client, remote: `${dialled}:5432`, bytes: [100, 30] }
          : { local: `${SERVER}:5432`, remote: client, bytes: [30, 101] }),
      });
    }
  }
  return { sockets, removed: sockets.map(({ id }) => id) };
}

const orders = {
  "the client's node first": ["client", "server"],
  "the server's node first": ["server", "client"],
} as const;

for (const [dialledAs, dialled] of Object.entries({ "a pod": SERVER, "a Service": SERVICE })) {
  describe(`short connections to ${dialledAs}`, () => {
    for (const [name, order] of Object.entries(orders)) {
      it(`are counted once each, ports used again half a minute later: ${name}`, () => {
        const world = new World(shop);
        world.report(begin("web"), "client").report(begin("db"), "server");
        for (let burst = 0; burst < 2; burst++) {
          for (const side of order) {
            const { ticks } = world.agent(side);
            const burstOf = { ports: 10_000, rounds: 1, dialled };
            world.report(burstReport(side, burstOf, ticks + 100, 1_000_000 * (burst + 1)), side);
          }
          world.wait(30_000);
        }
        assert.deepEqual(edgesOf(world), [
          { connections: 20_000, open: 0, toServer: 2_000_000, toClient: 600_000, evidence: BOTH },
        ]);
      });
    }
  });
}

describe("short connections within one report", () => {
  it("are counted once each if ports were reused", () => {
    for (const order of Object.values(orders)) {
      const world = new World(shop);
      world.report(begin("web"), "client").report(begin("db"), "server");
      for (const side of order) {
        const { ticks } = world.agent(side);
        world.report(burstReport(side, { ports: 100, rounds: 5, dialled: SERVER }, ticks + 100, 1000), side);
      }
      world.wait(1000);
      assert.deepEqual(edgesOf(world), [
        { connections: 500, open: 0, toServer: 50_000, toClient: 15_000, evidence: BOTH },
      ]);
    }
  });

  it("are reported to watchers as opened and closed", () => {
    const world = new World(shop);
    world.report(begin("web"), "client").report(begin("db"), "server");
    for (const side of ["client", "server"] as const)
      world.report(
        burstReport(side, { ports: 1, rounds: 1, dialled: SERVER }, world.agent(side).ticks + 100, 1000),
        side,
      );
    assert.deepEqual(
      world
        .connections()
        .map(({ closed, outcome, client, server }) => [closed, outcome, client?.podUid, server?.podUid]),
      [[true, "established", "web", "db"]],
    );
  });
});

const BOTH = ["client-socket", "server-socket"];

function edgesOf(world: World): unknown[] {
  return [...world.aggregator.query.edges(undefined, 100).items].map(
    ({ connections, open, bytesToServer, bytesToClient, evidence }) => ({
      connections,
      open,
      toServer: bytesToServer,
      toClient: bytesToClient,
      evidence,
    }),
  );
}

const socketOf = (id: number): TestSocket => ({
  id,
  namespace: 1,
  local: "10.0.0.1:40000",
  remote: "192.0.2.1:443",
  inode: 500 + id,
  cookie: 9000 + id,
  holders: [id],
  firstSeen: 200 + id * 10,
  bytes: [id, id],
});

describe("a tuple that is used three times within one report", () => {
  it("is three connections, each with its process, and the last one lives", () => {
    const namespaces = [{ id: 1, inode: 101 }];
    const processes = [1, 2, 3].map((id) => ({
      id,
      pid: 10 + id,
      startTicks: id,
      name: `run-${id}`,
      exe: "/bin/run",
    }));
    const world = new World().report({ keyframe: true, namespaces, processes });
    // As an agent writes it: live sockets come before ended ones.
    world.report({ sockets: [socketOf(3), socketOf(1), socketOf(2)], removed: [1, 2] });
    assert.deepEqual(world.lines().toSorted(), [
      "run-1 10.0.0.1:40000 -> external 192.0.2.1:443 tcp c port closed",
      "run-2 10.0.0.1:40000 -> external 192.0.2.1:443 tcp c port closed",
      "run-3 10.0.0.1:40000 -> external 192.0.2.1:443 tcp c port",
    ]);
    assert.equal(world.aggregator.counts().rowsRejected, 0);
    const edges = [...world.aggregator.query.edges(undefined, 10).items];
    const sum = (figure: (edge: (typeof edges)[number]) => number): number =>
      edges.reduce((total, edge) => total + figure(edge), 0);
    assert.deepEqual(
      [sum((edge) => edge.connections), sum((edge) => edge.open), sum((edge) => edge.bytesToServer ?? 0)],
      [3, 1, 6],
    );
  });
});
