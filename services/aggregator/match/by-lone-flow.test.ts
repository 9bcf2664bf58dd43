// Flows without sockets become connections once their sockets would have been reported: one per conversation,
// whichever nodes saw it and in whatever order they report.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";

import type { TestReport, TestSocket } from "../testing/reports.ts";
import { World } from "../testing/world.ts";
import { flowLine } from "../testing/flow-lines.ts";
import { all, processes } from "../testing/join-cases.ts";

const SETTLED_MS = 15_000;
const begin = { keyframe: true, namespaces: all, processes, coverage: { conntrack: "events" } } as const;
const pod = (...address: number[]): Uint8Array => Uint8Array.from(address);
/** Namespaces, of which the second has 10.1.0.1 and the third 10.1.0.2. */
const withPods = {
  ...begin,
  namespaces: all.map((each) =>
    each.id === 1 || each.id === 2 ? { ...each, addresses: [pod(10, 1, 0, each.id)] } : each,
  ),
};

function worldOf(...nodes: string[]): World {
  const world = new World();
  for (const node of nodes) world.report(begin, node).report({ coverage: { conntrack: "events" } }, node);
  // Pass the period in which flows may be older than their agent.
  for (let i = 0; i < 2; i++)
    for (const node of nodes) world.report({ coverage: { conntrack: "events" } }, node);
  return world;
}

const udpToService = flowLine("udp", 7, "10.1.0.1:40000 > 10.96.0.9:53", "10.1.0.2:5353 > 10.1.0.1:40000");
const udpPlain = flowLine("udp", 8, "10.1.0.1:40000 > 10.1.0.2:5353", "10.1.0.2:5353 > 10.1.0.1:40000");
const CLIENT: TestSocket = {
  id: 1,
  namespace: 1,
  protocol: "udp",
  local: "10.1.0.1:40000",
  remote: "10.96.0.9:53",
  holders: [2],
};

const zoned = (zone: number, id: number) =>
  udpPlain.replace("mark=0", `mark=0 zone=${zone}`).replace("id=8", `id=${id}`);
const query = (id: number, port: number): string =>
  flowLine("udp", id, `10.1.0.1:${port} > 10.96.0.9:53`, `10.1.0.2:53 > 10.1.0.1:${port}`);
const counted = (line: string): string =>
  line
    .replace(" src=10.1.0.2", " packets=1 bytes=60 src=10.1.0.2")
    .replace(" [ASSURED]", " packets=1 bytes=90 [ASSURED]");
const ping = (id: number): string =>
  `icmp 1 29 src=10.1.0.1 dst=10.1.0.2 type=8 code=0 id=${id} src=10.1.0.2 dst=10.1.0.1 type=0 code=0 id=${id} mark=0 use=1 id=${id}`;

