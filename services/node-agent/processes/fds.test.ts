import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import type { Server } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";

import { FamilySocket } from "../../../lib/gen/whotalks/v1/report.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import type { ProcessRecord, ProcessScan, SocketHolders, SocketSink } from "../observation.ts";
import { ROTATION_FDS } from "./descriptor-rotation.ts";
import { createSocketHolders } from "./fds.ts";

const roots: string[] = [];
after(() => roots.forEach((root) => rmSync(root, { recursive: true })));

function savedTree(processes: Record<number, Record<string, string>>): string {
  const root = mkdtempSync(path.join(tmpdir(), "whotalks-fds-"));
  roots.push(root);
  for (const [pid, fds] of Object.entries(processes)) {
    mkdirSync(path.join(root, pid, "fd"), { recursive: true });
    for (const [fd, target] of Object.entries(fds)) symlinkSync(target, path.join(root, pid, "fd", fd));
  }
  return root;
}

function scanOf(
  processes: readonly (readonly [pid: number, namespaceInode: number, startTicks?: number])[],
): ProcessScan {
  const records = processes.map(([pid, namespaceInode, startTicks = 1]): [number, ProcessRecord] => [
    pid,
    {
      pid,
      startTicks,
      parentPid: 0,
      name: "",
      exe: "",
      uid: 0,
      namespaceInode,
      containerId: "",
      podUid: "",
      unit: "",
      cgroup: 0,
      mountNamespace: 0,
    },
  ]);
  return { processes: new Map(records), namespaces: [], unreadable: 0, limits: [] };
}

function sinkOf(...inodes: number[]): SocketSink {
  const sockets = new SocketTable();
  for (const inode of inodes) sockets.inode[sockets.append()] = inode;
  return { sockets, familySockets: [] };
}

function unixSocket(inode: number, namespace: number, state: number): FamilySocket {
  return FamilySocket.fromPartial({ family: 1, inode, namespace, state, path: "/run/x" });
}

function holdersOf(holders: SocketHolders, inode: number): string[] {
  const found: string[] = [];
  holders.forEach(inode, (pid, fd) => found.push(`${pid}/${fd}`));
  return found;
}

const HOST = () => 1;

