// Outcomes of connections by each kind of evidence, and the edges' outcomes.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { TestSocket } from "../testing/reports.ts";
import { World } from "../testing/world.ts";
import { flowLine } from "../testing/flow-lines.ts";
import { all, processes } from "../testing/join-cases.ts";

const begin = { keyframe: true, namespaces: all, processes } as const;
const OPENING: TestSocket = {
  id: 1,
  namespace: 1,
  local: "10.1.0.1:40000",
  remote: "192.0.2.1:81",
  state: "SYN_SENT",
  holders: [2],
};
const unanswered = flowLine("tcp", 7, "10.1.0.1:40000 > 192.0.2.1:81", "192.0.2.1:81 > 10.1.0.1:40000")
  .replace("ESTABLISHED", "SYN_SENT")
  .replace("[ASSURED] ", "")
  .replace(" src=192.0.2.1", " [UNREPLIED] src=192.0.2.1");
const reset = unanswered.replace("SYN_SENT", "CLOSE").replace("[UNREPLIED] ", "");
const askingOnly =
  "udp 17 29 src=10.1.0.1 dst=192.0.2.1 sport=40000 dport=514 [UNREPLIED] src=192.0.2.1 dst=10.1.0.1 sport=514 dport=40000 mark=0 use=1 id=7";

function outcomes(world: World): string[] {
  return world.connections().map(({ outcome }) => outcome);
}

const elsewhere = (line: string): string => line.replaceAll("10.1.0.1", "198.51.100.1");
const edgeOf = (world: World) => {
  const [edge] = world.aggregator.query.edges(undefined, 10).items;
  return [edge?.outcome, edge?.connections, edge?.refused, edge?.timedOut, edge?.pending];
};
const attempts = (ids: readonly number[], attempt: "refused" | "none") => ({
  sockets: ids.map(
    (id) => ({ ...OPENING, id, local: `10.1.0.1:${40000 + id}`, state: "CLOSE", attempt }) as const,
  ),
  removed: ids,
});

void describe("an attempt", () => {
  it("is pending until an answer arrives", () => {
    const world = new World().report({ ...begin, sockets: [OPENING], flows: [unanswered] });
    assert.deepEqual(outcomes(world), ["pending"]);
  });

  it("that the kernel reported when it destroyed the socket has the outcome that it reported", () => {
    for (const [attempt, outcome] of [
      ["refused", "refused"],
      ["unanswered", "timed-out"],
      ["none", "established"],
    ] as const) {
      const world = new World().report(begin);
      world.report({ sockets: [{ ...OPENING, state: "CLOSE", attempt, bytes: [0, 0] }], removed: [1] });
      assert.deepEqual(outcomes(world), [outcome]);
    }
  });

  it("is refused if a reset arrived, also after a while", () => {
    const world = new World().report({
      ...begin,
      sockets: [{ ...OPENING, retransmits: 1 }],
      flows: [unanswered],
    });
    world.wait(5000).report({ removed: [1] });
    assert.deepEqual(outcomes(world), ["timed-out"]);
    world.report({ flowChanges: [reset] });
    assert.deepEqual(outcomes(world), ["refused"]);
  });

  it("has timed out if its SYN was retransmitted", () => {
    const world = new World()
      .report({ ...begin, sockets: [{ ...OPENING, retransmits: 1 }] })
      .report({ removed: [1] });
    assert.deepEqual(outcomes(world), ["timed-out"]);
  });

  it("is established once the handshake is through", () => {
    const world = new World().report({ ...begin, sockets: [OPENING] });
    world.report({ changes: [{ id: 1, state: "ESTABLISHED", inode: 1001 }] }).report({ removed: [1] });
    assert.deepEqual(outcomes(world), ["established"]);
  });
});

void describe("a flow without sockets", () => {
  it("is pending until it is answered, and has timed out when it ends without", () => {
    const world = new World().report({ ...begin, flows: [askingOnly] });
    assert.deepEqual(outcomes(world), ["pending"]);
    world.report({ flowsRemoved: [7] });
    assert.deepEqual(outcomes(world), ["timed-out"]);
  });

  it("is established by its answer", () => {
    const world = new World().report({ ...begin, flows: [askingOnly] });
    world.report({ flowChanges: [askingOnly.replace("[UNREPLIED] ", "")] }).report({ flowsRemoved: [7] });
    assert.deepEqual(outcomes(world), ["established"]);
  });

  it("that reaches a listener counts as traffic without an answer", () => {
    const listener = {
      id: 9,
      namespace: 2,
      protocol: "udp",
      local: "*:514",
      state: "CLOSE",
      holders: [1],
    } as const;
    const namespaces = all.map((each) =>
      each.id === 2 ? { ...each, addresses: [Uint8Array.of(192, 0, 2, 1)] } : each,
    );
    const world = new World().report({ ...begin, namespaces, sockets: [listener], flows: [askingOnly] });
    assert.deepEqual(outcomes(world), ["established"]);
  });

  it("of TCP went as conntrack says", () => {
    for (const [line, open, closed] of [
      [unanswered, "pending", "timed-out"],
      [reset, "refused", "refused"],
      [
        flowLine("tcp", 7, "10.1.0.1:1 > 192.0.2.1:81", "192.0.2.1:81 > 10.1.0.1:1"),
        "established",
        "established",
      ],
    ] as const) {
      const world = new World().report({ ...begin, flows: [elsewhere(line)] });
      assert.deepEqual(outcomes(world), [open]);
      world.wait(16_000).report({ flowsRemoved: [7] });
      assert.deepEqual(outcomes(world), [closed]);
    }
  });
});

void describe("an edge", () => {
  it("of refused attempts alone is refused, and one connection makes it established", () => {
    const world = new World().report(begin).report(attempts([1, 2, 3], "refused"));
    assert.deepEqual(edgeOf(world), ["refused", 3, 3, 0, 0]);
    world.report({ sockets: [{ ...OPENING, id: 4, local: "10.1.0.1:40004" }] });
    assert.deepEqual(edgeOf(world), ["pending", 4, 3, 0, 1]);
    world.report(attempts([5], "none"));
    assert.deepEqual(edgeOf(world), ["established", 5, 3, 0, 1]);
  });

  it("remembers attempts that are forgotten by themselves", () => {
    const world = new World().report(begin).report(attempts([1, 2], "refused"));
    world.wait(50_000).report({}).wait(50_000);
    assert.deepEqual(world.connections(), []);
    assert.deepEqual(edgeOf(world), ["refused", 2, 2, 0, 0]);
  });
});