void describe("flows without sockets", () => {
  it("are connections once their sockets would have been reported", () => {
    const world = worldOf("a").report({ flows: [udpToService] });
    assert.deepEqual(world.lines(), []);
    world.wait(SETTLED_MS);
    assert.deepEqual(world.lines(), [
      "external 10.1.0.1:40000 -> external 10.1.0.2:5353 udp f via 10.96.0.9:53 flow",
    ]);
    world.report({ flowsRemoved: [7] });
    assert.deepEqual(world.lines(), [
      "external 10.1.0.1:40000 -> external 10.1.0.2:5353 udp f via 10.96.0.9:53 flow closed",
    ]);
    world.wait(120_000);
    assert.deepEqual(world.lines(), []);
    assert.equal(world.aggregator.counts().flows, 0);
  });

  it("have every protocol, with what distinguishes one conversation from another", () => {
    const world = worldOf("a").report({
      flows: [
        "icmp 1 29 src=10.1.0.1 dst=10.1.0.2 type=8 code=0 id=77 src=10.1.0.2 dst=10.1.0.1 type=0 code=0 id=77 mark=0 use=1 id=1",
        flowLine("sctp", 2, "10.1.0.1:4000 > 10.1.0.2:5000", "10.1.0.2:5000 > 10.1.0.1:4000"),
        "unknown 2 500 src=10.1.0.1 dst=224.0.0.22 [UNREPLIED] src=224.0.0.22 dst=10.1.0.1 mark=0 use=1 id=3",
        "gre 47 100 src=10.1.0.1 dst=10.1.0.3 srckey=0x1 dstkey=0x2 src=10.1.0.3 dst=10.1.0.1 srckey=0x2 dstkey=0x1 mark=0 use=1 id=4",
      ],
    });
    world.wait(SETTLED_MS);
    assert.deepEqual(world.lines().toSorted(), [
      "external 10.1.0.1:0 -> external 10.1.0.2:0 icmp f flow",
      "external 10.1.0.1:0 -> external 10.1.0.3:0 gre f flow",
      "external 10.1.0.1:0 -> unknown 224.0.0.22:0 igmp f flow",
      "external 10.1.0.1:4000 -> external 10.1.0.2:5000 sctp f flow",
    ]);
    const byProtocol = new Map(world.connections().map((each) => [each.protocol, each]));
    assert.deepEqual(byProtocol.get("icmp")?.icmp, { type: 8, code: 0, id: 77 });
    assert.deepEqual(
      ["icmp", "sctp", "igmp"].map((word) => byProtocol.get(word)?.outcome),
      ["established", "established", "pending"],
    );
    assert.equal(byProtocol.get("sctp")?.state, "ESTABLISHED");
  });

  it("are one with what another node saw behind the translation", () => {
    for (const order of [
      ["a", "b"],
      ["b", "a"],
    ]) {
      const world = worldOf("a", "b");
      const flows: Record<string, string> = { a: udpToService, b: udpPlain };
      for (const node of order) world.report({ flows: [flows[node]!] }, node);
      world.wait(SETTLED_MS);
      assert.deepEqual(world.lines(), [
        "external 10.1.0.1:40000 -> external 10.1.0.2:5353 udp f via 10.96.0.9:53 flow",
      ]);
      assert.equal(world.connections()[0]?.count, 1);
    }
  });

  it("are one through two translations, with the client, the server and what lies between", () => {
    const world = worldOf("a", "b", "c");
    const one = flowLine("udp", 1, "10.1.0.1:40000 > 10.0.0.2:30053", "10.0.0.2:30053 > 10.0.0.1:50001");
    const two = flowLine("udp", 1, "10.0.0.1:50001 > 10.0.0.2:30053", "10.1.0.3:53 > 10.0.0.2:50002");
    const three = flowLine("udp", 1, "10.0.0.2:50002 > 10.1.0.3:53", "10.1.0.3:53 > 10.0.0.2:50002");
    world
      .report({ flows: [three] }, "c")
      .report({ flows: [one] }, "a")
      .report({ flows: [two] }, "b");
    world.wait(SETTLED_MS);
    assert.deepEqual(world.lines(), [
      "external 10.1.0.1:40000 -> external 10.1.0.3:53 udp f via 10.0.0.2:30053 flow",
    ]);
    assert.deepEqual(world.connections()[0]?.snat, { ip: "10.0.0.2", port: 50002 });
  });

  it("tie both sockets through two translations", () => {
    const world = worldOf("a", "b");
    const one = flowLine("tcp", 1, "10.1.0.1:40000 > 10.0.0.2:30080", "10.0.0.2:30080 > 10.0.0.1:50001");
    const two = flowLine("tcp", 1, "10.0.0.1:50001 > 10.0.0.2:30080", "10.1.0.2:8080 > 10.0.0.2:50002");
    const client = { id: 1, namespace: 1, local: "10.1.0.1:40000", remote: "10.0.0.2:30080", holders: [2] };
    const server = { id: 1, namespace: 2, local: "10.1.0.2:8080", remote: "10.0.0.2:50002", holders: [1] };
    world.report({ sockets: [client], flows: [one] }, "a");
    world.report({ sockets: [server], flows: [two] }, "b");
    world.wait(SETTLED_MS);
    assert.deepEqual(world.lines(), [
      "client 10.1.0.1:40000 -> server 10.1.0.2:8080 tcp csf via 10.0.0.2:30080 flow",
    ]);
  });

  it("create nothing beside what sockets create, whenever those are reported", () => {
    for (const waitMs of [0, SETTLED_MS]) {
      const world = worldOf("a", "b");
      world.report({ flows: [udpToService] }, "a").report({ flows: [udpPlain] }, "b");
      world.wait(waitMs);
      world.report({ ageMs: waitMs, sockets: [CLIENT] }, "a");
      world.wait(SETTLED_MS);
      assert.deepEqual(world.lines(), [
        "client 10.1.0.1:40000 -> external 10.1.0.2:5353 udp cf via 10.96.0.9:53 flow",
      ]);
      const edges = [...world.aggregator.query.edges(undefined, 10).items];
      assert.deepEqual(
        edges.map(({ connections }) => connections),
        [1],
      );
    }
  });

  it("have the client first if conntrack picked them up in the wrong direction", () => {
    const world = worldOf("a").report({
      flows: [
        flowLine("udp", 1, "192.0.2.1:53 > 10.1.0.1:40000", "10.1.0.1:40000 > 192.0.2.1:53").replace(
          " src=10.1.0.1",
          " [UNREPLIED] src=10.1.0.1",
        ),
      ],
    });
    world.wait(SETTLED_MS);
    assert.deepEqual(world.lines(), ["external 10.1.0.1:40000 -> external 192.0.2.1:53 udp f port"]);
  });

  it("name the listener that answers, and the process behind it", () => {
    const world = new World();
    const listener = { id: 9, namespace: 2, protocol: "udp", local: "*:5353", state: "CLOSE", holders: [1] };
    world.report({ ...withPods, sockets: [listener as TestSocket] });
    world.report({ flows: [udpToService] }).wait(SETTLED_MS);
    assert.deepEqual(world.lines(), [
      "node 10.1.0.1:40000 -> server 10.1.0.2:5353 udp sf via 10.96.0.9:53 flow",
    ]);
    world.report({ removed: [9] });
    assert.deepEqual(world.lines(), [
      // The only holder of sockets there.
      "node 10.1.0.1:40000 -> server 10.1.0.2:5353 udp f via 10.96.0.9:53 flow",
    ]);
  });

  it("are forwarded if neither end is on a node that saw them", () => {
    const world = new World();
    world.report(withPods, "a").report({ ...begin, namespaces: all.slice(0, 1) }, "b");
    const passing = flowLine(
      "udp",
      1,
      "192.0.2.1:40000 > 198.51.100.1:53",
      "198.51.100.1:53 > 192.0.2.1:40000",
    );
    const toPod = flowLine("udp", 2, "192.0.2.1:40001 > 10.1.0.2:53", "10.1.0.2:53 > 192.0.2.1:40001");
    const atHome = flowLine("udp", 3, "192.0.2.1:40002 > 10.1.0.1:53", "10.1.0.1:53 > 192.0.2.1:40002");
    world.report({ flows: [passing, toPod] }, "b").report({ flows: [atHome] }, "a");
    world.wait(SETTLED_MS);
    assert.deepEqual(
      world
        .connections()
        .map(({ server, forwarded }) => `${server?.ip} ${forwarded}`)
        .toSorted(),
      ["10.1.0.1 false", "10.1.0.2 true", "198.51.100.1 true"],
    );
  });

  it("of TCP are shown alone only if a side is not read", () => {
    const world = new World();
    world
      .report(withPods)
      .report({})
      .report({})
      .report({ coverage: { conntrack: "events" } })
      .report({ coverage: { conntrack: "events" } });
    const inside = flowLine("tcp", 1, "10.1.0.1:40000 > 10.1.0.2:80", "10.1.0.2:80 > 10.1.0.1:40000");
    const outward = flowLine("tcp", 2, "10.1.0.1:40001 > 192.0.2.9:80", "192.0.2.9:80 > 10.1.0.1:40001");
    const passing = flowLine("tcp", 3, "192.0.2.7:40001 > 192.0.2.9:80", "192.0.2.9:80 > 192.0.2.7:40001");
    world.report({ flows: [inside, outward, passing] });
    world.wait(5000);
    assert.deepEqual(world.lines(), []);
    world.wait(SETTLED_MS);
    assert.deepEqual(world.lines().toSorted(), [
      "external 192.0.2.7:40001 -> external 192.0.2.9:80 tcp f flow",
      // A live socket would have been seen.
      "node 10.1.0.1:40001 -> external 192.0.2.9:80 tcp f flow closed",
    ]);
  });

  it("in two zones of one node are one conversation", () => {
    const world = worldOf("a");
    world.report({ flows: [zoned(1, 1), zoned(2, 2)] }).wait(SETTLED_MS);
    assert.deepEqual(
      world.connections().map(({ count }) => count),
      [1],
    );
  });
});

