import assert from "node:assert/strict";
import { test } from "node:test";

import type { AddressOwner, Identity, PodIdentity, ServiceFront } from "../identity/identity.ts";
import { flowLine } from "../testing/flow-lines.ts";
import type { TestReport } from "../testing/reports.ts";
import { World } from "../testing/world.ts";

// A small cluster: pods by uid, services with backends, owners of addresses over time.
class SmallCluster implements Identity {
  version = 1;
  readonly pods = new Map<string, PodIdentity>();
  readonly services = new Map<string, { name: string; backends: string[] }>();
  readonly owners: { ip: string; fromMs: number; owner: AddressOwner }[] = [];

  pod(uid: string): PodIdentity | undefined {
    return this.pods.get(uid);
  }

  addressOwner(ip: string, timeMs: number): AddressOwner {
    const span = this.owners.findLast((each) => each.ip === ip && each.fromMs <= timeMs);
    return span?.owner ?? { kind: "unknown" };
  }

  serviceFront(ip: string, port: number): ServiceFront | undefined {
    const service = this.services.get(`${ip}:${port}`);
    if (service === undefined) return undefined;
    return {
      namespace: "shop",
      name: service.name,
      hasBackend: (backend, backendPort) => service.backends.includes(`${backend}:${backendPort}`),
    };
  }

  zone(): string {
    return "";
  }

  declaration(
    podUid: string,
    port: number,
  ): { declared: boolean; services: { namespace: string; name: string }[] } {
    const isServed = podUid === "uid-db" && port === 5432;
    return { declared: isServed, services: isServed ? [{ namespace: "shop", name: "db" }] : [] };
  }
}

function pod(uid: string, name: string, node: string): PodIdentity {
  return {
    uid,
    namespace: "shop",
    name: `${name}-abc`,
    workload: { kind: "Deployment", name },
    node,
    serviceAccount: "default",
    hostNetwork: false,
    labels: { app: name },
    containers: new Map([[`c-${name}`, { name: "main", image: `${name}:1` }]]),
  };
}

const web: TestReport = {
  keyframe: true,
  namespaces: [{ id: 1, inode: 101, podUid: "uid-web" }],
  processes: [
    { id: 1, pid: 5, startTicks: 1, name: "web", exe: "/web", podUid: "uid-web", containerId: "c-web" },
  ],
  sockets: [{ id: 1, namespace: 1, local: "10.1.0.1:40000", remote: "10.96.0.1:80", holders: [1] }],
};
const db: TestReport = {
  keyframe: true,
  namespaces: [{ id: 1, inode: 101, podUid: "uid-db" }],
  processes: [
    { id: 1, pid: 6, startTicks: 1, name: "db", exe: "/db", podUid: "uid-db", containerId: "c-db" },
  ],
  sockets: [
    { id: 1, namespace: 1, local: "10.1.1.1:5432", remote: "10.1.0.1:40000", holders: [1] },
    { id: 2, namespace: 1, local: "*:5432", state: "LISTEN", holders: [1] },
  ],
};

function clusterWithService(): SmallCluster {
  const cluster = new SmallCluster();
  cluster.pods.set("uid-web", pod("uid-web", "web", "a"));
  cluster.pods.set("uid-db", pod("uid-db", "db", "b"));
  cluster.services.set("10.96.0.1:80", { name: "db", backends: ["10.1.1.1:5432"] });
  return cluster;
}

const joined = "web 10.1.0.1:40000 -> db 10.1.1.1:5432 tcp cs via 10.96.0.1:80 listener";

for (const order of ["client first", "server first"]) {
  test(`through a Service's address both sides are one connection: ${order}`, () => {
    const world = new World(clusterWithService());
    if (order === "client first") world.report(web, "a").report(db, "b");
    else world.report(db, "b").report(web, "a");
    assert.deepEqual(world.lines(), [joined]);
    const [connection] = world.connections();
    assert.deepEqual(connection!.via!.service, { namespace: "shop", name: "db" });
    assert.equal(connection!.snat, undefined);
    const edges = [...world.aggregator.query.edges(undefined, 10).items];
    assert.equal(edges.length, 1);
    assert.equal(edges[0]!.server!.workload!.name, "db");
    assert.equal(edges[0]!.via!.service!.name, "db");
    assert.equal(edges[0]!.connections, 1);
    assert.deepEqual(edges[0]!.evidence, ["client-socket", "server-socket"]);
  });
}

