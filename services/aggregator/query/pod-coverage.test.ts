// Pod coverage in answers, from reports with the namespaces' own accounts.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { PodCoverage } from "../../../lib/gen/whotalks/v1/query.ts";
import { podJson } from "../testing/cluster-objects.ts";
import { shop } from "../testing/cluster-shop.ts";
import { START_MS, World } from "../testing/world.ts";
import type { ClusterCoverage } from "./coverage.ts";
import { REMOVED_NODE_KEEP_MS } from "./coverage.ts";

const namespaces = [
  { id: 0, inode: 100, host: true },
  { id: 1, inode: 101, podUid: "web" },
  { id: 2, inode: 102, podUid: "db" },
  { id: 3, inode: 103, containerId: "c".repeat(64) },
];
const accounts = [
  { namespace: 0, openedByKernel: 10, seen: 10, since: 0 },
  { namespace: 1, openedByKernel: 6, failedByKernel: 1, seen: 4, unseen: 2, since: 50, readMicros: 7 },
  { namespace: 2, openedByKernel: 5, seen: 5, since: 0, destroyed: "none" },
  { namespace: 3 },
];

function world(cluster: Partial<ClusterCoverage> = {}): World {
  const identity = shop();
  identity.put("pods", podJson("db", { name: "db-0" }), 0);
  const clusterCoverage = (): ClusterCoverage => ({
    nodesExpected: new Set(["a", "b"]),
    nodesUnread: [],
    podsUnread: [],
    podsUnobservable: [],
    limits: [],
    ...cluster,
  });
  return new World(identity, { clusterCoverage, closedKeepMs: 60_000 });
}

function pods(from: World): PodCoverage[] {
  return from.aggregator.query.coverage(true).pods;
}

function lines(from: World): string[] {
  return pods(from).map((pod) => {
    const who = pod.pod === "" ? pod.container.slice(0, 1) || "node" : pod.pod;
    return `${who} ${pod.status} ${pod.openedByKernel}/${pod.seen}/${pod.unseen}`;
  });
}

describe("each pod's own account", () => {
  it("names the pod, with the most unseen first", () => {
    const reported = world().report({ keyframe: true, namespaces, accounts });
    assert.deepEqual(lines(reported), [
      "pod-web read 6/4/2",
      "node read 10/10/0",
      "c read 0/0/0",
      "db-0 read 5/5/0",
    ]);
    const [web] = pods(reported);
    assert.deepEqual(
      [web!.namespace, web!.podUid, web!.node, web!.reader, web!.destroyed, web!.failedByKernel],
      ["shop", "web", "a", "test", "events", 1],
    );
    // The report is of tick 100 and came a second after the start; the account counts since tick 50.
    assert.equal(web!.sinceMs, START_MS + 500);
    assert.equal(web!.networkNamespace, 101);
    assert.equal(web!.readMicros, 7);
  });

  it("is returned only on request", () => {
    const reported = world().report({ keyframe: true, namespaces, accounts });
    assert.deepEqual(reported.aggregator.query.coverage().pods, []);
  });

  it("takes what a delta changed and keeps the rest", () => {
    const reported = world()
      .report({ keyframe: true, namespaces, accounts })
      .report({
        accounts: [{ namespace: 2, openedByKernel: 9, seen: 6, unseen: 3 }],
        sockets: [{ id: 1, namespace: 2, local: "10.0.0.2:5432", remote: "10.0.0.3:40000" }],
      });
    assert.deepEqual(lines(reported).slice(0, 2), ["db-0 read 9/6/3", "pod-web read 6/4/2"]);
  });

  it("outlives its namespace for as long as ended connections are kept", () => {
    const reported = world()
      .report({ keyframe: true, namespaces, accounts })
      .report({
        namespacesRemoved: [1],
        accounts: [{ namespace: 1, openedByKernel: 8, seen: 5, unseen: 3 }],
        sockets: [{ id: 1, namespace: 1, local: "10.0.0.1:40000", remote: "10.0.0.2:5432" }],
      });
    assert.equal(lines(reported)[0], "pod-web ended 8/5/3");
    reported.wait(50_000);
    assert.equal(lines(reported)[0], "pod-web ended 8/5/3");
    reported.wait(20_000);
    assert.ok(!lines(reported).some((line) => line.startsWith("pod-web")));
  });

  it("ends with a keyframe that does not name its namespace", () => {
    const reported = world()
      .report({ keyframe: true, namespaces, accounts })
      .report({ keyframe: true, namespaces: namespaces.slice(0, 2), accounts: accounts.slice(0, 2) });
    assert.equal(
      lines(reported).find((line) => line.startsWith("db-0")),
      "db-0 ended 5/5/0",
    );
  });

  it("of an unknown namespace is counted", () => {
    const reported = world().report({ keyframe: true, namespaces, accounts: [{ namespace: 9 }] });
    assert.equal(reported.aggregator.counts().rowsRejected, 1);
  });

  it("that could not be read in any pass is a pod that was never read", () => {
    const failing = [{ namespace: 1, read: false }];
    const reported = world().report({ keyframe: true, namespaces, accounts: failing });
    assert.deepEqual(reported.aggregator.query.coverage().podsUnread, ["shop/pod-web"]);
    assert.equal(lines(reported)[0], "pod-web unread 0/0/0");
    reported.report({ accounts: [{ namespace: 1 }] }).report({ accounts: failing });
    assert.deepEqual(reported.aggregator.query.coverage().podsUnread, []);
    assert.equal(lines(reported)[0], "pod-web failed 0/0/0");
  });

  it("of a sandbox is that it cannot be read", () => {
    const reason = "runtime class gvisor (runsc) is a sandbox of its own";
    const gap = { uid: "web", namespace: "shop", name: "pod-web", node: "a", reason };
    const reported = world({ podsUnobservable: [gap] }).report({ keyframe: true, namespaces, accounts });
    const rows = pods(reported).filter(({ podUid }) => podUid === "web");
    assert.deepEqual(
      rows.map((row) => [row.status, row.reason, row.unseen]),
      [["unobservable", reason, 0]],
    );
  });
});

