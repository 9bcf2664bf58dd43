// Ties sockets to the processes that hold them: inode → pid and fd → process. A socket that its process has closed
// (inode 0: orphaned, TIME_WAIT) keeps the holders it had, so that a killed client is still named.

import type { FamilySocket, ProcessInfo } from "../../../lib/gen/whotalks/v1/report.ts";
import { SocketFamily } from "../../../lib/gen/whotalks/v1/report.ts";
import { HolderTable } from "../../../lib/holder-table.ts";
import type { SocketTable } from "../../../lib/socket-table.ts";
import type { ProcessRecord, ProcessScan, SocketHolders } from "../observation.ts";
import { IdPool } from "../observe/id-pool.ts";

/** Processes that hold sockets on one node at most (the kernel's pid_max is 2^22). */
export const PROCESSES_MAX = 2 ** 22;

/** Holders of one socket at most: its rows travel in one report. */
export const HOLDERS_PER_SOCKET_MAX = 4096;

/** What a pass attributed. */
export interface Attribution {
  readonly holders: HolderTable;
  readonly processes: Map<number, ProcessInfo>;
  /** Sockets with an inode that no readable process holds. */
  readonly unattributed: number;
  /** Holder rows that found no place. */
  readonly overflowed: number;
}

/** Keeps the ids of processes from pass to pass and attributes the sockets of each. */
export class Attributor {
  readonly #pool = new IdPool(1, PROCESSES_MAX);
  readonly #byPid = new Map<number, ProcessInfo>();
  #previous: Attribution = {
    holders: new HolderTable(1),
    processes: new Map(),
    unattributed: 0,
    overflowed: 0,
  };

  /** Attributes the settled sockets of a pass. `namespaceIds` maps inodes of namespaces to ids. */
  attribute(
    scan: ProcessScan,
    sockets: SocketTable,
    familySockets: Iterable<FamilySocket>,
    found: SocketHolders,
    namespaceIds: ReadonlyMap<number, number>,
  ): Attribution {
    const previous = this.#previous;
    const previousRows = new FirstRows(previous.holders);
    const holders = new HolderTable(Math.max(256, previous.holders.length));
    const processes = new Map<number, ProcessInfo>();
    let unattributed = 0;
    let overflowed = 0;
    let rowsBefore = 0;
    const hold = (socketId: number, process: ProcessInfo, fd: number): void => {
      if (holders.length - rowsBefore >= HOLDERS_PER_SOCKET_MAX || !holders.append(socketId, process.id, fd))
        overflowed++;
      else processes.set(process.id, process);
    };
    const attributeOne = (socketId: number, inode: number, ofKernel: boolean): void => {
      rowsBefore = holders.length;
      if (inode !== 0) {
        found.forEach(inode, (pid, fd) => {
          const record = scan.processes.get(pid);
          if (record !== undefined) hold(socketId, this.#processOf(record, namespaceIds), fd);
        });
        if (holders.length === rowsBefore && !ofKernel) unattributed++;
        return;
      }
      for (let row = previousRows.of(socketId); previous.holders.socket[row] === socketId; row++) {
        const process = previous.processes.get(previous.holders.process[row]!);
        if (process !== undefined) hold(socketId, process, previous.holders.fd[row]!);
        if (row + 1 >= previous.holders.length) break;
      }
    };
    for (let row = 0; row < sockets.length; row++) attributeOne(sockets.id[row]!, sockets.inode[row]!, false);
    for (const socket of familySockets) attributeOne(socket.id, socket.inode, isKernelSocket(socket));
    this.#forgetExcept(processes);
    this.#previous = { holders, processes, unattributed, overflowed };
    return this.#previous;
  }

  // One object per process for as long as nothing about it changes, so that a delta finds changes by identity.
  #processOf(record: ProcessRecord, namespaceIds: ReadonlyMap<number, number>): ProcessInfo {
    const known = this.#byPid.get(record.pid);
    const namespaceId = namespaceIds.get(record.namespaceInode);
    const namespace = namespaceId === undefined ? 0 : namespaceId + 1;
    if (
      known !== undefined &&
      known.startTicks === record.startTicks &&
      describes(known, record, namespace)
    ) {
      return known;
    }
    const id = known !== undefined && known.startTicks === record.startTicks ? known.id : this.#pool.take();
    const process: ProcessInfo = {
      id,
      pid: record.pid,
      startTicks: record.startTicks,
      name: record.name,
      exe: record.exe,
      uid: record.uid,
      namespace,
      containerId: record.containerId,
      podUid: record.podUid,
      unit: record.unit,
      parentPid: record.parentPid,
    };
    this.#byPid.set(record.pid, process);
    return process;
  }

  // Ids go back once no socket refers to them; a pid that was used again left its old process in `previous` only.
  #forgetExcept(processes: ReadonlyMap<number, ProcessInfo>): void {
    for (const [id, process] of this.#previous.processes) {
      if (processes.has(id)) continue;
      this.#pool.giveBack(id);
      if (this.#byPid.get(process.pid)?.id === id) this.#byPid.delete(process.pid);
    }
    this.#pool.settle();
  }
}

// The kernel's own end of each netlink protocol has port id 0: it is nobody's.
function isKernelSocket(socket: FamilySocket): boolean {
  return socket.family === SocketFamily.SOCKET_FAMILY_NETLINK && socket.portId === 0;
}

function describes(known: ProcessInfo, record: ProcessRecord, namespace: number): boolean {
  return (
    known.name === record.name &&
    known.exe === record.exe &&
    known.uid === record.uid &&
    known.namespace === namespace &&
    known.containerId === record.containerId &&
    known.podUid === record.podUid &&
    known.unit === record.unit &&
    known.parentPid === record.parentPid
  );
}

// The first row of a socket in a holder table, indexed on the first question: most passes never ask.
class FirstRows {
  readonly #table: HolderTable;
  #rows: Map<number, number> | null = null;

  constructor(table: HolderTable) {
    this.#table = table;
  }

  /** The first row of the socket, or -1. */
  of(socketId: number): number {
    this.#rows ??= this.#build();
    return this.#rows.get(socketId) ?? -1;
  }

  #build(): Map<number, number> {
    const rows = new Map<number, number>();
    for (let row = this.#table.length - 1; row >= 0; row--) rows.set(this.#table.socket[row]!, row);
    return rows;
  }
}