test("what was dialled is unknown, not absent, if sockets show the server behind a Service", () => {
  const direct = { ...web.sockets![0]!, remote: "10.1.1.1:5432" };
  const world = new World(clusterWithService());
  world.report({ ...web, sockets: [direct] }, "a").report(db, "b");
  const [connection] = world.connections();
  assert.deepEqual([connection?.via, connection?.viaUnknown], [undefined, true]);
  // An untranslated flow proves a direct connection only on a node whose flows show translations.
  const plain = flowLine("tcp", 1, "10.1.0.1:40000 > 10.1.1.1:5432", "10.1.1.1:5432 > 10.1.0.1:40000");
  world.report({ flows: [{ line: plain, namespace: 1 }] }, "a");
  assert.equal(world.connections()[0]?.viaUnknown, true);
  const other = flowLine("tcp", 2, "10.1.0.9:40000 > 10.96.0.1:80", "10.1.1.1:5432 > 10.1.0.9:40000");
  world.report({ flows: [{ line: other, namespace: 1 }] }, "a");
  assert.equal(world.connections()[0]?.viaUnknown, false);
});

test("a Service that becomes known later joins then", () => {
  const cluster = clusterWithService();
  cluster.services.clear();
  const world = new World(cluster);
  world.report(web, "a").report(db, "b");
  assert.equal(world.connections().length, 2);
  cluster.services.set("10.96.0.1:80", { name: "db", backends: ["10.1.1.1:5432"] });
  cluster.version++;
  world.wait(1000);
  assert.deepEqual(world.lines(), [joined]);
  // One-sided edges no longer count these connections.
  const edges = [...world.aggregator.query.edges(undefined, 10).items];
  assert.deepEqual(
    edges.map(({ connections, open }) => [connections, open]),
    [[1, 1]],
  );
});

test("of two connections on a one-sided edge the one that is joined later leaves it", () => {
  const cluster = clusterWithService();
  cluster.services.clear();
  const world = new World(cluster);
  const second = { id: 3, namespace: 1, local: "10.1.1.1:5432", remote: "10.1.0.1:40001", holders: [1] };
  world.report(web, "a").report({ ...db, sockets: [second, ...db.sockets!] }, "b");
  cluster.services.set("10.96.0.1:80", { name: "db", backends: ["10.1.1.1:5432"] });
  cluster.version++;
  world.wait(1000);
  const edges = [...world.aggregator.query.edges(undefined, 10).items];
  assert.deepEqual(
    edges.map(({ connections, open, evidence }) => `${connections} ${open} ${evidence.join(" ")}`).toSorted(),
    ["1 1 client-socket server-socket", "1 1 server-socket"],
  );
});

test("news reaches every one-sided connection, also if there are more than one sweep visits", () => {
  const cluster = clusterWithService();
  cluster.services.clear();
  const world = new World(cluster);
  const others = Array.from({ length: 20_000 }, (_, at) => ({
    id: 10 + at,
    namespace: 1,
    local: `10.1.0.1:${1024 + at}`,
    remote: "198.51.100.1:80",
  }));
  world.report({ ...web, sockets: [...others, ...web.sockets!] }, "a").report(db, "b");
  for (let tick = 0; tick < 5; tick++) world.wait(100);
  cluster.services.set("10.96.0.1:80", { name: "db", backends: ["10.1.1.1:5432"] });
  cluster.version++;
  for (let tick = 0; tick < 3; tick++) world.wait(100);
  assert.deepEqual(world.lines({ ports: [5432] }), [joined]);
});

test("a server that is not an endpoint of the Service is not joined", () => {
  const cluster = clusterWithService();
  cluster.services.set("10.96.0.1:80", { name: "db", backends: ["10.1.1.9:5432"] });
  const world = new World(cluster);
  world.report(web, "a").report(db, "b");
  assert.equal(world.connections().length, 2);
});

test("two servers that both fit are left alone", () => {
  const cluster = clusterWithService();
  cluster.services.set("10.96.0.1:80", { name: "db", backends: ["10.1.1.1:5432", "10.1.1.1:5433"] });
  const world = new World(cluster);
  const twice: TestReport = {
    ...db,
    sockets: [
      ...db.sockets!,
      { id: 3, namespace: 1, local: "10.1.1.1:5433", remote: "10.1.0.1:40000", holders: [1] },
      { id: 4, namespace: 1, local: "*:5433", state: "LISTEN", holders: [1] },
    ],
  };
  world.report(twice, "b").report(web, "a");
  assert.equal(world.connections().length, 3);
});

