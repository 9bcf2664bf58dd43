// Ties sockets to the processes that hold them: inode → pid and fd → process. A socket that its process has
// closed (inode 0: orphaned, TIME_WAIT) keeps the holders it had, so that a killed client is still named.

import type { FamilySocket, ProcessInfo } from "../../../lib/gen/whotalks/v1/report.ts";
import { SocketFamily } from "../../../lib/gen/whotalks/v1/report.ts";
import { firstRowsBySocket, HolderTable } from "../../../lib/holder-table.ts";
import type { SocketTable } from "../../../lib/socket-table.ts";
import type { ProcessRecord, ProcessScan, SocketHolders } from "../observation.ts";
import { IdPool } from "../ids/id-pool.ts";

/** Processes that hold sockets on one node at most (the kernel's pid_max is 2^22). */
const PROCESSES_MAX = 2 ** 22;

/** Holders of one socket at most: its rows travel in one report. */
const HOLDERS_PER_SOCKET_MAX = 4096;

/** What a pass attributed. */
interface Attribution {
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
  // Inodes of the pass before by socket id, and the generation of holders that they were looked up in.
  #inodes = new Uint32Array(0);
  #generation = Number.NaN;
  #previous: Attribution = {
    holders: new HolderTable(1),
    processes: new Map(),
    unattributed: 0,
    overflowed: 0,
  };

  /**
   * Attributes the settled sockets of a pass. `namespaceIds` maps inodes of namespaces to ids; `unmoved` says
   * that the sockets are those of the pass before, in the same order: where no descriptor changed hands
   * either, its result stands.
   */
  // oxlint-disable-next-line max-params, max-lines-per-function -- a stage of the pass, whose parts it takes; rebuilt with it
  attribute(
    scan: ProcessScan,
    sockets: SocketTable,
    familySockets: Iterable<FamilySocket>,
    found: SocketHolders,
    namespaceIds: ReadonlyMap<number, number>,
    unmoved: boolean,
  ): Attribution {
    if (unmoved && found.generation === this.#generation && this.#standsStill(scan, namespaceIds))
      return this.#previous;
    const previous = this.#previous;
    const previousRows = new FirstRows(previous.holders);
    // Where no descriptor changed hands, a socket with the inode that it had has the holders that it had: its
    // rows are copied in their order, which costs a tenth of looking its inode up.
    const kept = found.generation === this.#generation ? this.#inodes : new Uint32Array(0);
    const inodes = new Uint32Array(Math.max(kept.length, largestId(sockets) + 1));
    const holders = new HolderTable(Math.max(256, previous.holders.length));
    const processes = new Map<number, ProcessInfo>();
    const processOfPid = new Map<number, ProcessInfo | null>();
    let unattributed = 0;
    let overflowed = 0;
    // The socket that is attributed, its first row, and the process that the row before belonged to: sockets
    // of one process mostly stand together, and one callback serves all, so that a socket costs two look-ups
    // and no object.
    let socketId = 0;
    let rowsBefore = 0;
    let lastPid = -1;
    let lastProcess: ProcessInfo | null = null;
    const remember = (pid: number): ProcessInfo | null => {
      const known = processOfPid.get(pid);
      if (known !== undefined) return known;
      const record = scan.processes.get(pid);
      const process = record === undefined ? null : this.#processOf(record, namespaceIds);
      processOfPid.set(pid, process);
      if (process !== null) processes.set(process.id, process);
      return process;
    };
    const append = (process: ProcessInfo, fd: number): void => {
      if (
        holders.length - rowsBefore >= HOLDERS_PER_SOCKET_MAX ||
        holders.append(socketId, process.id, fd) < 0
      )
        overflowed++;
    };
    const hold = (pid: number, fd: number): void => {
      if (pid !== lastPid) {
        lastPid = pid;
        lastProcess = remember(pid);
      }
      if (lastProcess !== null) append(lastProcess, fd);
    };
    let lastId = -1;
    const copyPrevious = (id: number, alive: boolean): void => {
      const rows = previous.holders;
      for (let row = previousRows.of(id); row >= 0 && row < rows.length && rows.socket[row] === id; row++) {
        const processId = rows.process[row]!;
        if (processId !== lastId) {
          lastId = processId;
          lastPid = -1;
          const before = previous.processes.get(processId);
          lastProcess = before === undefined ? null : alive ? remember(before.pid) : before;
          if (lastProcess !== null) processes.set(lastProcess.id, lastProcess);
        }
        if (lastProcess !== null) append(lastProcess, rows.fd[row]!);
      }
    };
    const attributeOne = (id: number, inode: number, ofKernel: boolean): void => {
      socketId = id;
      rowsBefore = holders.length;
      if (inode === 0) {
        // Its process has closed it, and may be gone.
        lastId = -1;
        copyPrevious(id, false);
        lastId = -1;
        return;
      }
      if (kept[id] === inode) {
        copyPrevious(id, true);
      } else {
        lastId = -1;
        found.forEach(inode, hold);
      }
      if (id < inodes.length) inodes[id] = inode;
      if (holders.length === rowsBefore && !ofKernel) unattributed++;
    };
    for (let row = 0; row < sockets.length; row++) attributeOne(sockets.id[row]!, sockets.inode[row]!, false);
    for (const socket of familySockets) attributeOne(socket.id, socket.inode, isKernelSocket(socket));
    this.#forgetExcept(processes);
    this.#previous = { holders, processes, unattributed, overflowed };
    this.#inodes = inodes;
    this.#generation = found.generation;
    return this.#previous;
  }

  // Whether every process that holds a socket is there as it was. One that has ended held only what it had
  // closed.
  #standsStill(scan: ProcessScan, namespaceIds: ReadonlyMap<number, number>): boolean {
    for (const process of this.#previous.processes.values()) {
      const record = scan.processes.get(process.pid);
      if (record === undefined || record.startTicks !== process.startTicks) continue;
      if (this.#processOf(record, namespaceIds) !== process) return false;
    }
    return true;
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

  // Ids go back once no socket refers to them; a pid that was used again left its old process in `previous`
  // only.
  #forgetExcept(processes: ReadonlyMap<number, ProcessInfo>): void {
    for (const [id, process] of this.#previous.processes) {
      if (processes.has(id)) continue;
      this.#pool.giveBack(id);
      if (this.#byPid.get(process.pid)?.id === id) this.#byPid.delete(process.pid);
    }
    this.#pool.settle();
  }
}

function largestId(sockets: SocketTable): number {
  let largest = 0;
  for (let row = 0; row < sockets.length; row++) largest = Math.max(largest, sockets.id[row]!);
  return largest;
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
  #rows: Int32Array | null = null;

  constructor(table: HolderTable) {
    this.#table = table;
  }

  /** The first row of the socket, or -1. */
  of(socketId: number): number {
    this.#rows ??= firstRowsBySocket(this.#table);
    return this.#rows[socketId] ?? -1;
  }
}
