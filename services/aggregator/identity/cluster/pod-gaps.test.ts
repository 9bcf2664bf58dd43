// Missing pods: the API server's objects compared with the pods that reports named.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { NetworkNamespace, NodeCoverage, ProcessInfo } from "../../../../lib/gen/whotalks/v1/report.ts";
import { ClusterIdentity } from "./cluster-identity.ts";
import { nodeJson, podJson } from "../../testing/cluster-objects.ts";
import { GRACE_MS, PodGapAccount } from "./pod-gaps.ts";

const KEEP_MS = 300_000;
const HOUR_MS = 3_600_000;
const BEGIN_MS = 100 * HOUR_MS;

class Cluster {
  nowMs = BEGIN_MS;
  readonly identity = new ClusterIdentity(HOUR_MS);
  readonly account = new PodGapAccount();

  put(uid: string, parts: Parameters<typeof podJson>[1] = {}): this {
    this.identity.put("pods", podJson(uid, { startedMs: BEGIN_MS - HOUR_MS, ...parts }), this.nowMs);
    return this;
  }

  remove(uid: string): this {
    this.identity.remove("pods", uid, this.nowMs);
    return this;
  }

  wait(ms: number): this {
    this.nowMs += ms;
    return this;
  }

  report(podUids: readonly string[] = [], intervalMs = 1000, node = "n1"): this {
    const namespaces = podUids.map((podUid) => NetworkNamespace.fromPartial({ podUid }));
    const coverage = NodeCoverage.fromPartial({ intervalMs });
    this.account.note({ node, namespaces, processes: [], coverage }, this.nowMs);
    return this;
  }

  unread(): string[] {
    return this.#gaps().unread.map(({ namespace, name, reason }) => `${namespace}/${name}: ${reason}`);
  }

  unobservable(): string[] {
    return this.#gaps().unobservable.map(({ name, reason }) => `${name}: ${reason}`);
  }

  #gaps(): ReturnType<PodGapAccount["gaps"]> {
    return this.account.gaps(this.identity.ranPods(), this.nowMs, KEEP_MS);
  }
}

const missed = "shop/pod-p: no pass of node n1 found its network namespace";

