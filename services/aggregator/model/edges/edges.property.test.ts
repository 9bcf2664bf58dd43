// Edges are updated as connections appear, change and disappear; at any moment they must equal the sum of the
// connections.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";

import { Filter } from "../../../../lib/gen/whotalks/v1/query.ts";
import type { Edge } from "../../../../lib/gen/whotalks/v1/query.ts";
import { flowLine } from "../../testing/flow-lines.ts";
import type { TestReport, TestSocket } from "../../testing/reports.ts";
import { World } from "../../testing/world.ts";

const processes = [1, 2, 3].map((id) => ({
  id,
  pid: 10 + id,
  startTicks: id,
  name: `p${id}`,
  exe: `/bin/p${id}`,
}));
const namespaces = [
  { id: 0, inode: 1, host: true },
  { id: 1, inode: 101 },
  { id: 2, inode: 102 },
];
const states = [
  "ESTABLISHED",
  "TIME_WAIT",
  "SYN_SENT",
  "CLOSE_WAIT",
  "FIN_WAIT2",
  "LISTEN",
  "SYN_RECV",
] as const;

const bytes = fc.option(fc.tuple(fc.nat(9), fc.nat(9)), { nil: undefined });

// Few values, so that tuples match, mirror each other, are reused and conflict.
const socket: fc.Arbitrary<Omit<TestSocket, "id">> = fc
  .record({
    namespace: fc.constantFrom(0, 1, 2),
    protocol: fc.constantFrom("tcp" as const, "tcp" as const, "udp" as const),
    localHost: fc.constantFrom("127.0.0.1", "10.0.0.1", "10.0.0.2"),
    remoteHost: fc.constantFrom("127.0.0.1", "10.0.0.1", "10.0.0.2", "192.0.2.1"),
    localPort: fc.constantFrom(80, 443, 40000),
    remotePort: fc.constantFrom(80, 443, 40000),
    state: fc.constantFrom(...states),
    inode: fc.constantFrom(0, 501, 502, 503),
    holders: fc.subarray([1, 2, 3]),
    bytes,
  })
  .map(
    ({
      namespace,
      protocol,
      localHost,
      remoteHost,
      localPort,
      remotePort,
      state,
      inode,
      holders,
      bytes: carried,
    }) => ({
      namespace,
      protocol,
      local: `${localHost}:${localPort}`,
      ...(state === "LISTEN" ? {} : { remote: `${remoteHost}:${remotePort}` }),
      state: protocol === "udp" ? (state === "LISTEN" ? "CLOSE" : "ESTABLISHED") : state,
      inode,
      holders,
      ...(carried === undefined ? {} : { bytes: carried }),
    }),
  );

// Original and reply match the sockets' tuples and each other's, translated or not.
const flow = fc
  .record({
    protocol: fc.constantFrom("tcp" as const, "udp" as const, "sctp" as const),
    source: fc.constantFrom("10.0.0.1", "10.0.0.2", "127.0.0.1"),
    dialled: fc.constantFrom("10.0.0.1", "10.0.0.2", "192.0.2.1"),
    answered: fc.constantFrom("10.0.0.2", "10.0.0.2", "192.0.2.1"),
    seenAs: fc.constantFrom("10.0.0.1", "10.0.0.1", "10.0.0.2"),
    port: fc.constantFrom(40000, 443),
    replied: fc.boolean(),
    packets: fc.nat(3),
    namespace: fc.constantFrom(0, 0, 1),
  })
  .map(({ protocol, source, dialled, answered, seenAs, port, replied, packets, namespace }) => ({
    namespace,
    lineOf: (id: number): string => {
      const line = flowLine(
        protocol,
        id,
        `${source}:${port} > ${dialled}:80`,
        `${answered}:80 > ${seenAs}:${port}`,
      );
      const answer = replied ? line : line.replace(" [ASSURED]", "");
      return packets === 0
        ? answer
        : answer
            .replace(" mark", ` packets=${packets} bytes=${packets * 60} mark`)
            .replace("dport=80 ", `dport=80 packets=${packets} bytes=${packets * 40} `);
    },
  }));

