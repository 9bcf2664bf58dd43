// The reader `sock-diag`: reads the sockets of a network namespace through the kernel's sock_diag interface,
// from within the namespace. The kernel walks its TCP hash once for both families, formats no text, and
// reports what no table of /proc has: bytes, round trip times, retransmissions, cookies, peers of unix
// sockets.
//
// The netlink socket is closed before read() returns: an open one would keep the namespace alive after its
// last process, and a deleted pod's interfaces with it.

import path from "node:path";

import type { FamilySocket } from "../../../lib/gen/whotalks/v1/report.ts";
import { SocketFamily } from "../../../lib/gen/whotalks/v1/report.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import { hostIsLittleEndian } from "../kernel/byte-order.ts";
import { EAFNOSUPPORT, EINVAL, ENOENT, EPROTONOSUPPORT, NETLINK_SOCK_DIAG } from "../kernel/constants.ts";
import {
  netlinkDiagRequest,
  packetDiagRequest,
  parseNetlinkDiag,
  parsePacketDiag,
} from "../kernel/netlink/family-diag.ts";
import { appendInetDiag, inetDiagRequest, tcpDiagRequest } from "../kernel/netlink/inet-diag.ts";
import { dump, DUMP_INTERRUPTED, openNetlink } from "../kernel/netlink/netlink.ts";
import { inNetworkNamespace, setnsObstacle } from "../kernel/network-namespace.ts";
import { SyscallError, syscalls } from "../kernel/syscalls.ts";
import { forEachUnixSocket } from "../kernel/netlink/unix-diag.ts";
import type { UnixDiagSocket } from "../kernel/netlink/unix-diag.ts";
import type { NamespaceReading, NamespaceRecord, SocketReader, SocketSink } from "../observation.ts";
import { withAnyPid } from "../processes/any-pid.ts";
import { emptyFamilySocket } from "../procfs/family-socket.ts";
import type { TableTally } from "../procfs/table-lines.ts";
import { diagTables, tablesWithoutDiag } from "./diag-tables.ts";
import { readEmptyTables } from "./empty-tables.ts";
import { isLiveProc } from "./live-proc.ts";
import { createProcfsReader, FAMILY_SOCKETS_MAX } from "./procfs.ts";

/** How often an interrupted dump is tried before the table is read from /proc instead. */
const DUMP_TRIES = 3;

// Errors of asm-generic/errno.h that mean that the kernel lacks the module.
const NO_MODULE: ReadonlySet<number> = new Set([ENOENT, EINVAL, EPROTONOSUPPORT, EAFNOSUPPORT]);

/** Options of the reader. */
interface SockDiagReaderOptions {
  /** Root of the live kernel's proc: "/proc" or "/host/proc". */
  readonly procRoot: string;
  /** Ticks of 10 ms since the epoch's start; timers are relative to it. */
  readonly nowTicks: () => number;
  /** Names of the tables of /proc/<pid>/net whose sockets are read; all of them by default. */
  readonly tables?: ReadonlySet<string>;
}

/**
 * Creates the reader `sock-diag`. It needs SYS_ADMIN and SYS_PTRACE, except for this process's own namespace.
 */
export function createSockDiagReader(options: SockDiagReaderOptions): SocketReader {
  return new SockDiagReader(options);
}

interface Place {
  readonly namespaceId: number;
  readonly sink: SocketSink;
  readonly tally: TableTally;
}

class SockDiagReader implements SocketReader {
  readonly name = "sock-diag";
  readonly #options: SockDiagReaderOptions;
  // Tables that come from /proc: those without a diag module on any kernel, and those whose module this kernel
  // lacks.
  readonly #fromProc = new Set<string>(tablesWithoutDiag);
  // Tables that come from /proc for the current namespace; includes those whose dump failed there.
  readonly #fromProcNow = new Set<string>();
  readonly #rest: SocketReader;
  readonly #limits = new Set<string>();

