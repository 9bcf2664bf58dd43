import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { ProcessRecord, ProcessScan } from "../observation.ts";
import type { Caller } from "./callers.ts";
import { Callers } from "./callers.ts";
import { ProcessTable } from "./process-table.ts";

const POD = "0f8fad5b-d9cb-469f-a165-70867728950e";
const CONTAINER = "a".repeat(64);
const OTHER_CONTAINER = "b".repeat(64);
const CGROUP_TEXT = `0::/kubepods/besteffort/pod${POD}/${CONTAINER}\n`;

const record = (pid: number, more: Partial<ProcessRecord> = {}): ProcessRecord => ({
  pid,
  startTicks: pid * 10,
  parentPid: 1,
  name: "server",
  exe: "/bin/server",
  uid: 1000,
  namespaceInode: 9,
  containerId: CONTAINER,
  podUid: POD,
  unit: "",
  cgroup: 50,
  mountNamespace: 60,
  ...more,
});

const ofUnit = (pid: number, unit: string): ProcessRecord =>
  record(pid, { unit, containerId: "", podUid: "" });

const caller = (pid: number, more: Partial<Caller> = {}): Caller => ({
  pid,
  startTicks: pid * 10,
  parentPid: 1,
  name: "curl",
  uid: 0,
  namespaceInode: 9,
  cgroup: 50,
  mountNamespace: 60,
  ...more,
});

function scanOf(...records: readonly ProcessRecord[]): ProcessScan {
  const processes = new Map(records.map((each) => [each.pid, each]));
  return { processes, namespaces: [], unreadable: 0, limits: [] };
}

const namespaceIds = new Map([[9, 4]]);

/** Callers whose cgroups are `texts` by pid, and how often they were asked for. */
function callersWith(texts: Record<number, string> = {}) {
  const asked: number[] = [];
  const processes = new ProcessTable();
  const callers = new Callers(processes, (pid) => {
    asked.push(pid);
    return texts[pid] ?? "";
  });
  return { callers, processes, asked };
}

describe("a caller", () => {
  it("that was scanned is that process", () => {
    const { callers, asked } = callersWith();
    callers.install(scanOf(record(7)), namespaceIds);
    const { exe, containerId, namespace } = callers.of(caller(7, { name: "server" }));
    assert.deepEqual([exe, containerId, namespace], ["/bin/server", CONTAINER, 5]);
    assert.deepEqual(asked, []);
  });

  it("that was never scanned is of the container whose cgroup and mounts it has", () => {
    const { callers, asked } = callersWith();
    callers.install(scanOf(record(7)), namespaceIds);
    const process = callers.of(caller(8));
    assert.deepEqual(process, {
      id: process.id,
      pid: 8,
      startTicks: 80,
      name: "curl",
      exe: "",
      uid: 0,
      namespace: 5,
      containerId: CONTAINER,
      podUid: POD,
      unit: "",
      parentPid: 1,
    });
    assert.deepEqual(asked, []);
  });

  it("is so after every process of its container has ended", () => {
    const { callers } = callersWith();
    callers.install(scanOf(record(7)), namespaceIds);
    callers.install(
      scanOf(record(1, { containerId: "", podUid: "", cgroup: 1, mountNamespace: 1 })),
      namespaceIds,
    );
    assert.equal(callers.of(caller(8)).containerId, CONTAINER);
  });

  it("of an unknown place is asked about, once for each place that is a container's", () => {
    const { callers, asked } = callersWith({ 8: CGROUP_TEXT });
    callers.install(scanOf(record(7, { cgroup: 51 })), namespaceIds);
    assert.deepEqual(
      [8, 9, 10].map((pid) => callers.of(caller(pid)).containerId),
      [CONTAINER, CONTAINER, CONTAINER],
    );
    assert.deepEqual(asked, [8]);
  });

  it("that is gone before it is asked about has no container, and does not give it to others", () => {
    const { callers, asked } = callersWith({ 9: CGROUP_TEXT });
    callers.install(scanOf(), namespaceIds);
    assert.equal(callers.of(caller(8)).containerId, "");
    assert.equal(callers.of(caller(9)).containerId, CONTAINER);
    assert.deepEqual(asked, [8, 9]);
  });

  it("of an unknown network namespace has no namespace id", () => {
    const { callers } = callersWith();
    callers.install(scanOf(record(7)), namespaceIds);
    assert.equal(callers.of(caller(8, { namespaceInode: 77 })).namespace, 0);
  });

  it("has the id that it had, and is reported once", () => {
    const { callers } = callersWith();
    callers.install(scanOf(record(7)), namespaceIds);
    const process = callers.of(caller(8));
    assert.equal(callers.of(caller(8)), process);
    assert.deepEqual(callers.takeFresh(), [process]);
    assert.equal(callers.of(caller(8)), process);
    assert.deepEqual(callers.takeFresh(), []);
  });

  it("that became another program is the same process by another name", () => {
    const { callers } = callersWith();
    callers.install(scanOf(record(7)), namespaceIds);
    const before = callers.of(caller(8, { name: "sh" }));
    const after = callers.of(caller(8, { name: "wget" }));
    assert.deepEqual([after.id, after.name], [before.id, "wget"]);
    assert.deepEqual(callers.takeFresh(), [after]);
  });

  it("that became another program since the scan is not what was scanned", () => {
    const { callers } = callersWith();
    callers.install(scanOf(record(7)), namespaceIds);
    const { name, exe, containerId } = callers.of(caller(7));
    assert.deepEqual([name, exe, containerId], ["curl", "", CONTAINER]);
  });

  it("whose pid another process had is another process", () => {
    const { callers } = callersWith();
    callers.install(scanOf(record(7)), namespaceIds);
    const before = callers.of(caller(8));
    const after = callers.of(caller(8, { startTicks: 81 }));
    assert.notEqual(after.id, before.id);
    assert.equal(callers.of(caller(7, { startTicks: 71, name: "server" })).exe, "");
  });
});

describe("a place", () => {
  it("that several containers share, as on cgroup v1, is of the pod", () => {
    const { callers } = callersWith();
    callers.install(scanOf(record(7), record(8, { containerId: OTHER_CONTAINER })), namespaceIds);
    const { containerId, podUid } = callers.of(caller(9));
    assert.deepEqual([containerId, podUid], ["", POD]);
  });

  it("that several units share is of none", () => {
    const { callers } = callersWith();
    callers.install(
      scanOf(ofUnit(7, "a.service"), ofUnit(8, "b.service"), ofUnit(9, "a.service")),
      namespaceIds,
    );
    assert.equal(callers.of(caller(10)).unit, "");
    callers.install(scanOf(ofUnit(7, "a.service"), ofUnit(9, "a.service")), namespaceIds);
    assert.equal(callers.of(caller(11)).unit, "a.service");
  });

  it("of another mount namespace is another one, in the same cgroup", () => {
    const { callers } = callersWith();
    const other = record(8, { containerId: OTHER_CONTAINER, mountNamespace: 61 });
    callers.install(scanOf(record(7), other), namespaceIds);
    assert.deepEqual(
      [60, 61].map((mountNamespace) => callers.of(caller(mountNamespace, { mountNamespace })).containerId),
      [CONTAINER, OTHER_CONTAINER],
    );
  });

  it("is not known by processes whose mounts are not", () => {
    const { callers, asked } = callersWith();
    callers.install(scanOf(record(7, { cgroup: 0, mountNamespace: 0 })), namespaceIds);
    assert.equal(callers.of(caller(8, { cgroup: 0, mountNamespace: 0 })).containerId, "");
    assert.deepEqual(asked, [8]);
  });
});
