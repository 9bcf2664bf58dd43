// Answers for the tests of the command line: one of each kind of item that views show, including hostile
// names. Times are fixed, so that output can be compared.

import {
  Connection,
  Coverage,
  Edge,
  Endpoint,
  type EndpointSelector,
  Listener,
} from "../../lib/gen/whotalks/v1/query.ts";

/** When the answers were made. */
export const timeMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** A name that tries to clear the screen, start a line and reverse the text. */
const hostileName = "evil\u001b[2J\nroot\u202egnp.\u009b31m";

const process = (pid: number, name: string, uid = 0): Endpoint["process"] => ({
  pid,
  name,
  exe: `/usr/bin/${name}`,
  uid,
});

const nginx = Endpoint.create({
  kind: "process",
  ip: "10.0.0.1",
  port: 443,
  node: "laptop",
  unit: "nginx.service",
  process: process(812, "nginx", 33),
  inode: 90_001,
  networkNamespace: 4_026_531_840,
  holders: [
    { pid: 812, name: "nginx", fd: 6 },
    { pid: 813, name: "nginx", fd: 6 },
  ],
  recvQueue: 0,
  sendQueue: 512,
  state: "ESTABLISHED",
});

const curl = Endpoint.create({
  kind: "process",
  ip: "10.0.0.2",
  port: 40_312,
  node: "laptop",
  container: "3f4e8a9b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f",
  process: process(4711, "curl", 1000),
  inode: 90_002,
  networkNamespace: 4_026_532_001,
  holders: [{ pid: 4711, name: "curl", fd: 3 }],
  recvQueue: 7,
  sendQueue: 0,
  timer: { kind: "keepalive", expiresMs: 12_300 },
  state: "ESTABLISHED",
});

const hostile = Endpoint.create({
  kind: "process",
  ip: "fd00::2",
  port: 51_000,
  node: "laptop",
  process: process(666, hostileName, 1000),
  inode: 90_003,
});

const external = Endpoint.create({ kind: "external", ip: "2001:db8::53", port: 853 });
const unknown = Endpoint.create({ kind: "unknown", ip: "10.9.9.9", port: 8080 });
const pod = Endpoint.create({
  kind: "pod",
  ip: "10.244.1.7",
  port: 39_000,
  node: "worker",
  namespace: "shop",
  pod: "web-7d4b9-x2x4z",
  podUid: "8c1d",
  workload: { kind: "Deployment", name: "web" },
  labels: { app: "web" },
});
const database = Endpoint.create({
  kind: "pod",
  ip: "10.244.2.9",
  port: 5432,
  node: "worker2",
  namespace: "データ",
  pod: "db-0",
  workload: { kind: "StatefulSet", name: "db" },
});

/** Connections: matched, one-sided, refused, closed, through a Service, over a unix socket. */
export const connections: Connection[] = [
  Connection.create({
    client: curl,
    server: nginx,
    protocol: "tcp",
    outcome: "established",
    state: "ESTABLISHED",
    evidence: ["client-socket", "server-socket"],
    recvQueue: 7,
    sendQueue: 0,
    bytesToServer: 1234,
    bytesToClient: 56_789_012,
    firstSeenMs: timeMs - 3 * HOUR - 12 * MINUTE,
    lastSeenMs: timeMs,
    count: 1,
    directionBy: "listener",
    uid: "c0ffee0000000001",
  }),
  Connection.create({
    client: hostile,
    server: external,
    protocol: "tcp",
    outcome: "established",
    state: "TIME_WAIT",
    evidence: ["client-socket"],
    firstSeenMs: timeMs - 90 * SECOND,
    lastSeenMs: timeMs - 5 * SECOND,
    closed: true,
    count: 3,
    directionBy: "port",
    uid: "c0ffee0000000002",
  }),
  Connection.create({
    client: curl,
    server: unknown,
    protocol: "tcp",
    outcome: "refused",
    state: "SYN_SENT",
    evidence: ["client-socket"],
    firstSeenMs: timeMs - 4 * SECOND,
    lastSeenMs: timeMs - 4 * SECOND,
    closed: true,
    count: 1,
    directionBy: "port",
    uid: "c0ffee0000000003",
  }),
  Connection.create({
    client: pod,
    server: database,
    via: { ip: "10.96.0.12", port: 5432, service: { namespace: "shop", name: "db" } },
    protocol: "tcp",
    outcome: "established",
    state: "ESTABLISHED",
    evidence: ["client-socket", "server-socket", "flow"],
    firstSeenMs: timeMs - 26 * HOUR,
    lastSeenMs: timeMs,
    count: 1,
    directionBy: "flow",
    uid: "c0ffee0000000004",
  }),
];