describe("every answer's coverage", () => {
  it("says what the aggregator may not see of the cluster", () => {
    const limits = ["may not list nodes: zones stay unknown; grant list and watch on nodes"];
    const from = world({ limits }).report({ keyframe: true, namespaces, accounts });
    assert.deepEqual(from.aggregator.query.coverage().limits, limits);
  });

  it("adds the nodes up, since the last of them began to count", () => {
    const reported = world();
    const node = { openedByKernel: 20, failedByKernel: 2, seen: 17, unseen: 3 };
    reported.report({ keyframe: true, coverage: node });
    reported.wait(10_000).report({ keyframe: true, coverage: { ...node, unseen: 1 } }, "b");
    const { openedByKernel, failedByKernel, seen, unseen, sinceMs } = reported.aggregator.query.coverage();
    assert.deepEqual([openedByKernel, failedByKernel, seen, unseen], [40, 4, 34, 4]);
    assert.equal(sinceMs, reported.aggregator.query.coverage().nodes[1]!.sinceMs);
  });

  it("leaves a node out that the cluster has no more, some time after its last report", () => {
    const reported = world().report({ keyframe: true }).report({ keyframe: true }, "removed");
    const names = (): string[] => reported.aggregator.query.coverage().nodes.map(({ node }) => node);
    reported.wait(REMOVED_NODE_KEEP_MS);
    assert.deepEqual(names(), ["a", "removed"]);
    reported.wait(1001);
    assert.deepEqual(names(), ["a"]);
    const unknowing = world({ nodesExpected: new Set() }).report({ keyframe: true });
    unknowing.wait(2 * REMOVED_NODE_KEEP_MS);
    assert.equal(unknowing.aggregator.query.coverage().nodes.length, 1);
  });

  it("names pods and nodes up to a limit and counts the rest", () => {
    const podsUnread = Array.from({ length: 130 }, (_, index) => ({
      uid: `u${index}`,
      namespace: "shop",
      name: `p${index}`,
      node: "n3",
      reason: "node n3 has no agent that reports",
    }));
    const coverage = world({ podsUnread, nodesUnread: ["n3"] }).aggregator.query.coverage(true);
    assert.deepEqual([coverage.podsUnread.length, coverage.podsUnreadMore], [100, 30]);
    assert.equal(coverage.podsUnread[0], "shop/p0");
    assert.deepEqual(coverage.nodesUnread, ["n3"]);
    assert.equal(coverage.pods.filter(({ status }) => status === "unread").length, 130);
  });
});
