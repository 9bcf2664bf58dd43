// Run by bpf-iter.test.ts, also in a new pid namespace: opens sockets and compares what the iterators report
// of this process with what /proc and sock_diag report.

import assert from "node:assert/strict";
import { readlinkSync } from "node:fs";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

import { SocketFamily } from "../../../../lib/gen/whotalks/v1/report.ts";
import { SocketTable } from "../../../../lib/socket-table.ts";
import { check, checksDone, checksImpossible } from "../../../../lib/testing/child-checks.ts";
import type { SocketSink } from "../../observation.ts";
import { createSocketHolders } from "../../processes/fds.ts";
import { createProcessScanner } from "../../processes/scan.ts";
import { createTaskSource } from "../../processes/task-source.ts";
import { createBpfIterReader } from "../bpf-iter.ts";
import { createProcfsReader, procfsTables } from "../procfs.ts";

const nowTicks = (): number => 0;
const procRoot = "/proc";
const directory = mkdtempSync(path.join(tmpdir(), "whotalks-iterator-"));
const accepted: unknown[] = [];
const servers = await Promise.all(
  [{ host: "127.0.0.1", port: 0 }, { path: path.join(directory, "socket") }].map(async (where) => {
    const server = createServer((socket) => accepted.push(socket)).listen(where);
    await once(server, "listening");
    const address = server.address();
    const client = createConnection(
      typeof address === "string" ? { path: address } : { port: Number(address?.port) },
    );
    await Promise.all([once(client, "connect"), once(server, "connection")]);
    return { server, client };
  }),
);

// As without SYS_ADMIN, neither wrapped reader reports peers: those reported come from the iterator.
const plain = { procRoot, nowTicks, littleEndian: true, unixPeers: false };
const tcp = new Set(["tcp", "tcp6"]);
const tcpReader = createProcfsReader({ ...plain, tables: tcp });
const restReader = createProcfsReader({
  ...plain,
  tables: new Set(procfsTables.filter((name) => !tcp.has(name))),
});
const withPeers = createProcfsReader({ procRoot, nowTicks, littleEndian: true, unixPeers: true });
const reader = createBpfIterReader({ procRoot, nowTicks, tcpReader, restReader });
const obstacle = reader.probe();
if (obstacle !== null) checksImpossible(obstacle);

const byFiles = createProcessScanner({ procRoot }).scan();
const byTasks = createProcessScanner({ procRoot, tasks: createTaskSource() }).scan();
await check("this process is the same by both", () => {
  const { cgroup, mountNamespace, ...asked } = byTasks.processes.get(process.pid)!;
  assert.deepEqual({ ...asked, cgroup: 0, mountNamespace: 0 }, byFiles.processes.get(process.pid));
  assert.ok(asked.startTicks > 0);
  assert.ok(cgroup > 0);
  assert.equal(readlinkSync("/proc/self/ns/mnt"), `mnt:[${mountNamespace}]`);
});
await check("the first process is found", () => assert.ok(byTasks.processes.has(1)));
await check("one namespace is the host's", () =>
  assert.equal(byTasks.namespaces.filter(({ host }) => host).length, 1),
);
const namespace = byTasks.namespaces.find(({ pids }) => pids.includes(process.pid))!;
await check("this process is in the same namespace by both", () =>
  assert.equal(namespace.inode, byFiles.processes.get(process.pid)!.namespaceInode),
);

const sink: SocketSink = { sockets: new SocketTable(), familySockets: [] };
await check("the namespace is read", () => {
  reader.begin!();
  assert.equal(reader.read(namespace, 0, sink).read, true);
});
const reported = createSocketHolders({ procRoot, held: () => reader.held!() });
const listed = createSocketHolders({ procRoot });
for (const holders of [reported, listed]) holders.refresh(byTasks, sink, () => namespace.inode);
const inodes = [...sink.sockets.inode.subarray(0, sink.sockets.length)];
const familyInodes = sink.familySockets.map(({ inode }) => inode);
await check("sockets have the same holders by both", () => {
  let own = 0;
  for (const inode of [...inodes, ...familyInodes]) {
    const [a, b] = [reported, listed].map((holders) => {
      const found: string[] = [];
      holders.forEach(inode, (pid, fd) => {
        if (pid === process.pid) found.push(`${pid} ${fd}`);
      });
      return found;
    });
    assert.deepEqual(a, b);
    own += a!.length;
  }
  assert.ok(own >= 6, `${own} sockets of this process`);
});

const compared: SocketSink = { sockets: new SocketTable(), familySockets: [] };
withPeers.read(namespace, 0, compared);
const peers = new Map(compared.familySockets.map(({ inode, peerInode }) => [inode, peerInode]));
await check("unix sockets have the same peers by both", () => {
  let connected = 0;
  for (const { family, inode, peerInode, path: name } of sink.familySockets) {
    if (family !== SocketFamily.SOCKET_FAMILY_UNIX || !name.startsWith(directory) || inode === 0) continue;
    assert.equal(peerInode, peers.get(inode));
    if (peerInode !== 0) connected++;
  }
  // Only the server's end of a connection has the path.
  if ([...peers.values()].some((peer) => peer !== 0)) assert.equal(connected, 1);
});

for (const { server, client } of servers) {
  client.destroy();
  server.close();
}
rmSync(directory, { recursive: true });
checksDone();