/** Connections over unix sockets. */
export const unixConnections: Connection[] = [
  Connection.create({
    client: Endpoint.create({
      kind: "process",
      node: "laptop",
      process: process(4711, "curl"),
      inode: 71_001,
    }),
    server: Endpoint.create({
      kind: "process",
      node: "laptop",
      unit: "dbus.service",
      process: process(401, "dbus-daemon"),
      inode: 71_002,
    }),
    protocol: "unix",
    outcome: "established",
    state: "ESTABLISHED",
    evidence: ["client-socket", "server-socket"],
    firstSeenMs: timeMs - 10 * MINUTE,
    lastSeenMs: timeMs,
    count: 1,
    directionBy: "listener",
    unixPath: "/run/dbus/system_bus_socket",
    uid: "c0ffee0000000005",
  }),
];

const withoutSocket = (endpoint: Endpoint): Endpoint => ({
  ...endpoint,
  port: 0,
  inode: 0,
  pod: "",
  holders: [],
  timer: undefined,
  process: endpoint.process === undefined ? undefined : { ...endpoint.process, pid: 0 },
});

/** Edges: the aggregated connections. */
export const edges: Edge[] = connections.map((connection, index) =>
  Edge.create({
    client: withoutSocket(connection.client!),
    server: withoutSocket(connection.server!),
    via: connection.via,
    protocol: connection.protocol,
    port: connection.server!.port,
    connections: (index + 1) * 7,
    outcome: connection.outcome,
    refused: connection.outcome === "refused" ? (index + 1) * 7 : 0,
    timedOut: index === 1 ? 3 : 0,
    open: connection.closed ? 0 : index + 1,
    bytesToServer: connection.bytesToServer,
    bytesToClient: connection.bytesToClient,
    firstSeenMs: connection.firstSeenMs,
    lastSeenMs: connection.lastSeenMs,
    evidence: connection.evidence,
  }),
);

/** Listeners: TCP, UDP, unix. */
export const listeners: Listener[] = [
  Listener.create({
    endpoint: { ...nginx, ip: "0.0.0.0", recvQueue: 2, sendQueue: 511, socketUid: 0, state: "LISTEN" },
    protocol: "tcp",
    address: "0.0.0.0",
    port: 443,
    firstSeenMs: timeMs - 9 * 24 * HOUR,
  }),
  Listener.create({
    endpoint: { ...database, ip: "::", inode: 5 },
    protocol: "udp",
    address: "::",
    port: 53,
    declared: true,
    services: [{ namespace: "shop", name: "db" }],
    firstSeenMs: timeMs - 30 * SECOND,
  }),
  Listener.create({
    endpoint: Endpoint.create({
      kind: "process",
      node: "laptop",
      process: process(401, "dbus-daemon"),
      inode: 71_000,
    }),
    protocol: "unix",
    address: "/run/dbus/system_bus_socket",
    firstSeenMs: timeMs - 10 * MINUTE,
  }),
];

/** Coverage of a machine read by an unprivileged user. */
export const coverage: Coverage = Coverage.fromPartial({
  nodes: [
    {
      node: "laptop",
      reader: "procfs",
      conntrack: "none",
      namespaces: 3,
      namespacesFailed: 1,
      processes: 210,
      processesUnreadable: 2,
      processesWithoutFds: 150,
      sockets: 120,
      socketsUnattributed: 3,
      limits: ["Without CAP_SYS_PTRACE the files of 150 processes cannot be read."],
      passMicros: 12_345,
      intervalMs: 1000,
      ageMs: 400,
      openedByKernel: 1000,
      failedByKernel: 4,
      seen: 998,
      unseen: 2,
      sinceMs: timeMs - HOUR,
    },
  ],
  nodesExpected: 1,
});