  constructor(options: SockDiagReaderOptions) {
    this.#options = options;
    this.#rest = createProcfsReader({
      procRoot: options.procRoot,
      nowTicks: options.nowTicks,
      littleEndian: hostIsLittleEndian,
      unixPeers: false,
      tables: this.#fromProcNow,
    });
  }

  probe(): string | null {
    if (!isLiveProc(this.#options.procRoot)) {
      return `${this.#options.procRoot} is not the running kernel's: sock_diag would report another kernel's sockets`;
    }
    try {
      const obstacle = setnsObstacle();
      if (obstacle !== null)
        return `network namespaces cannot be entered (setns: errno ${obstacle}): that needs SYS_ADMIN`;
      const descriptor = openNetlink(NETLINK_SOCK_DIAG);
      try {
        // Listeners alone would do, but the kernel refuses either both or neither.
        dump(descriptor, inetDiagRequest(Protocol.tcp, 4, hostIsLittleEndian), () => undefined);
      } finally {
        syscalls().close(descriptor);
      }
      return null;
    } catch (error) {
      return `the kernel does not answer sock_diag: ${(error as Error).message}`;
    }
  }

  limits(): readonly string[] {
    return [...this.#limits];
  }

  read(namespace: NamespaceRecord, namespaceId: number, sink: SocketSink): NamespaceReading {
    const rows = sink.sockets.length;
    const familyRows = sink.familySockets.length;
    const tally: TableTally = { linesMalformed: 0, overflowed: 0 };
    this.#fromProcNow.clear();
    const { tables } = this.#options;
    for (const table of this.#fromProc) if (tables?.has(table) !== false) this.#fromProcNow.add(table);
    const descriptor = this.#enter(namespace);
    if (descriptor < 0) return UNREAD;
    try {
      this.#dumpAll(descriptor, namespace, { namespaceId, sink, tally });
    } finally {
      syscalls().close(descriptor);
    }
    const rest = this.#rest.read(namespace, namespaceId, sink);
    if (!rest.read) {
      sink.sockets.length = rows;
      sink.familySockets.length = familyRows;
      return rest;
    }
    return {
      ...rest,
      linesMalformed: rest.linesMalformed + tally.linesMalformed,
      overflowed: rest.overflowed + tally.overflowed,
    };
  }

  // Opens a netlink socket in the namespace; returns -1 if none of its processes lets us in.
  #enter(namespace: NamespaceRecord): number {
    const descriptor = withAnyPid(namespace.pids, (pid) => {
      try {
        const file = path.join(this.#options.procRoot, String(pid), "ns/net");
        return inNetworkNamespace(file, () => openNetlink(NETLINK_SOCK_DIAG));
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        // A process that is gone is not worth a limit.
        if (code !== "ENOENT" && code !== "ESRCH")
          this.#limits.add(`sock-diag cannot enter some network namespaces: ${message}`);
        return undefined;
      }
    });
    return descriptor ?? -1;
  }

  #dumpAll(descriptor: number, namespace: NamespaceRecord, place: Place): void {
    const { tables } = this.#options;
    const { procRoot } = this.#options;
    const empty = new Set(
      withAnyPid(namespace.pids, (pid) => readEmptyTables(`${procRoot}/${pid}/net`) ?? undefined),
    );
    for (const table of diagTables) {
      if (tables !== undefined && !table.covers.some((name) => tables.has(name))) continue;
      if (this.#fromProcNow.has(table.name) || table.covers.every((name) => empty.has(name))) continue;
      this.#dumpTable(descriptor, table, place);
    }
  }

  #dumpTable(descriptor: number, table: (typeof diagTables)[number], place: Place): void {
    const { sink, tally } = place;
    const rows = sink.sockets.length;
    const familyRows = sink.familySockets.length;
    const before = { ...tally };
    for (let tries = 1; ; tries++) {
      try {
        this.#ask(descriptor, table, place);
        return;
      } catch (error) {
        sink.sockets.length = rows;
        sink.familySockets.length = familyRows;
        Object.assign(tally, before);
        if (!(error instanceof SyscallError)) throw error;
        if (error.errorNumber === DUMP_INTERRUPTED && tries < DUMP_TRIES) continue;
        const lasting = NO_MODULE.has(error.errorNumber);
        for (const name of table.covers) {
          this.#fromProcNow.add(name);
          if (lasting) this.#fromProc.add(name);
        }
        if (!lasting)
          this.#limits.add(
            `sock_diag fails at times (${error.message}): ${table.name} is read from /proc then`,
          );
        return;
      }
    }
  }

  #ask(descriptor: number, table: (typeof diagTables)[number], place: Place): void {
    const { sink, namespaceId, tally } = place;
    const append = (socket: FamilySocket | null): void => {
      if (socket === null) tally.linesMalformed++;
      else if (sink.familySockets.length >= FAMILY_SOCKETS_MAX) tally.overflowed++;
      else sink.familySockets.push({ ...socket, namespace: namespaceId });
    };
    switch (table.kind) {
      case "unix":
        forEachUnixSocket(descriptor, (socket) => append(unixSocket(socket)));
        break;
      case "netlink":
        dump(descriptor, netlinkRequest, (view, start, end) => {
          const socket = parseNetlinkDiag(view, start, end, hostIsLittleEndian);
          if (socket === null || !isOfThisDump(socket, view, start)) append(socket);
        });
        break;
      case "packet":
        dump(descriptor, packetRequest, (view, start, end) =>
          append(parsePacketDiag(view, start, end, hostIsLittleEndian)),
        );
        break;
      case "inet": {
        const { protocol } = table;
        const target = {
          sockets: sink.sockets,
          namespaceId,
          protocol,
          nowTicks: this.#options.nowTicks(),
          littleEndian: hostIsLittleEndian,
          tally,
        };
        const request =
          table.family === null ? tcpRequest : inetDiagRequest(protocol, table.family, hostIsLittleEndian);
        dump(descriptor, request, (view, start, end) => appendInetDiag(view, start, end, target));
      }
    }
  }
}

// Whether a netlink socket is the one that this dump uses: the last field of the answer's header carries the
// requester's port id. Also clears the receive queue of the kernel's end, where the request itself waits.
function isOfThisDump(socket: FamilySocket, view: DataView, start: number): boolean {
  if (socket.number !== NETLINK_SOCK_DIAG) return false;
  if (socket.portId === 0) socket.recvQueue = 0;
  return socket.portId === view.getUint32(start - 4, hostIsLittleEndian);
}

const UNREAD: NamespaceReading = {
  read: false,
  linesMalformed: 0,
  overflowed: 0,
  addresses: [],
  tcpCounters: null,
  unheldRead: false,
};

const tcpRequest = tcpDiagRequest(hostIsLittleEndian);
const netlinkRequest = netlinkDiagRequest(hostIsLittleEndian);
const packetRequest = packetDiagRequest(hostIsLittleEndian);

function unixSocket(socket: UnixDiagSocket): FamilySocket {
  const { inode, type, state, peerInode, uid, recvQueue, sendQueue, name } = socket;
  return {
    ...emptyFamilySocket(SocketFamily.SOCKET_FAMILY_UNIX),
    inode,
    type,
    state,
    peerInode,
    uid,
    recvQueue,
    // For a listener the kernel reports not bytes but the length of its accept queue.
    sendQueue: state === SocketState.LISTEN ? 0 : sendQueue,
    path: name ?? "",
  };
}