const step = fc.record({
  flows: fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), flow), { maxLength: 3 }),
  flowsRemoved: fc.subarray([1, 2, 3, 4, 5]),
  waitMs: fc.constantFrom(0, 0, 3000, 20_000),
  node: fc.constantFrom("a", "b"),
  held: fc.constantFrom(false, false, false, true),
  keyframe: fc.boolean(),
  sockets: fc.array(fc.tuple(fc.integer({ min: 1, max: 8 }), socket), { maxLength: 6 }),
  removed: fc.subarray([1, 2, 3, 4, 5, 6, 7, 8]),
  changes: fc.array(
    fc.record({
      id: fc.integer({ min: 1, max: 8 }),
      state: fc.constantFrom("ESTABLISHED" as const, "TIME_WAIT" as const, "CLOSE_WAIT" as const),
      inode: fc.constantFrom(0, 501, 502),
      bytes,
    }),
    { maxLength: 3 },
  ),
});

function endText(each: Edge["client"]): string {
  return `${each!.kind} ${each!.process?.name ?? ""} ${each!.ip} ${each!.node}`;
}

function summary(edge: Edge): string {
  const { client, server, connections, open, evidence, protocol, port, bytesToServer, bytesToClient } = edge;
  const { outcome, refused, timedOut, pending, via } = edge;
  const went = `${outcome} ${refused}/${timedOut}/${pending}`;
  return `${endText(client)} > ${endText(server)} ${protocol} ${port} ${via?.ip}:${via?.port}: ${connections} ${open} ${went} ${evidence.join()} ${bytesToServer}/${bytesToClient}`;
}

test("edges kept incrementally equal edges added up from connections", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
      const world = new World(undefined, { closedKeepMs: 1e9, nodeLostMs: 1e9 });
      for (const node of ["a", "b"]) world.report({ keyframe: true, namespaces, processes }, node);
      for (const { node, keyframe, held, sockets, removed, changes, flows, flowsRemoved, waitMs } of steps) {
        const bySocketId = new Map(sockets);
        const byFlowId = new Map(flows);
        const report: TestReport = {
          keyframe,
          ...(keyframe ? { namespaces, processes } : {}),
          sockets: [...bySocketId].map(([id, each]) => ({ id, ...each })),
          flows: [...byFlowId].map(([id, each]) => ({ line: each.lineOf(id), namespace: each.namespace })),
          ...(keyframe
            ? {}
            : { removed: removed.filter((id) => !bySocketId.has(id)), changes, flowsRemoved }),
        };
        // A report that is held reaches the stream after others that were made later.
        const encoded = world.agent(node).encode(report);
        const heldMs = held ? 20_000 : 0;
        world.wait(heldMs).send(encoded, heldMs).wait(waitMs);
        const { query } = world.aggregator;
        const kept = [...query.edges(undefined, 1000).items].map(summary).toSorted();
        // Every outcome: a filter that edges alone cannot answer, and that excludes nothing.
        const everything = Filter.fromPartial({
          outcomes: ["established", "refused", "timed-out", "pending"],
        });
        const addedUp = [...query.edges(everything, 1000).items].map(summary).toSorted();
        assert.deepEqual(kept, addedUp);
        assert.equal(
          [...query.edges(undefined, 1000).items].reduce((sum, edge) => sum + edge.connections, 0),
          world.connections().reduce((sum, connection) => sum + connection.count, 0),
        );
      }
      // All agents are gone: nothing may be left over.
      world.wait(1e9).wait(1e9);
      const { sockets, connections, addresses, listeners, ambiguousEnds, flows } = world.aggregator.counts();
      assert.deepEqual(
        { sockets, connections, listeners, ambiguousEnds, flows },
        { sockets: 0, connections: 0, listeners: 0, ambiguousEnds: 0, flows: 0 },
      );
      assert.equal(addresses, 0);
    }),
    { numRuns: 400 },
  );
});
