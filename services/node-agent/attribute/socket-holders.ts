// Attributes sockets to the processes that hold them: inode → pid and fd → process. A socket that its process
// has closed (inode 0: orphaned, TIME_WAIT) keeps its holders, so that a killed client is still named.

import type { FamilySocket, ProcessInfo } from "../../../lib/gen/whotalks/v1/report.ts";
import { SocketFamily } from "../../../lib/gen/whotalks/v1/report.ts";
import { firstRowsBySocket, HolderTable } from "../../../lib/holder-table.ts";
import type { SocketTable } from "../../../lib/socket-table.ts";
import type { ProcessScan, SocketHolders } from "../observation.ts";
import type { ProcessTable } from "./process-table.ts";

/** Maximum holders of one socket: its rows must fit into one report. */
const HOLDERS_PER_SOCKET_MAX = 4096;

/** The result of a pass. */
interface Attribution {
  /** Rows of a socket are adjacent. Events until the next pass add and remove rows in place. */
  readonly holders: HolderTable;
  readonly processes: ReadonlyMap<number, ProcessInfo>;
  /** Sockets with an inode that no readable process holds. */
  readonly unattributed: number;
  /** Holder rows that did not fit. */
  readonly overflowed: number;
}

/** The input of a pass. */
interface AttributionInput {
  readonly scan: ProcessScan;
  /** Settled sockets. */
  readonly sockets: SocketTable;
  readonly familySockets: ReadonlyMap<number, FamilySocket>;
  readonly found: SocketHolders;
  /** Ids of namespaces by inode. */
  readonly namespaceIds: ReadonlyMap<number, number>;
  /** Whether the sockets are those of the previous pass, in the same order, without an event since. */
  readonly unmoved: boolean;
}

/** Attributes the sockets of each pass. */
export class Attributor {
  readonly #processes: ProcessTable;
  // Inodes of the previous pass by socket id, and the generation of holders in which they were looked up.
  #inodes = new Uint32Array(0);
  #generation = Number.NaN;
  #previous: Attribution = {
    holders: new HolderTable(1),
    processes: new Map(),
    unattributed: 0,
    overflowed: 0,
  };

  constructor(processes: ProcessTable) {
    this.#processes = processes;
  }

  /** Attributes the sockets of a pass; returns the result of the previous pass if nothing changed. */
  attribute(input: AttributionInput): Attribution {
    const { scan, sockets, familySockets, found, namespaceIds, unmoved } = input;
    const sameHolders = found.generation === this.#generation;
    if (unmoved && sameHolders && this.#areProcessesUnchanged(scan, namespaceIds)) return this.#previous;
    const inodes = new Uint32Array(Math.max(sameHolders ? this.#inodes.length : 0, largestId(sockets) + 1));
    const run = new AttributionRun(input, this.#processes, this.#previous, {
      kept: sameHolders ? this.#inodes : new Uint32Array(0),
      inodes,
    });
    for (let row = 0; row < sockets.length; row++)
      run.attribute(sockets.id[row]!, sockets.inode[row]!, false);
    for (const socket of familySockets.values())
      run.attribute(socket.id, socket.inode, isKernelSocket(socket));
    this.#processes.keepOnly(run.processes);
    this.#previous = {
      holders: run.holders,
      processes: run.processes,
      unattributed: run.unattributed,
      overflowed: run.overflowed,
    };
    this.#inodes = inodes;
    this.#generation = found.generation;
    return this.#previous;
  }

  // Whether every process that holds a socket is unchanged. One that has ended held only sockets that it had
  // closed.
  #areProcessesUnchanged(scan: ProcessScan, namespaceIds: ReadonlyMap<number, number>): boolean {
    for (const process of this.#previous.processes.values()) {
      const record = scan.processes.get(process.pid);
      if (record === undefined || record.startTicks !== process.startTicks) continue;
      if (this.#processes.of(record, namespaceIds.get(record.namespaceInode)) !== process) return false;
    }
    return true;
  }
}

// One attribution. Sockets of one process are mostly adjacent, and one callback serves all, so that a socket
// costs two look-ups and no object.
class AttributionRun {
  readonly holders: HolderTable;
  unattributed = 0;
  overflowed = 0;
  readonly #found: SocketHolders;
  readonly #holding: HoldingProcesses;
  readonly #previous: PreviousHolders;
  // If no descriptor changed its holder, a socket with its previous inode (`kept`) has its previous holders:
  // its rows are copied in order, which costs a tenth of a look-up.
  readonly #known: { readonly kept: Uint32Array; readonly inodes: Uint32Array };
  #socketId = 0;
  #rowsBefore = 0;
  #lastPid = -1;
  #lastId = -1;
  #lastProcess: ProcessInfo | null = null;