describe("pods that were never read", () => {
  it("are named once they have run for longer than passes take", () => {
    const cluster = new Cluster().report().put("p");
    assert.deepEqual(cluster.wait(GRACE_MS).report().unread(), []);
    assert.deepEqual(cluster.wait(1).unread(), [missed]);
  });

  it("get more time if passes are far apart", () => {
    const cluster = new Cluster().report([], 30_000).put("p");
    assert.deepEqual(cluster.wait(90_000).unread(), []);
    assert.deepEqual(cluster.wait(1).unread(), [missed]);
  });

  for (const when of ["before", "after"] as const) {
    it(`are not those that a report named ${when} the API server did`, () => {
      const cluster = new Cluster();
      if (when === "before") cluster.report(["p"]).put("p");
      else cluster.put("p").report(["p"]);
      assert.deepEqual(cluster.wait(60_000).unread(), []);
    });
  }

  it("are not those of which a process was seen", () => {
    const cluster = new Cluster().report().put("p");
    const processes = [ProcessInfo.fromPartial({ podUid: "p" })];
    cluster.account.note({ node: "n1", namespaces: [], processes, coverage: undefined }, cluster.nowMs);
    assert.deepEqual(cluster.wait(60_000).unread(), []);
  });

  it("are those on a node without an agent", () => {
    const cluster = new Cluster().report([], 1000, "n2").put("p");
    assert.deepEqual(cluster.wait(60_000).unread(), ["shop/pod-p: node n1 has no agent that reports"]);
  });

  it("are those that lived and died between two passes, for a while", () => {
    const cluster = new Cluster().report().put("p").wait(2000).report().remove("p");
    assert.deepEqual(cluster.wait(GRACE_MS).unread(), []);
    assert.deepEqual(cluster.wait(1).unread(), ["shop/pod-p: it ended before a pass of node n1 found it"]);
    assert.equal(cluster.wait(KEEP_MS - GRACE_MS - 1).unread().length, 1);
    assert.deepEqual(cluster.wait(1).unread(), []);
  });

  it("are those that had finished when they were first reported", () => {
    const cluster = new Cluster().report();
    const ended = { phase: "Succeeded", containerStartedMs: BEGIN_MS - 5000, finishedMs: BEGIN_MS - 4000 };
    cluster.put("p", ended).put("old", { ...ended, finishedMs: BEGIN_MS - KEEP_MS - 1 });
    assert.deepEqual(cluster.wait(60_000).unread(), [
      "shop/pod-p: it ended before a pass of node n1 found it",
    ]);
  });

  for (const phase of ["Pending", "Failed"]) {
    it(`are not those that never ran (${phase})`, () => {
      assert.deepEqual(new Cluster().report().put("p", { phase }).wait(60_000).unread(), []);
    });
  }

  it("are those whose init containers run", () => {
    const cluster = new Cluster().report().put("p", { phase: "Pending", containerStartedMs: BEGIN_MS });
    assert.deepEqual(cluster.wait(60_000).unread(), [missed]);
  });

  it("are not hostNetwork pods if their node was read while they ran", () => {
    const cluster = new Cluster().put("p", { hostNetwork: true });
    assert.equal(cluster.wait(60_000).unread().length, 1);
    assert.deepEqual(cluster.report().unread(), []);
    assert.deepEqual(cluster.remove("p").wait(60_000).unread(), []);
  });

  it("are hostNetwork pods that had ended when their node was first read", () => {
    const cluster = new Cluster().put("p", { hostNetwork: true }).wait(1000).remove("p");
    assert.equal(cluster.wait(60_000).report().unread().length, 1);
  });

  it("are no static pods, which reports name by their own uid", () => {
    const cluster = new Cluster().put("mirror", { staticUid: "0123" }).report(["0123"]);
    assert.deepEqual(cluster.wait(60_000).unread(), []);
    assert.equal(cluster.identity.pod("0123")?.name, "pod-mirror");
  });

  it("are not forgotten to have been read while they are known", () => {
    const cluster = new Cluster()
      .put("p")
      .report(["p", "stranger"])
      .wait(2 * HOUR_MS);
    cluster.account.forget(cluster.nowMs - HOUR_MS, (uid) => cluster.identity.pod(uid) !== undefined);
    assert.deepEqual(cluster.unread(), []);
    cluster.put("stranger").wait(60_000);
    assert.equal(cluster.unread().length, 1);
  });
});

describe("pods that cannot be read", () => {
  it("are those of a sandbox's runtime class, also if reports name their namespace", () => {
    const cluster = new Cluster().put("p", { runtimeClass: "secure" }).report(["p"]).wait(60_000);
    assert.deepEqual(cluster.unobservable(), []);
    const runtimeClass = { metadata: { uid: "rc", name: "secure" }, handler: "kata-qemu" };
    assert.equal(cluster.identity.put("runtimeclasses", runtimeClass, cluster.nowMs), true);
    const reason = "pod-p: runtime class secure (kata-qemu) is a sandbox of its own";
    assert.deepEqual([cluster.unobservable(), cluster.unread()], [[reason], []]);
  });

  it("are those of another operating system, whose nodes are not expected to report", () => {
    const cluster = new Cluster().put("p").put("q", { node: "n2", system: "windows" });
    cluster.identity.put("nodes", nodeJson("n1", [], [], "", "windows"), cluster.nowMs);
    cluster.identity.put("nodes", nodeJson("n2", [], [], "", "linux"), cluster.nowMs);
    const reasons = ["pod-p: it runs on windows", "pod-q: it runs on windows"];
    assert.deepEqual([cluster.wait(60_000).unobservable(), cluster.unread()], [reasons, []]);
    assert.deepEqual(cluster.identity.readableNodes, ["n2"]);
  });
});
