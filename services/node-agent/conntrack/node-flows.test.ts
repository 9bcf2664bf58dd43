// Flows of the node and of pods' network namespaces, with and without the required privileges.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import type { FlowNamespace } from "../observation.ts";
import { inodeOfLink } from "../processes/namespace-link.ts";
import { Account, ConntrackNamespace, conntrackObstacle, textsOfLines } from "./testing/flows.ts";
import { NodeFlows } from "./node-flows.ts";

const skip = conntrackObstacle() ?? false;
const DEADLINE_MS = 60_000;

// A clock that only a test moves: checks and readings happen when the test says so.
function flowsOf() {
  const clock = { nowMs: 0 };
  const flows = new NodeFlows({ procRoot: "/proc", choice: "auto", elapsedMs: () => clock.nowMs });
  return { clock, flows };
}

function recordOf(id: number, pid: number): FlowNamespace {
  return { id, record: { inode: inodeOfLink(`/proc/${pid}/ns/net`), host: false, pids: [pid] } };
}

function insert(namespace: ConntrackNamespace, port: number): void {
  const words = ["-s", "10.0.0.1", "-d", "10.0.0.2", "--sport", String(port), "--dport", "53"];
  namespace.insert("udp", ...words);
}

// Collects the flows of some namespaces as text, without those of the node's own.
class PodAccount extends Account {
  constructor(flows: NodeFlows, ids: readonly number[]) {
    super(true);
    const { added } = flows.take(true);
    for (let row = added.length - 1; row >= 0; row--)
      if (!ids.includes(added.namespace[row]!)) added.copyRow(row, added, --added.length);
    this.apply({ added, changed: added, removed: [] });
  }
}

// Runs the program in a process without some capabilities; returns a namespace's flows, and the mode and
// limits that it reports.
function withoutCapabilities(pid: number, lacking: readonly string[]) {
  const script = `
    import { NodeFlows } from ${JSON.stringify(new URL("node-flows.ts", import.meta.url).href)};
    const flows = new NodeFlows({ procRoot: "/proc", choice: "auto", elapsedMs: () => 0 });
    await flows.refresh(${JSON.stringify([recordOf(7, pid)])});
    const { added } = flows.take(true);
    let count = 0;
    for (let row = 0; row < added.length; row++) if (added.namespace[row] === 7) count++;
    console.log(JSON.stringify({ mode: flows.mode, count, limits: flows.limits() }));
    process.exit();`;
  const sets = lacking.map((name) => `-${name}`).join(",");
  const output = execFileSync(
    "setpriv",
    [`--bounding-set=${sets}`, process.execPath, "--input-type=module", "-e", script],
    { encoding: "utf8" },
  );
  return JSON.parse(output) as { mode: string; count: number; limits: string[] };
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const start = performance.now(); !condition(); await sleep(20))
    if (performance.now() - start > DEADLINE_MS) assert.fail(`still not: ${what}`);
}

describe("flows of a node", { skip }, () => {
  it("are those of every namespace that has any, under the namespace's id", async () => {
    using one = await new ConntrackNamespace().ready();
    using two = await new ConntrackNamespace().ready();
    using empty = await new ConntrackNamespace().ready();
    insert(one, 1);
    insert(two, 1);
    const { flows, clock } = flowsOf();
    const namespaces = [recordOf(1, one.pid), recordOf(2, two.pid), recordOf(3, empty.pid)];
    await flows.refresh(namespaces);
    assert.equal(flows.pods, 2, "a namespace without entries costs a look and no more");
    assert.deepEqual(new PodAccount(flows, [1]).texts(), textsOfLines(one.list(), true));
    assert.deepEqual(new PodAccount(flows, [2]).texts(), textsOfLines(two.list(), true));
    insert(one, 2);
    insert(empty, 9);
    clock.nowMs += 60_001;
    await flows.refresh(namespaces);
    assert.deepEqual(new PodAccount(flows, [1]).texts(), textsOfLines(one.list(), true));
    assert.deepEqual(new PodAccount(flows, [3]).texts(), textsOfLines(empty.list(), true));
    flows.close();
  });

  it("end with their namespace, which nothing of ours keeps alive", async () => {
    const pod = await new ConntrackNamespace().ready();
    const link = `wtc${process.pid}`;
    execFileSync("ip", ["link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", pod.name]);
    insert(pod, 1);
    const { flows } = flowsOf();
    await flows.refresh([recordOf(1, pod.pid)]);
    const { added } = flows.take(false);
    const ids = Array.from(added.id.subarray(0, added.length)).filter((_, row) => added.namespace[row] === 1);
    assert.equal(ids.length, 1);
    pod[Symbol.dispose]();
    // The kernel removes the link together with the namespace.
    await until("the namespace is gone", () => !existsSync(`/sys/class/net/${link}`));
    await flows.refresh([]);
    assert.ok(flows.take(false).removed.includes(ids[0]!));
    assert.equal(flows.pods, 0);
    flows.close();
  });

  it("are not read in what has the number of a namespace's process now", async () => {
    using one = await new ConntrackNamespace().ready();
    using two = await new ConntrackNamespace().ready();
    insert(one, 1);
    const { record } = recordOf(1, two.pid);
    const { flows } = flowsOf();
    await flows.refresh([{ id: 1, record: { ...record, pids: [one.pid] } }]);
    assert.deepEqual(new PodAccount(flows, [1]).texts(), []);
    flows.close();
  });

  it("of pods are read as text if their namespaces may not be entered", async (test) => {
    using pod = await new ConntrackNamespace().ready();
    if (pod.text() === null) return test.skip("this kernel has no /proc/net/nf_conntrack");
    insert(pod, 1);
    const { count, limits } = withoutCapabilities(pod.pid, ["sys_admin"]);
    assert.equal(count, 1);
    assert.deepEqual(
      limits.filter((limit) => limit.includes("cannot be read")),
      [],
    );
  });

  it("are read as text without NET_ADMIN, which the limits name", async (test) => {
    using pod = await new ConntrackNamespace().ready();
    if (pod.text() === null) return test.skip("this kernel has no /proc/net/nf_conntrack");
    insert(pod, 1);
    const { mode, count, limits } = withoutCapabilities(pod.pid, ["net_admin", "sys_admin"]);
    assert.equal(mode, "proc");
    assert.equal(count, 1);
    assert.ok(
      limits.some((limit) => limit.includes("NET_ADMIN")),
      limits.join("\n"),
    );
  });
});
