// Completes unix sockets read from /proc/<pid>/net/unix with what only sock_diag knows: the peer, queues,
// owner and exact name. Remembers for coverage why it failed.

import { existsSync } from "node:fs";
import path from "node:path";

import { SocketFamily } from "../../../lib/gen/whotalks/v1/report.ts";
import type { FamilySocket } from "../../../lib/gen/whotalks/v1/report.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import { EACCES, EAFNOSUPPORT, EINVAL, ENOENT, EPERM, EPROTONOSUPPORT } from "../kernel/constants.ts";
import { SyscallError } from "../kernel/syscalls.ts";
import { dumpUnixSockets } from "../kernel/netlink/unix-diag.ts";
import type { UnixDiagSocket } from "../kernel/netlink/unix-diag.ts";
import { withAnyPid } from "../processes/any-pid.ts";

/** Asks sock_diag in one namespace after another. */
export class UnixPeers {
  readonly #limits = new Set<string>();

  /** Reasons why peers were unknown in any namespace asked since the start. */
  limits(): readonly string[] {
    return [...this.#limits];
  }

  /**
   * Completes in place the unix sockets of sockets[first …], all from the namespace of the processes `pids` in
   * procRoot. Drops those that the kernel does not know (any more): they were closed in the meantime, or are
   * text in another socket's path. Never throws.
   */
  complete(procRoot: string, pids: readonly number[], sockets: FamilySocket[], first: number): void {
    if (!sockets.some((socket, index) => index >= first && isUnix(socket))) return;
    const known = this.#dump(procRoot, pids);
    if (known === null) return;
    let kept = first;
    for (const socket of sockets.slice(first)) {
      const more = isUnix(socket) ? known.get(socket.inode) : undefined;
      if (more === undefined && isUnix(socket) && socket.inode !== 0) continue;
      sockets[kept++] = more === undefined ? socket : completed(socket, more);
    }
    sockets.length = kept;
  }

  #dump(procRoot: string, pids: readonly number[]): ReadonlyMap<number, UnixDiagSocket> | null {
    let reason: string | null = null;
    const known = withAnyPid(pids, (pid) => {
      try {
        return dumpUnixSockets(path.join(procRoot, String(pid), "ns/net"));
      } catch (error) {
        reason = reasonOf(error, existsSync(path.join(procRoot, String(pid)))) ?? reason;
        return undefined;
      }
    });
    if (known === undefined && reason !== null) this.#limits.add(reason);
    return known ?? null;
  }
}

// Returns a sentence for lasting obstacles; null for bad luck: a process that exited, an interrupted dump.
function reasonOf(error: unknown, processExists: boolean): string | null {
  if (error instanceof SyscallError) {
    switch (error.errorNumber) {
      case EPERM:
      case EACCES:
        return "Peers of unix sockets in other network namespaces are unknown: that needs SYS_ADMIN; run as root";
      case EINVAL:
        return error.syscall === "setns" ? NOT_LIVE : NO_UNIX_DIAG;
      case ENOENT:
      case EPROTONOSUPPORT:
      case EAFNOSUPPORT:
        return NO_UNIX_DIAG;
      default:
        return null;
    }
  }
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "EACCES" || code === "EPERM") {
    return "Peers of unix sockets in other network namespaces are unknown: that needs SYS_PTRACE; run as root";
  }
  if (code === "ENOENT" || code === "ESRCH") return processExists ? NOT_LIVE : null;
  return `Peers of unix sockets are unknown: ${message}`;
}

const NOT_LIVE = "Peers of unix sockets are unknown: these tables are not the running kernel's";
const NO_UNIX_DIAG = "Peers of unix sockets are unknown: this kernel has no unix_diag";

function isUnix(socket: FamilySocket): boolean {
  return socket.family === SocketFamily.SOCKET_FAMILY_UNIX;
}

function completed(socket: FamilySocket, more: UnixDiagSocket): FamilySocket {
  return {
    ...socket,
    path: more.name ?? socket.path,
    peerInode: more.peerInode,
    uid: more.uid,
    recvQueue: more.recvQueue,
    // For a listener the kernel reports not bytes but the length of its accept queue.
    sendQueue: more.state === SocketState.LISTEN ? 0 : more.sendQueue,
  };
}
