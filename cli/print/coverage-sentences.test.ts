import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Coverage } from "../../lib/gen/whotalks/v1/query.ts";
import {
  accountSentence,
  countedSentence,
  missingLine,
  missingSentences,
  readSentence,
} from "./coverage-sentences.ts";

const needRoot = "The file descriptors of some processes cannot be read: run as root";
const forbidden =
  "The file descriptors of some processes cannot be read in spite of everything: a module forbids it";
const node = {
  node: "n1",
  namespaces: 2,
  processes: 10,
  sockets: 120,
  intervalMs: 1000,
  ageMs: 400,
  sinceMs: 1,
};

describe("coverage in sentences", () => {
  it("says nothing if nothing is missing", () => {
    const coverage = Coverage.fromPartial({ nodes: [node], nodesExpected: 1 });
    assert.equal(missingLine(coverage), "");
    assert.deepEqual(missingSentences(coverage), []);
    assert.equal(
      readSentence(coverage),
      "Read 1 node, 2 network namespaces, 10 processes and 120 sockets, 0s ago.",
    );
  });

  it("counts only nodes that were read", () => {
    const nodes = [{ ...node, sinceMs: 0 }];
    assert.equal(
      readSentence(Coverage.fromPartial({ nodes, nodesExpected: 1 })),
      "Nothing has been read yet: no node has reported.",
    );
  });

  it("names a node whose agent restarted", () => {
    const restarted = { ...node, agentRestarts: 2, agentAwayMs: 3210 };
    assert.deepEqual(missingSentences(Coverage.fromPartial({ nodes: [restarted], nodesExpected: 1 })), [
      "n1: The agent restarted 2 times; nothing was read for 3.2 s in all.",
    ]);
  });

  it("says what the aggregator may not see, and what to grant", () => {
    const limit = "may not list jobs.batch: CronJobs are unknown; grant list and watch on jobs.batch";
    const coverage = Coverage.fromPartial({ nodes: [node], nodesExpected: 1, limits: [limit] });
    assert.equal(
      missingLine(coverage),
      "the aggregator may not see some of the cluster's objects: see coverage",
    );
    assert.deepEqual(missingSentences(coverage), [`The aggregator ${limit}`]);
  });

  const gaps: ReadonlyArray<
    readonly [name: string, coverage: Parameters<typeof Coverage.fromPartial>[0], line: string]
  > = [
    ["no node", { nodesExpected: 2 }, "no node has reported yet"],
    ["a node that is silent", { nodes: [node], nodesExpected: 2 }, "1 of 2 nodes reported"],
    [
      "a node that is late",
      { nodes: [{ ...node, ageMs: 65_000 }], nodesExpected: 1 },
      "n1 was last read 65s ago",
    ],
    [
      "nodes that are late",
      {
        nodes: [
          { ...node, ageMs: 65_000 },
          { ...node, node: "n2", ageMs: 70_000 },
        ],
        nodesExpected: 2,
      },
      "n1, n2 were last read 70s ago",
    ],
    [
      "a node that was never read",
      { nodes: [node, { ...node, node: "n2", sinceMs: 0, ageMs: 0 }], nodesExpected: 2 },
      "1 of 2 nodes reported: nothing from n2",
    ],
    [
      "sockets of others",
      { nodes: [{ ...node, socketsUnattributed: 3, limits: [needRoot] }] },
      "3 of 120 sockets have no process: run as root",
    ],
    [
      "sockets of the kernel",
      { nodes: [{ ...node, socketsUnattributed: 1 }] },
      "1 of 120 sockets has no process",
    ],
    [
      "closed files",
      { nodes: [{ ...node, processesWithoutFds: 1, limits: [forbidden] }] },
      "the files of 1 process could not be read: see coverage",
    ],
    [
      "hidden namespaces",
      { nodes: [{ ...node, processesUnreadable: 4 }] },
      "the network namespace of 4 processes is unknown",
    ],
    [
      "failed namespaces",
      { nodes: [{ ...node, namespacesFailed: 1 }] },
      "1 network namespace could not be read",
    ],
    [
      "unseen connections",
      { nodes: [{ ...node, unseen: 1 }] },
      "the kernel opened 1 connection end that was not seen",
    ],
    [
      "malformed lines",
      { nodes: [{ ...node, linesMalformed: 2 }] },
      "2 lines of kernel tables made no sense",
    ],
    [
      "full tables of an agent",
      { nodes: [{ ...node, socketsOverflowed: 1 }] },
      "1 socket or flow found no room in an agent's tables",
    ],
    [
      "full tables of the aggregator",
      { nodes: [node], storeOverflowed: 2 },
      "2 connections found no room in the aggregator's tables",
    ],
    ["lost reports", { nodes: [{ ...node, gaps: 2 }] }, "2 reports were lost"],
    ["rejected reports", { nodes: [node], reportsRejected: 1 }, "1 report made no sense"],
    ["ambiguous ends", { nodes: [node], endsAmbiguous: 2 }, "2 sockets could belong to several connections"],
    [
      "unread pods",
      { nodes: [node], podsUnread: ["a", "b", "c", "d", "e"] },
      "5 pods ran and were never read: a, b, c and 2 more",
    ],
    ["one unread pod", { nodes: [node], podsUnread: ["shop/a"] }, "1 pod ran and was never read: shop/a"],
    [
      "unread pods beyond those named",
      { nodes: [node], podsUnread: ["a", "b", "c", "d"], podsUnreadMore: 96 },
      "100 pods ran and were never read: a, b, c and 97 more",
    ],
    [
      "unobservable pods",
      { nodes: [node], podsUnobservable: ["a"] },
      "1 pod in sandboxes or other systems cannot be read: a",
    ],
    [
      "nodes without an agent",
      { nodes: [node, { ...node, node: "gone" }], nodesExpected: 2, nodesUnread: ["n2"] },
      "1 of 2 nodes reported: nothing from n2",
    ],
  ];
  for (const [name, coverage, line] of gaps) {
    it(`names ${name}`, () => assert.equal(missingLine(Coverage.fromPartial(coverage)), line));
  }

  it("compares what the kernel opened with what was seen", () => {
    const nowMs = 1_700_000_000_000;
    const account = { openedByKernel: 20_001, seen: 20_000, unseen: 1, sinceMs: nowMs - 90_000 };
    assert.equal(
      accountSentence(Coverage.fromPartial(account), nowMs),
      "The kernel opened 20001 connection ends: 20000 seen, 1 unseen (every node counts since 90s ago).",
    );
    assert.equal(
      accountSentence(Coverage.fromPartial({ ...account, nodes: [node], failedByKernel: 1 }), nowMs),
      "The kernel opened 20001 connection ends, 1 failed attempt among them: 20000 seen, 1 unseen (since 90s ago).",
    );
    assert.equal(accountSentence(Coverage.create(), nowMs), "");
  });

  it("says since when edges count, and for which nodes later", () => {
    const nowMs = 1_700_000_000_000;
    const since = (name: string, ageMs: number): object => ({
      ...node,
      node: name,
      countedSinceMs: nowMs - ageMs,
    });
    const of = (...nodes: object[]): string => countedSentence(Coverage.fromPartial({ nodes }), nowMs);
    assert.equal(of(node), "");
    assert.equal(
      of(since("n1", 21_600_000), since("n2", 21_500_000)),
      "Edges count connections since 6h ago.",
    );
    assert.equal(
      of(since("n1", 21_600_000), since("n2", 840_000), since("n3", 60_000)),
      "Edges count connections since 6h ago, those of n2 since 14m ago, n3 since 60s ago.",
    );
  });

  it("says if closed connections that should be kept are unknown, except for an agent that just started", () => {
    const keptSinceMs = 1_700_000_000_000;
    const short = { ...node, countedSinceMs: keptSinceMs + 120_000, sinceMs: keptSinceMs - 3_600_000 };
    const coverage = Coverage.fromPartial({ keptSinceMs, nodes: [short, { ...node, node: "n2" }] });
    const time = new Date(short.countedSinceMs).toTimeString().slice(0, 8);
    assert.equal(missingLine(coverage), `of n1 only what closed since ${time} is known`);
    assert.deepEqual(missingSentences(coverage), [`Of n1 only what closed since ${time} is known.`]);
    const fresh = { ...short, sinceMs: short.countedSinceMs - 1000 };
    assert.equal(missingLine(Coverage.fromPartial({ keptSinceMs, nodes: [fresh] })), "");
    assert.equal(
      missingLine(Coverage.fromPartial({ keptSinceMs: keptSinceMs + 120_000, nodes: [short] })),
      "",
    );
  });

  it("names every pod below the coverage table, after the limits", () => {
    const podsUnread = ["shop/a", "shop/b", "shop/c", "shop/d"];
    const coverage = Coverage.fromPartial({ nodes: [{ ...node, limits: ["no BTF"] }], podsUnread });
    assert.deepEqual(missingSentences(coverage), [
      "n1: no BTF",
      "4 pods ran and were never read: shop/a, shop/b, shop/c, shop/d.",
    ]);
  });

  it("keeps the line short and says where the rest is", () => {
    const coverage = Coverage.fromPartial({
      nodes: [{ ...node, namespacesFailed: 1, unseen: 2, gaps: 1, limits: ["No CAP_SYS_PTRACE."] }],
      nodesExpected: 1,
    });
    assert.equal(
      missingLine(coverage),
      "1 network namespace could not be read; the kernel opened 2 connection ends that were not seen; 1 more: see coverage",
    );
    assert.deepEqual(missingSentences(coverage), [
      "1 network namespace could not be read.",
      "The kernel opened 2 connection ends that were not seen.",
      "1 report was lost.",
      "n1: No CAP_SYS_PTRACE.",
    ]);
  });
});
