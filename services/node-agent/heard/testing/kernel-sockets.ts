// The TCP sockets of this process's network namespace as sock_diag reports them, and their holders as /proc
// does: without BPF and without anything that was heard.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

import { SocketTable } from "../../../../lib/socket-table.ts";
import type { SocketSink } from "../../observation.ts";
import { createSockDiagReader } from "../../readers/sock-diag.ts";
import { readTcpCounters } from "../../readers/tcp-counters.ts";
import type { FoldedSocket } from "../../testing/socket-of-row.ts";
import { socketOf } from "../../testing/socket-of-row.ts";

/** A process that holds a socket. */
interface KernelHolder {
  readonly pid: number;
  readonly name: string;
}

const reader = createSockDiagReader({
  procRoot: "/proc",
  nowTicks: () => 0,
  tables: new Set(["tcp", "tcp6"]),
});

/** Every TCP socket now. */
export function kernelSockets(): FoldedSocket[] {
  const sink: SocketSink = { sockets: new SocketTable(1024), familySockets: [] };
  const inode = Number(/\d+/.exec(readlinkSync("/proc/self/ns/net"))![0]);
  const reading = reader.read({ inode, host: false, pids: [process.pid] }, 0, sink);
  if (!reading.read) throw new Error(reader.limits().join("; "));
  return Array.from({ length: sink.sockets.length }, (_, row) => socketOf(sink.sockets, row));
}

/** Connections that the kernel opened in this network namespace since it was made, each end for itself. */
export function kernelOpened(): number {
  const { activeOpens, passiveOpens } = readTcpCounters("/proc", process.pid)!;
  return activeOpens + passiveOpens;
}

/** The processes that hold sockets, by the socket's inode. */
export function kernelHolders(): ReadonlyMap<number, readonly KernelHolder[]> {
  const holders = new Map<number, KernelHolder[]>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    for (const inode of socketsOf(pid)) {
      const known = holders.get(inode) ?? [];
      holders.set(inode, [...known, { pid: Number(pid), name: nameOf(pid) }]);
    }
  }
  return holders;
}

/** comm of a process. */
function nameOf(pid: string): string {
  return readFileSync(`/proc/${pid}/comm`, "utf8").trimEnd();
}

function socketsOf(pid: string): Set<number> {
  const inodes = new Set<number>();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`));
      if (inode !== null) inodes.add(Number(inode[1]));
    } catch {
      // It was closed meanwhile: the directory's own descriptor among them.
    }
  }
  return inodes;
}