/** Coverage of a cluster of three nodes, one of which has no agent, with pods of every status. */
export const clusterCoverage: Coverage = Coverage.fromPartial({
  nodes: [
    {
      node: "worker",
      reader: "bpf-iter",
      destroyed: "events",
      events: "tracepoint",
      conntrack: "events",
      namespaces: 31,
      processes: 210,
      sockets: 4120,
      passMicros: 8123,
      intervalMs: 1000,
      ageMs: 400,
      openedByKernel: 40_112,
      failedByKernel: 12,
      seen: 40_112,
      sinceMs: timeMs - 3 * HOUR,
    },
    {
      node: "worker2",
      reader: "procfs",
      destroyed: "time-wait",
      events: "destroyed",
      eventsReason: "they are switched off",
      conntrack: "proc",
      namespaces: 12,
      namespacesFailed: 1,
      processes: 90,
      sockets: 700,
      limits: ["bpf-iter cannot be used: without CAP_BPF", "sock-diag cannot be used: without CAP_SYS_ADMIN"],
      passMicros: 92_000,
      intervalMs: 1000,
      ageMs: 900,
      openedByKernel: 2000,
      seen: 1996,
      unseen: 4,
      sinceMs: timeMs - 26 * MINUTE,
    },
  ],
  nodesExpected: 3,
  nodesUnread: ["worker3"],
  openedByKernel: 42_112,
  failedByKernel: 12,
  seen: 42_108,
  unseen: 4,
  sinceMs: timeMs - 26 * MINUTE,
  podsUnread: ["shop/cron-28", "shop/db-1"],
  podsUnobservable: ["builds/untrusted-7"],
  pods: [
    {
      namespace: "shop",
      pod: "web-7d4b9-x2x4z",
      podUid: "8c1d",
      node: "worker2",
      networkNamespace: 4_026_532_001,
      reader: "procfs",
      destroyed: "time-wait",
      status: "read",
      openedByKernel: 1500,
      seen: 1496,
      unseen: 4,
      sinceMs: timeMs - 26 * MINUTE,
      readMicros: 812,
    },
    {
      node: "worker2",
      hostNetwork: true,
      networkNamespace: 4_026_531_840,
      reader: "procfs",
      destroyed: "time-wait",
      status: "read",
      openedByKernel: 500,
      seen: 500,
      sinceMs: timeMs - 26 * MINUTE,
    },
    {
      namespace: "builds",
      pod: "untrusted-7",
      node: "worker",
      status: "unobservable",
      reason: "runtime class gvisor (runsc) is a sandbox of its own",
    },
    {
      namespace: "shop",
      pod: "cron-27",
      podUid: "9f",
      node: "worker",
      networkNamespace: 4_026_532_090,
      reader: "bpf-iter",
      destroyed: "events",
      status: "ended",
      openedByKernel: 100,
      seen: 100,
      sinceMs: timeMs - 90 * SECOND,
    },
    {
      namespace: "shop",
      pod: "cron-28",
      node: "worker2",
      status: "unread",
      reason: "it ended before a pass of node worker2 found it",
    },
    {
      namespace: "shop",
      pod: "db-1",
      node: "worker3",
      status: "unread",
      reason: "node worker3 has no agent that reports",
    },
    {
      node: "worker",
      container: "3f4e8a9b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f",
      networkNamespace: 4_026_532_101,
      reader: "bpf-iter",
      destroyed: "events",
      status: "failed",
      reason: "the last pass could not read it",
      sinceMs: timeMs - 3 * HOUR,
    },
  ],
});

/** Coverage with nothing missing. */
export const fullCoverage: Coverage = Coverage.fromPartial({
  nodes: [
    {
      node: "laptop",
      reader: "procfs",
      conntrack: "none",
      namespaces: 3,
      processes: 210,
      sockets: 120,
      intervalMs: 1000,
      ageMs: 400,
      sinceMs: timeMs - HOUR,
    },
  ],
  nodesExpected: 1,
});

/** Returns selectors as the server received them, without unset kinds. */
export function setKinds(selectors: readonly EndpointSelector[]): object[] {
  return selectors.map((selector) =>
    Object.fromEntries(Object.entries(selector).filter(([, value]) => value !== undefined)),
  );
}
