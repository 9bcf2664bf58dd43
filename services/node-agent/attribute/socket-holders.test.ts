import assert from "node:assert/strict";
import { it } from "node:test";

import { SocketTable } from "../../../lib/socket-table.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import type { ProcessRecord, ProcessScan, SocketHolders } from "../observation.ts";
import { ProcessTable } from "./process-table.ts";
import { Attributor } from "./socket-holders.ts";

const actor: ProcessRecord = {
  pid: 7,
  startTicks: 100,
  parentPid: 1,
  name: "node",
  exe: "/usr/bin/node",
  uid: 0,
  namespaceInode: 9,
  containerId: "",
  podUid: "",
  unit: "",
  cgroup: 0,
  mountNamespace: 0,
};

function scanOf(...records: readonly ProcessRecord[]): ProcessScan {
  const processes = new Map(records.map((record) => [record.pid, record]));
  return { processes, namespaces: [], unreadable: 0, limits: [] };
}

/** Sockets with ids from 1. */
function socketsOf(...inodes: readonly number[]): SocketTable {
  const sockets = new SocketTable();
  for (const inode of inodes) {
    const row = sockets.append();
    sockets.id[row] = row + 1;
    sockets.inode[row] = inode;
    sockets.protocol[row] = Protocol.tcp;
  }
  return sockets;
}

let generation = 0;

function heldBy(pid: number): SocketHolders {
  return {
    refresh: () => undefined,
    forEach: (inode, callback) => callback(pid, inode),
    unreadable: 0,
    generation: generation++,
    overflowed: 0,
    limits: () => [],
  };
}

for (const [order, inodes] of [
  ["before", [0, 100]],
  ["after", [100, 0]],
] as const) {
  it(`a process that became another program has its name, listed ${order} a socket that it closed`, () => {
    const attributor = new Attributor(new ProcessTable());
    const attribute = (record: ProcessRecord, sockets: SocketTable) =>
      attributor.attribute({
        scan: scanOf(record),
        sockets,
        familySockets: new Map(),
        found: heldBy(record.pid),
        namespaceIds: new Map([[9, 0]]),
        unmoved: false,
      });
    const before = attribute(actor, socketsOf(101, 100));
    assert.deepEqual(
      [...before.processes.values()].map(({ name }) => name),
      ["node"],
    );
    const after = attribute({ ...actor, name: "sleep", exe: "/usr/bin/sleep" }, socketsOf(...inodes));
    assert.deepEqual(
      [...after.processes.values()].map(({ id, name }) => [id, name]),
      [[[...before.processes.keys()][0], "sleep"]],
    );
    assert.equal(after.holders.length, 2);
  });
}
