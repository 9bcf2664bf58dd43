// Ties sockets to the processes that hold them: inode → pid and fd → process. A socket that its process has
// closed (inode 0: orphaned, TIME_WAIT) keeps the holders that it had, so that a killed client is still
// named.

import type { FamilySocket, ProcessInfo } from "../../../lib/gen/whotalks/v1/report.ts";
import { SocketFamily } from "../../../lib/gen/whotalks/v1/report.ts";
import { firstRowsBySocket, HolderTable } from "../../../lib/holder-table.ts";
import type { SocketTable } from "../../../lib/socket-table.ts";
import type { ProcessScan, SocketHolders } from "../observation.ts";
import type { ProcessTable } from "./process-table.ts";

/** Holders of one socket at most: its rows travel in one report. */
const HOLDERS_PER_SOCKET_MAX = 4096;

/** What a pass attributed. */
interface Attribution {
  /** Rows of a socket are adjacent. What is heard until the next pass is added and removed in place. */
  readonly holders: HolderTable;
  readonly processes: ReadonlyMap<number, ProcessInfo>;
  /** Sockets with an inode that no readable process holds. */
  readonly unattributed: number;
  /** Holder rows that found no place. */
  readonly overflowed: number;
}

/** What is attributed. */
interface AttributionInput {
  readonly scan: ProcessScan;
  /** Settled sockets. */
  readonly sockets: SocketTable;
  readonly familySockets: ReadonlyMap<number, FamilySocket>;
  readonly found: SocketHolders;
  /** Ids of namespaces by inode. */
  readonly namespaceIds: ReadonlyMap<number, number>;
  /** Whether the sockets are those of the pass before, in the same order, and nothing was heard since. */
  readonly unmoved: boolean;
}

/** Attributes the sockets of each pass. */
export class Attributor {
  readonly #processes: ProcessTable;
  // Inodes of the pass before by socket id, and the generation of holders in which they were looked up.
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

  /** Attributes the sockets of a pass; where nothing moved, the result of the pass before is returned. */
  attribute(input: AttributionInput): Attribution {
    const { scan, sockets, familySockets, found, namespaceIds, unmoved } = input;
    const sameHolders = found.generation === this.#generation;
    if (unmoved && sameHolders && this.#standsStill(scan, namespaceIds)) return this.#previous;
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

  // Whether every process that holds a socket is as it was. One that has ended held only what it had closed.
  #standsStill(scan: ProcessScan, namespaceIds: ReadonlyMap<number, number>): boolean {
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
  // Where no descriptor changed hands, a socket with the inode that it had (`kept`) has the holders that it
  // had: its rows are copied in their order, which costs a tenth of looking its inode up.
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
      // Its process has closed it, and may be gone.
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
      // Closed a moment ago: who held it is known from before.
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

// What the previous pass attributed. Its rows are indexed on the first question: most passes never ask.
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