describe("holders of a saved tree", () => {
  it("are every process and descriptor, in order", () => {
    const root = savedTree({
      10: { 0: "/dev/null", 3: "socket:[77]", 12: "socket:[78]", 4: "pipe:[77]" },
      9: {
        12: "socket:[77]",
        5: "socket:[77]",
        7: "anon_inode:[eventpoll]",
        8: "socket:[x]",
        11: "socket:[0]",
      },
    });
    const holders = createSocketHolders({ procRoot: root });
    holders.refresh(
      scanOf([
        [9, 1],
        [10, 1],
      ]),
      sinkOf(77, 78, 79),
      HOST,
    );
    assert.deepEqual(holdersOf(holders, 77), ["9/5", "9/12", "10/3"]);
    assert.deepEqual(holdersOf(holders, 78), ["10/12"]);
    assert.deepEqual(holdersOf(holders, 79), []);
    assert.equal(holders.unreadable, 0);
  });

  it("stay the same generation while nothing changes, and are forgotten with their process", () => {
    const root = savedTree({ 9: { 5: "socket:[77]" }, 10: { 3: "socket:[77]" } });
    const holders = createSocketHolders({ procRoot: root });
    holders.refresh(
      scanOf([
        [9, 1],
        [10, 1],
      ]),
      sinkOf(77),
      HOST,
    );
    const { generation } = holders;
    holders.refresh(
      scanOf([
        [9, 1],
        [10, 1],
      ]),
      sinkOf(77),
      HOST,
    );
    assert.equal(holders.generation, generation);
    holders.refresh(scanOf([[10, 1]]), sinkOf(77), HOST);
    assert.notEqual(holders.generation, generation);
    assert.deepEqual(holdersOf(holders, 77), ["10/3"]);
  });

  it("of an accepted unix socket are found in the namespace of the listener with its path", () => {
    // More descriptors than one pass rereads without a reason.
    const many = Object.fromEntries(
      Array.from({ length: 4 * ROTATION_FDS }, (_, fd) => [fd + 10, "/dev/null"]),
    );
    const root = savedTree({ 8: {}, 9: { ...many, 3: "socket:[70]", 4: "socket:[71]" } });
    const holders = createSocketHolders({ procRoot: root });
    const scan = scanOf([
      [8, 2],
      [9, 1],
    ]);
    const listener = unixSocket(70, 1, SocketState.LISTEN);
    const sinkWith = (accepted: number): SocketSink => ({
      ...sinkOf(),
      familySockets: [listener, unixSocket(accepted, 2, SocketState.ESTABLISHED)],
    });
    holders.refresh(scan, sinkWith(71), (id) => id);
    rmSync(path.join(root, "9/fd/4"));
    symlinkSync("socket:[72]", path.join(root, "9/fd/4"));
    holders.refresh(scan, sinkWith(72), (id) => id);
    assert.deepEqual(holdersOf(holders, 72), ["9/4"]);
  });

  it("are read again if the pid now belongs to another process", () => {
    const root = savedTree({ 9: { 5: "socket:[77]" } });
    const holders = createSocketHolders({ procRoot: root });
    holders.refresh(scanOf([[9, 1, 100]]), sinkOf(77), HOST);
    rmSync(path.join(root, "9/fd/5"));
    symlinkSync("socket:[88]", path.join(root, "9/fd/5"));
    holders.refresh(scanOf([[9, 1, 200]]), sinkOf(88), HOST);
    assert.deepEqual([holdersOf(holders, 77), holdersOf(holders, 88)], [[], ["9/5"]]);
  });

  it("do without processes that have no list of descriptors", () => {
    const root = savedTree({ 9: { 5: "socket:[77]" } });
    const holders = createSocketHolders({ procRoot: root });
    holders.refresh(
      scanOf([
        [8, 1],
        [9, 1],
      ]),
      sinkOf(77),
      HOST,
    );
    assert.deepEqual(holdersOf(holders, 77), ["9/5"]);
  });
});

async function listen(): Promise<{ server: Server; fd: number; inode: number }> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const fd = (server as unknown as { _handle: { fd: number } })._handle.fd;
  return { server, fd, inode: statSync(`/proc/self/fd/${fd}`).ino };
}

describe("holders of the running kernel", () => {
  it("follow sockets that this process opens and closes", async () => {
    const holders = createSocketHolders({ procRoot: "/proc" });
    const scan = scanOf([[process.pid, 1]]);
    const first = await listen();
    holders.refresh(scan, sinkOf(first.inode), HOST);
    assert.deepEqual(holdersOf(holders, first.inode), [`${process.pid}/${first.fd}`]);
    const second = await listen();
    holders.refresh(scan, sinkOf(first.inode, second.inode), HOST);
    assert.deepEqual(holdersOf(holders, second.inode), [`${process.pid}/${second.fd}`]);
    second.server.close();
    await once(second.server, "close");
    holders.refresh(scan, sinkOf(first.inode), HOST);
    assert.deepEqual(holdersOf(holders, second.inode), []);
    first.server.close();
  });

  it("find a socket that took the place of another one, though the number of descriptors is the same", async () => {
    const holders = createSocketHolders({ procRoot: "/proc" });
    const scan = scanOf([[process.pid, 1]]);
    const first = await listen();
    holders.refresh(scan, sinkOf(first.inode), HOST);
    first.server.close();
    await once(first.server, "close");
    const second = await listen();
    assert.equal(second.fd, first.fd);
    holders.refresh(scan, sinkOf(second.inode), HOST);
    assert.deepEqual(holdersOf(holders, second.inode), [`${process.pid}/${second.fd}`]);
    second.server.close();
  });
});