test("an address that passes to another pod names each at its time, on edges too", () => {
  const cluster = clusterWithService();
  cluster.owners.push({ ip: "10.1.2.1", fromMs: 0, owner: { kind: "pod", pod: pod("uid-old", "old", "c") } });
  const world = new World(cluster);
  const socket = { id: 1, namespace: 1, local: "10.1.0.1:40000", remote: "10.1.2.1:80", holders: [1] };
  world.report({ ...web, sockets: [socket] }, "a");
  cluster.owners.push({
    ip: "10.1.2.1",
    fromMs: world.nowMs + 500,
    owner: { kind: "pod", pod: pod("uid-new", "new", "c") },
  });
  cluster.version++;
  world.report({ sockets: [{ ...socket, id: 2, local: "10.1.0.1:40001" }] }, "a");
  assert.deepEqual(
    world.connections().map(({ server }) => server!.workload!.name),
    ["old", "new"],
  );
  const edges = [...world.aggregator.query.edges(undefined, 10).items];
  assert.deepEqual(edges.map(({ server }) => server!.workload!.name).toSorted(), ["new", "old"]);
});

test("a pod that is described late needs no new edges", () => {
  const cluster = new SmallCluster();
  const world = new World(cluster);
  world.report(web, "a");
  assert.equal(world.connections()[0]!.client!.podUid, "uid-web");
  assert.equal(world.connections()[0]!.client!.workload, undefined);
  cluster.pods.set("uid-web", pod("uid-web", "web", "a"));
  cluster.version++;
  world.wait(1000);
  const [connection] = world.connections();
  assert.equal(connection!.client!.workload!.name, "web");
  assert.equal(connection!.client!.container, "main");
  const [edge] = [...world.aggregator.query.edges(undefined, 10).items];
  assert.equal(edge!.client!.workload!.name, "web");
  assert.equal(edge!.client!.podUid, "");
});

test("two hostNetwork pods on one node are distinguished by their processes", () => {
  const cluster = clusterWithService();
  const world = new World(cluster);
  world.report({
    keyframe: true,
    namespaces: [{ id: 0, inode: 1, host: true }],
    processes: [
      { id: 1, pid: 5, startTicks: 1, name: "web", podUid: "uid-web", containerId: "c-web" },
      { id: 2, pid: 6, startTicks: 1, name: "db", podUid: "uid-db", containerId: "c-db" },
      { id: 3, pid: 7, startTicks: 1, name: "sshd", unit: "ssh.service" },
    ],
    sockets: [
      { id: 1, local: "192.0.2.1:40000", remote: "198.51.100.1:443", holders: [1] },
      { id: 2, local: "192.0.2.1:40001", remote: "198.51.100.1:443", holders: [2] },
      { id: 3, local: "192.0.2.1:22", remote: "198.51.100.1:50000", holders: [3] },
    ],
  });
  const ends = world.connections().map(({ client, server }) => [client!.pod, server!.pod || server!.unit]);
  assert.deepEqual(ends.map((pair) => pair.join(" -> ")).toSorted(), [
    " -> ssh.service",
    "db-abc -> ",
    "web-abc -> ",
  ]);
});

test("a proxy's socket in a pod's namespace is the pod's", () => {
  const world = new World(clusterWithService());
  world.report({
    keyframe: true,
    namespaces: [{ id: 1, inode: 101, podUid: "uid-web" }],
    processes: [{ id: 1, pid: 5, startTicks: 1, name: "ztunnel", podUid: "uid-mesh", containerId: "c-mesh" }],
    sockets: [{ id: 1, namespace: 1, local: "10.1.0.1:40000", remote: "198.51.100.1:443", holders: [1] }],
  });
  const { client } = world.connections()[0]!;
  assert.equal(client!.podUid, "uid-web");
  assert.equal(client!.process!.name, "ztunnel");
});

test("listeners say whether their port is declared", () => {
  const world = new World(clusterWithService());
  world.report(db, "b");
  const [listener] = [...world.aggregator.query.listeners(undefined, 10).items];
  assert.equal(listener!.declared, true);
  assert.equal(listener!.endpoint!.workload!.name, "db");
  assert.equal(listener!.address, "0.0.0.0");
  assert.equal(listener!.port, 5432);
});