void describe("many short conversations", () => {
  it("are kept as one for each client, server, port and via, with their count and bytes", () => {
    const world = worldOf("a");
    for (let round = 0; round < 20; round++) {
      const ids = Array.from({ length: 50 }, (_, i) => 1 + i + round * 50);
      world.report({ flows: ids.map((id) => counted(query(id, 40000 + id))) });
      world.wait(SETTLED_MS);
      world.report({ flowsRemoved: ids });
    }
    const connections = world.connections();
    assert.deepEqual(
      connections.map(({ count, closed, bytesToServer, bytesToClient }) => [
        count,
        closed,
        bytesToServer,
        bytesToClient,
      ]),
      [[1000, true, 60_000, 90_000]],
    );
    const [edge, ...more] = world.aggregator.query.edges(undefined, 10).items;
    assert.deepEqual([edge?.connections, edge?.open, edge?.bytesToServer, more.length], [1000, 0, 60_000, 0]);
    assert.equal(world.aggregator.counts().flows, 1);
  });

  it("of sockets that are seen for a moment are closed as one", () => {
    const world = worldOf("a");
    for (let id = 1; id <= 30; id++) {
      const socket = { ...CLIENT, id, local: `10.1.0.1:${40000 + id}`, inode: 5000 + id };
      world.report({ sockets: [socket], flows: [query(id, 40000 + id)] });
      world.report({ removed: [id], flowsRemoved: id > 1 ? [id - 1] : [] });
    }
    world.wait(SETTLED_MS);
    assert.deepEqual(
      world.connections().map(({ count, closed, evidence }) => [count, closed, evidence.join()]),
      [[30, true, "client-socket,flow"]],
    );
    const [edge] = world.aggregator.query.edges(undefined, 10).items;
    assert.deepEqual([edge?.connections, edge?.evidence], [30, ["client-socket", "flow"]]);
  });

  it("of one pod are one whether its sockets connect or not", () => {
    const world = new World();
    world
      .report(withPods)
      .report({ coverage: { conntrack: "events" } })
      .report({ coverage: { conntrack: "events" } });
    world.report({ sockets: [{ ...CLIENT, local: "10.1.0.1:40001" }], flows: [query(1, 40001)] });
    world.report({ removed: [1] });
    world.report({ flows: [query(2, 40002), query(3, 40003)] }).wait(SETTLED_MS);
    assert.deepEqual(
      world.connections().map(({ count }) => count),
      [3],
    );
  });

  it("of ping are one for each pair", () => {
    const world = worldOf("a");
    world.report({ flows: [ping(1), ping(2), ping(3)] }).wait(SETTLED_MS);
    assert.deepEqual(
      world.connections().map(({ count, icmp }) => [count, icmp?.id]),
      [[3, 3]],
    );
  });

  it("are counted again if a tuple is reused at once", () => {
    const world = worldOf("a", "b");
    const plain = query(1, 40001).replace("dst=10.96.0.9", "dst=10.1.0.2");
    world.report({ flows: [query(1, 40001)] }, "a").report({ flows: [plain] }, "b");
    world.report({ flowsRemoved: [1], flows: [query(2, 40001)] }, "a");
    world.report({ flowsRemoved: [1], flows: [plain.replace("id=1", "id=2")] }, "b");
    world.wait(SETTLED_MS);
    assert.deepEqual(
      world.connections().map(({ count }) => count),
      [2],
    );
  });
});

