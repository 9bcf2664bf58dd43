import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";

import type { Filter } from "../../../lib/gen/whotalks/v1/query.ts";
import { Filter as FilterMessage } from "../../../lib/gen/whotalks/v1/query.ts";
import type { TestReport } from "../testing/reports.ts";
import { World } from "../testing/world.ts";
import { FilterError } from "./filter-error.ts";
import { parseLabelSelector } from "./label-selector.ts";

const report: TestReport = {
  keyframe: true,
  namespaces: [
    { id: 0, inode: 1, host: true },
    { id: 1, inode: 101, podUid: "uid-1", containerId: "cafe01" },
  ],
  processes: [
    { id: 1, pid: 11, startTicks: 1, name: "MainThread", exe: "/usr/bin/node", containerId: "beef02" },
    { id: 2, pid: 12, startTicks: 1, name: "sshd", exe: "/usr/sbin/sshd", unit: "ssh.service" },
    {
      id: 3,
      pid: 13,
      startTicks: 1,
      name: "curl",
      exe: "/usr/bin/curl (deleted)",
      podUid: "uid-1",
      containerId: "cafe01",
    },
  ],
  sockets: [
    { id: 1, local: "192.0.2.9:40000", remote: "203.0.113.1:443", holders: [1] },
    { id: 2, local: "192.0.2.9:22", remote: "198.51.100.5:51000", state: "CLOSE_WAIT", holders: [2] },
    { id: 3, namespace: 1, local: "[fd00::9]:40001", remote: "[2001:db8::1]:80", holders: [3] },
    {
      id: 4,
      namespace: 1,
      protocol: "udp",
      local: "10.0.0.1:40002",
      remote: "203.0.113.53:53",
      holders: [3],
    },
    { id: 5, local: "192.0.2.9:40005", remote: "203.0.113.1:444", state: "SYN_SENT", holders: [1] },
    { id: 6, local: "192.0.2.9:40006", remote: "203.0.113.1:445", state: "TIME_WAIT", inode: 0 },
    { id: 7, local: "*:22", state: "LISTEN", holders: [2] },
    { id: 8, namespace: 1, local: "*:9000", state: "LISTEN", holders: [3] },
  ],
  family: [
    { id: 20, family: 1, type: 1, state: 1, inode: 70, peerInode: 71, holders: [1] },
    { id: 21, family: 1, type: 1, state: 1, inode: 71, peerInode: 70, path: "/run/api.sock", holders: [2] },
    { id: 22, family: 1, type: 1, state: 1, inode: 72, peerInode: 73, holders: [1] },
    { id: 23, family: 1, type: 1, state: 1, inode: 73, peerInode: 72, holders: [1] },
    { id: 24, family: 1, type: 1, state: 10, inode: 74, path: "/run/api.sock", holders: [2] },
    { id: 25, family: 2, type: 3, state: 7, inode: 75, number: 15, portId: 99, holders: [2] },
  ],
};
const world = new World().report(report);

// Identifies each connection by the port at its far end, or its path.
function found(filter: Partial<Filter>): string[] {
  return [...world.aggregator.query.connections(FilterMessage.fromPartial(filter), 100).items]
    .map(({ client, server, unixPath, protocol }) => {
      if (protocol === "unix") return unixPath === "" ? "anonymous" : unixPath;
      return String(client!.port < 50_000 ? server!.port : client!.port);
    })
    .toSorted();
}

const everything = ["/run/api.sock", "443", "444", "445", "51000", "53", "80"];