  constructor(
    input: AttributionInput,
    table: ProcessTable,
    previous: Attribution,
    known: { readonly kept: Uint32Array; readonly inodes: Uint32Array },
  ) {
    this.#found = input.found;
    this.#holding = new HoldingProcesses(input, table);
    this.#previous = new PreviousHolders(previous);
    this.#known = known;
    this.holders = new HolderTable(Math.max(256, previous.holders.length));
  }

  /** The processes that hold a socket, by id. */
  get processes(): Map<number, ProcessInfo> {
    return this.#holding.processes;
  }

  attribute(id: number, inode: number, ofKernel: boolean): void {
    const { kept, inodes } = this.#known;
    this.#socketId = id;
    this.#rowsBefore = this.holders.length;
    if (inode === 0) {
      // Its process has closed it, and may have ended.
      this.#lastId = -1;
      this.#copyPrevious(id, false);
      this.#lastId = -1;
      return;
    }
    if (kept[id] === inode) {
      this.#copyPrevious(id, true);
    } else {
      this.#lastId = -1;
      this.#found.forEach(inode, this.#hold);
      // Closed a moment ago: its previous holders are known.
      if (this.holders.length === this.#rowsBefore) this.#copyPrevious(id, false);
    }
    if (id < inodes.length) inodes[id] = inode;
    if (this.holders.length === this.#rowsBefore && !ofKernel) this.unattributed++;
  }

  readonly #hold = (pid: number, fd: number): void => {
    if (pid !== this.#lastPid) {
      this.#lastPid = pid;
      this.#lastProcess = this.#holding.ofPid(pid);
    }
    if (this.#lastProcess !== null) this.#append(this.#lastProcess, fd);
  };

  #copyPrevious(id: number, alive: boolean): void {
    const { holders, processes } = this.#previous;
    for (
      let row = this.#previous.firstRowOf(id);
      row >= 0 && row < holders.length && holders.socket[row] === id;
      row++
    ) {
      const processId = holders.process[row]!;
      if (processId !== this.#lastId) {
        this.#lastId = processId;
        this.#lastPid = -1;
        const before = processes.get(processId);
        this.#lastProcess = before === undefined ? null : this.#holding.again(before, alive);
      }
      if (this.#lastProcess !== null) this.#append(this.#lastProcess, holders.fd[row]!);
    }
  }

  #append(process: ProcessInfo, fd: number): void {
    const isFull = this.holders.length - this.#rowsBefore >= HOLDERS_PER_SOCKET_MAX;
    if (isFull || this.holders.append(this.#socketId, process.id, fd) < 0) this.overflowed++;
  }
}

// The processes that hold a socket in one pass: each pid is looked up once.
class HoldingProcesses {
  readonly processes = new Map<number, ProcessInfo>();
  readonly #input: AttributionInput;
  readonly #table: ProcessTable;
  readonly #processOfPid = new Map<number, ProcessInfo | null>();

  constructor(input: AttributionInput, table: ProcessTable) {
    this.#input = input;
    this.#table = table;
  }

  /** The process with this pid; null if the scan does not have it. */
  ofPid(pid: number): ProcessInfo | null {
    const known = this.#processOfPid.get(pid);
    if (known !== undefined) return known;
    const { scan, namespaceIds } = this.#input;
    const record = scan.processes.get(pid);
    const process =
      record === undefined ? null : this.#table.of(record, namespaceIds.get(record.namespaceInode));
    this.#processOfPid.set(pid, process);
    if (process !== null) this.processes.set(process.id, process);
    return process;
  }

  /** The process that held a socket in the previous pass; `alive` says that it holds the socket now. */
  again(before: ProcessInfo, alive: boolean): ProcessInfo | null {
    if (alive) return this.ofPid(before.pid);
    // Another of its sockets may have shown meanwhile that it executes another program.
    const process = this.processes.get(before.id) ?? before;
    this.processes.set(process.id, process);
    return process;
  }
}

function largestId(sockets: SocketTable): number {
  let largest = 0;
  for (let row = 0; row < sockets.length; row++) largest = Math.max(largest, sockets.id[row]!);
  return largest;
}

// The kernel's own end of each netlink protocol has port id 0: no process holds it.
function isKernelSocket(socket: FamilySocket): boolean {
  return socket.family === SocketFamily.SOCKET_FAMILY_NETLINK && socket.portId === 0;
}

// The result of the previous pass. Its rows are indexed on first use: most passes do not need it.
class PreviousHolders {
  readonly holders: HolderTable;
  readonly processes: ReadonlyMap<number, ProcessInfo>;
  #firstRows: Int32Array | null = null;

  constructor({ holders, processes }: Attribution) {
    this.holders = holders;
    this.processes = processes;
  }

  /** The first row of the socket, or -1. */
  firstRowOf(socketId: number): number {
    this.#firstRows ??= firstRowsBySocket(this.holders);
    return this.#firstRows[socketId] ?? -1;
  }
}