const restart = (world: World, flows: readonly string[]): World => {
  world.wait(5000);
  Object.assign(world.agent(), { epoch: world.agent().epoch + 60_000, sequence: 0, ticks: 0 });
  return world.report({ ...begin, flows }).wait(SETTLED_MS);
};
const sctp = (id: number): string =>
  flowLine("sctp", id, "10.1.0.1:7 > 10.1.0.9:80", "10.1.0.9:80 > 10.1.0.1:7");

void describe("flows after their agent restarted", () => {
  it("are those before, counted once", () => {
    const world = worldOf("a")
      .report({ flows: [udpToService, ping(1), sctp(2)] })
      .wait(SETTLED_MS);
    const before = world.lines();
    assert.equal(before.length, 3);
    restart(world, [udpToService.replace("id=7", "id=1"), ping(3), sctp(4)]);
    // The id of a ping distinguishes conversations.
    const counts = world.connections().map(({ protocol, count }) => `${protocol} ${count}`);
    assert.deepEqual(counts.toSorted(), ["icmp 2", "sctp 1", "udp 1"]);
    assert.equal(world.lines().filter((line) => !line.endsWith("closed")).length, 3);
    restart(world, []).report({});
    assert.equal(world.lines().filter((line) => !line.endsWith("closed")).length, 0);
    world.wait(120_000);
    assert.equal(world.aggregator.counts().flows, 0);
  });

  it("are other ones if their tuples were reused", () => {
    const tcp = flowLine("tcp", 7, "192.0.2.1:40000 > 192.0.2.2:80", "192.0.2.2:80 > 192.0.2.1:40000");
    const world = worldOf("a")
      .report({ flows: [tcp.replace("ESTABLISHED", "TIME_WAIT")] })
      .wait(SETTLED_MS);
    restart(world, [tcp]);
    assert.equal(world.connections().length, 2);
  });
});

