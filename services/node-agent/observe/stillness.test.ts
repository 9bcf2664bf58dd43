// What lets a pass be taken for the one before.

import assert from "node:assert/strict";
import { it } from "node:test";

import { ProcessInfo } from "../../../lib/gen/whotalks/v1/report.ts";
import type { NamespaceRecord, ProcessRecord, ProcessScan } from "../observation.ts";
import { areProcessesStill } from "./stillness.ts";

const record = (pid: number, namespaceInode: number): ProcessRecord => ({
  pid,
  namespaceInode,
  startTicks: pid * 10,
  parentPid: 1,
  name: "server",
  exe: "/server",
  uid: 0,
  containerId: "",
  podUid: "",
  unit: "",
  cgroup: 0,
  mountNamespace: 0,
});

const HOST = 100;
const POD = 200;
const [init, daemon, server] = [record(1, HOST), record(7, HOST), record(9, POD)];

function scanOf(records: readonly ProcessRecord[]): ProcessScan {
  const inodes = [...new Set(records.map(({ namespaceInode }) => namespaceInode))];
  const namespaces: NamespaceRecord[] = inodes.map((inode) => ({
    inode,
    host: inode === HOST,
    pids: records.filter(({ namespaceInode }) => namespaceInode === inode).map(({ pid }) => pid),
  }));
  return {
    processes: new Map(records.map((each) => [each.pid, each])),
    namespaces,
    unreadable: 0,
    limits: [],
  };
}

const before = scanOf([init, daemon, server]);
const holding = [ProcessInfo.create({ id: 1, pid: 9 })];

it("the same processes are still, and so are others of the node's own that hold nothing", () => {
  assert.equal(areProcessesStill(before, scanOf([init, daemon, server]), holding), true);
  assert.equal(areProcessesStill(before, scanOf([init, server]), holding), true);
  assert.equal(areProcessesStill(before, scanOf([init, daemon, record(8, HOST), server]), holding), true);
});

it("a namespace that comes or goes, and who comes or goes in one, is news", () => {
  assert.equal(areProcessesStill(before, scanOf([init, daemon]), holding), false);
  assert.equal(areProcessesStill(before, scanOf([init, daemon, server, record(10, 300)]), holding), false);
  assert.equal(areProcessesStill(before, scanOf([init, daemon, server, record(10, POD)]), holding), false);
  assert.equal(areProcessesStill(before, scanOf([init, daemon, record(10, POD)]), []), false);
});

it("a process that holds a socket and became another program, or whose pid another one has, is news", () => {
  assert.equal(areProcessesStill(before, scanOf([init, daemon, { ...server, name: "sh" }]), holding), false);
  const holdsToo = [...holding, ProcessInfo.create({ id: 2, pid: 7 })];
  assert.equal(
    areProcessesStill(before, scanOf([init, { ...daemon, startTicks: 5 }, server]), holdsToo),
    false,
  );
  assert.equal(areProcessesStill(before, scanOf([init, server]), holdsToo), false);
});