const cases: readonly (readonly [name: string, filter: Partial<Filter>, expected: readonly string[]])[] = [
  ["nothing set: all but anonymous pairs", {}, everything],
  ["anonymous pairs where asked for", { includeAnonymous: true }, [...everything, "anonymous"].toSorted()],
  ["from a range", { from: [{ cidr: "198.51.100.0/24" }] }, ["51000"]],
  ["to one address", { to: [{ cidr: "203.0.113.53" }] }, ["53"]],
  ["to an IPv6 range", { to: [{ cidr: "2001:db8::/32" }] }, ["80"]],
  ["either side in a range", { either: [{ cidr: "10.0.0.0/8" }] }, ["53"]],
  ["values of one field by OR", { to: [{ cidr: "203.0.113.53" }, { cidr: "2001:db8::1" }] }, ["53", "80"]],
  ["fields by AND", { to: [{ cidr: "203.0.113.0/24" }], ports: [443, 53] }, ["443", "53"]],
  ["the server's port", { ports: [22] }, ["51000"]],
  ["protocols", { protocols: ["udp", "unix"] }, ["/run/api.sock", "53"]],
  ["protocols by number", { protocols: ["17"] }, ["53"]],
  ["protocols by synonym and in capitals", { protocols: ["ipv6-icmp", "UDP"] }, ["53"]],
  ["states as users write them", { states: ["close-wait", "time-wait"] }, ["445", "51000"]],
  ["outcomes as users write them", { outcomes: ["Pending"] }, ["444"]],
  ["states of either end", { states: ["CLOSE_WAIT"] }, ["51000"]],
  ["outcomes", { outcomes: ["pending"] }, ["444"]],
  ["open only: TIME_WAIT is not open", { openOnly: true, to: [{ cidr: "203.0.113.1" }] }, ["443", "444"]],
  ["a process by comm", { processes: ["sshd"] }, ["/run/api.sock", "51000"]],
  ["a process by exe", { processes: ["node"] }, ["/run/api.sock", "443", "444"]],
  ["a program that was replaced", { processes: ["curl"] }, ["53", "80"]],
  ["from a process", { from: [{ process: "MainThread" }] }, ["/run/api.sock", "443", "444"]],
  ["to a pid", { to: [{ pid: 12 }] }, ["/run/api.sock", "51000"]],
  ["a unit", { either: [{ unit: "ssh.service" }] }, ["/run/api.sock", "51000"]],
  ["a container by the start of its id", { from: [{ container: "beef" }] }, ["/run/api.sock", "443", "444"]],
  ["a pod's container", { from: [{ container: "cafe01" }] }, ["53", "80"]],
  ["endpoint kinds", { from: [{ endpointKind: "pod" }] }, ["53", "80"]],
  ["external clients", { from: [{ endpointKind: "external" }] }, ["51000"]],
  [
    "a node and what runs on it outside pods",
    { from: [{ node: "a" }] },
    ["/run/api.sock", "443", "444", "445"],
  ],
  ["network namespaces by inode", { namespaceInodes: [101] }, ["53", "80"]],
  ["a path", { to: [{ path: "/run/api.sock" }] }, ["/run/api.sock"]],
  ["the start of a path", { to: [{ path: "/run/*" }] }, ["/run/api.sock"]],
  ["a Kubernetes namespace that nothing is in", { namespaces: ["shop"] }, []],
  ["labels that nothing has", { labels: "app=web" }, []],
];

for (const [name, filter, expected] of cases) {
  test(`connections: ${name}`, () => {
    assert.deepEqual(found(filter), expected);
  });
  test(`edges add up the same connections: ${name}`, () => {
    const edges = [...world.aggregator.query.edges(FilterMessage.fromPartial(filter), 100).items];
    assert.equal(
      edges.reduce((sum, edge) => sum + edge.connections, 0),
      expected.length,
    );
  });
}

function listed(filter: Partial<Filter>): string[] {
  return [...world.aggregator.query.listeners(FilterMessage.fromPartial(filter), 100).items].map(
    ({ protocol, address, port }) => `${protocol} ${address} ${port}`,
  );
}