void describe("flows of several nodes", () => {
  const port = fc.constantFrom(40000, 40001);
  const server = fc.constantFrom("10.1.0.2:53", "10.1.0.3:53");
  const conversation = fc.record({
    port,
    server,
    translated: fc.boolean(),
    seenBy: fc.subarray(["a", "b", "c"], { minLength: 1 }),
  });

  it("give the same result in every order of reports, and when they are reported again", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(conversation, { maxLength: 4, selector: ({ port: p }) => p }),
        fc.shuffledSubarray(["a", "b", "c"], { minLength: 3 }),
        fc.boolean(),
        (conversations, order, again) => {
          const reportOf = (node: string): TestReport => ({
            flows: conversations.flatMap((each, at) => {
              if (!each.seenBy.includes(node)) return [];
              const client = `10.1.0.1:${each.port}`;
              const dialled = each.translated && node === "a" ? "10.96.0.9:53" : each.server;
              return [flowLine("udp", at + 1, `${client} > ${dialled}`, `${each.server} > ${client}`)];
            }),
          });
          const linesOf = (nodes: readonly string[]): string[] => {
            const world = worldOf("a", "b", "c");
            for (const node of nodes) world.report(reportOf(node), node);
            world.wait(SETTLED_MS);
            if (again) for (const node of nodes) world.report({ ...begin, ...reportOf(node) }, node);
            world.wait(SETTLED_MS);
            assert.equal(world.aggregator.counts().rowsRejected, 0);
            return world
              .connections()
              .map(({ client, server: to, via, count }) => `${client?.ip} ${to?.ip} ${via?.ip} ${count}`)
              .toSorted();
          };
          const expected = linesOf(["a", "b", "c"]);
          assert.deepEqual(linesOf(order), expected);
          assert.equal(
            expected.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0),
            conversations.length,
          );
        },
      ),
      { numRuns: 60 },
    );
  });
});