test("listeners: to and either select the endpoint, from does not apply", () => {
  assert.deepEqual(listed({}), [
    "tcp 0.0.0.0 22",
    "tcp 0.0.0.0 9000",
    "unix /run/api.sock 0",
    "netlink 99 15",
  ]);
  assert.deepEqual(listed({ to: [{ unit: "ssh.service" }], protocols: ["tcp"] }), ["tcp 0.0.0.0 22"]);
  assert.deepEqual(listed({ either: [{ process: "curl" }] }), ["tcp 0.0.0.0 9000"]);
  assert.deepEqual(listed({ from: [{ process: "nobody" }], ports: [22] }), ["tcp 0.0.0.0 22"]);
  assert.deepEqual(listed({ states: ["LISTEN"], namespaceInodes: [101] }), ["tcp 0.0.0.0 9000"]);
});

test("listeners: a protocol by its number is the protocol", () => {
  assert.deepEqual(listed({ protocols: ["6"] }), ["tcp 0.0.0.0 22", "tcp 0.0.0.0 9000"]);
});

test("a watch by a protocol's number has that protocol", () => {
  const watch = world.aggregator.query.watch(FilterMessage.fromPartial({ protocols: ["17"] }), true);
  watch.close();
  assert.deepEqual(
    [...watch.initial].map(({ protocol }) => protocol),
    ["udp"],
  );
});

// Two flows without sockets: GRE, and a protocol without a word.
const forwarded = new World();
forwarded.report({ keyframe: true, namespaces: [{ id: 0, inode: 1, host: true }] });
// Pass the period in which flows may be older than their agent.
for (let i = 0; i < 3; i++) forwarded.report({ coverage: { conntrack: "events" } });
forwarded.report({
  flows: [
    "gre 47 100 src=10.1.0.1 dst=10.1.0.3 srckey=0x1 dstkey=0x2 src=10.1.0.3 dst=10.1.0.1 srckey=0x2 dstkey=0x1 mark=0 use=1 id=4",
    "unknown 99 500 src=10.1.0.1 dst=10.1.0.4 src=10.1.0.4 dst=10.1.0.1 mark=0 use=1 id=5",
  ],
});
forwarded.wait(15_000);

for (const [text, word] of [
  ["47", "gre"],
  ["gre", "gre"],
  ["GRE", "gre"],
  ["99", "99"],
] as const) {
  test(`protocol ${text} finds ${word}: connections, edges and a watch`, () => {
    const { query } = forwarded.aggregator;
    const filter = FilterMessage.fromPartial({ protocols: [text] });
    const watch = query.watch(filter, true);
    watch.close();
    const answers = [query.connections(filter, 100).items, query.edges(filter, 100).items, watch.initial];
    for (const items of answers)
      assert.deepEqual(
        [...items].map(({ protocol }) => protocol),
        [word],
      );
  });
}

const labels = { app: "web", tier: "front", "app.kubernetes.io/name": "web" };
const selectors: readonly (readonly [text: string, fits: boolean])[] = [
  ["", true],
  ["app=web", true],
  ["app==web", true],
  ["app=db", false],
  ["app!=db", true],
  ["missing!=x", true],
  ["app in (web, db)", true],
  ["app notin (web)", false],
  ["missing notin (web)", true],
  ["tier", true],
  ["!tier", false],
  ["!missing", true],
  ["app=web,tier=front", true],
  ["app=web,tier=back", false],
  ["app in (a,web),tier", true],
  ["app.kubernetes.io/name=web", true],
];
for (const [text, fits] of selectors) {
  test(`label selector "${text}" ${fits ? "fits" : "does not fit"}`, () => {
    assert.equal(parseLabelSelector(text)(labels), fits);
  });
}

test("label selectors that are none are FilterErrors; any text is one or the other", () => {
  for (const text of ["=", "a=b=c", "a in b", "a in (b", "a b", "-a", "a=b,,c"]) {
    assert.throws(() => parseLabelSelector(text), FilterError, text);
  }
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        parseLabelSelector(text)(labels);
      } catch (error) {
        assert.ok(error instanceof FilterError);
      }
    }),
  );
});
