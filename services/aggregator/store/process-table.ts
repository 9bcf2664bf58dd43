// Processes that hold sockets, of every node, and who holds which socket. A process stays for as long as a socket that
// it held is kept, so that a connection that has ended still names it.

import type { ProcessInfo } from "../../../lib/gen/whotalks/v1/report.ts";
import type { HolderTable } from "../../../lib/holder-table.ts";
import type { NamespaceRow } from "./namespace-table.ts";
import { grownColumn, nextCapacity } from "./capacity.ts";
import type { IdMap } from "./id-map.ts";

/** Holder rows of all nodes at most: two for each of 2^22 sockets. */
export const HOLDER_ROWS_MAX = 2 ** 23;

/** One process, and the endpoint key of its sockets in the namespace last asked for. */
interface ProcessRow {
  info: ProcessInfo;
  rememberedFor: NamespaceRow | null;
  rememberedKey: number;
}

/** Processes by number, with counted references. */
export class ProcessTable {
  readonly #rows: (ProcessRow | null)[] = [];
  readonly #references: number[] = [];
  readonly #free: number[] = [];

  /** The process with this number. */
  row(slot: number): ProcessInfo {
    return this.#rows[slot]!.info;
  }

  /** The endpoint key remembered for a process's sockets in a namespace; 0 where there is none. */
  rememberedKey(slot: number, namespace: NamespaceRow): number {
    const row = this.#rows[slot]!;
    return row.rememberedFor === namespace ? row.rememberedKey : 0;
  }

  /** Remembers an endpoint key. */
  remember(slot: number, namespace: NamespaceRow, key: number): void {
    const row = this.#rows[slot]!;
    row.rememberedFor = namespace;
    row.rememberedKey = key;
  }

  /** Adds a process with one reference. */
  add(process: ProcessInfo): number {
    const slot = this.#free.pop() ?? this.#rows.length;
    this.#rows[slot] = { info: process, rememberedFor: null, rememberedKey: 0 };
    this.#references[slot] = 1;
    return slot;
  }

  /** Takes over what a report says anew of a process. */
  update(slot: number, process: ProcessInfo): void {
    this.#rows[slot] = { info: process, rememberedFor: null, rememberedKey: 0 };
  }

  retain(slot: number): void {
    this.#references[slot]!++;
  }

  release(slot: number): void {
    if (--this.#references[slot]! > 0) return;
    this.#rows[slot] = null;
    this.#free.push(slot);
  }
}

/** Who holds which socket: chains of rows, whose heads the sockets keep (row plus one, 0 for none). */
export class HolderStore {
  process = new Uint32Array(256);
  fd = new Uint32Array(256);
  #next = new Uint32Array(256);
  #used = 0;
  #freeHead = 0;
  readonly #processes: ProcessTable;

  constructor(processes: ProcessTable) {
    this.#processes = processes;
  }

  /** The row after one in its chain plus one, 0 at the end. */
  next(row: number): number {
    return this.#next[row]!;
  }

  /**
   * A chain of rows [from, to) of a report's holders, in their order, given the node's processes by the agent's ids; a
   * row that names one which was never described is left out. Gives the chain's head.
   */
  build(table: HolderTable, from: number, to: number, processIds: IdMap): number {
    let head = 0;
    for (let at = to - 1; at >= from; at--) {
      const process = processIds.get(table.process[at]!);
      if (process < 0) continue;
      const row = this.#take();
      if (row < 0) return head;
      this.#processes.retain(process);
      this.process[row] = process;
      this.fd[row] = table.fd[at]!;
      this.#next[row] = head;
      head = row + 1;
    }
    return head;
  }

  /** Whether a chain says the same as rows [from, to) of a report. */
  equals(head: number, table: HolderTable, from: number, to: number, processIds: IdMap): boolean {
    let at = from;
    let link = head;
    for (; link !== 0 && at < to; link = this.#next[link - 1]!, at++) {
      if (this.fd[link - 1] !== table.fd[at] || this.process[link - 1] !== processIds.get(table.process[at]!))
        return false;
    }
    return link === 0 && at === to;
  }

  /** Gives the rows of a chain back. */
  free(head: number): void {
    for (let link = head; link !== 0;) {
      const row = link - 1;
      const following = this.#next[row]!;
      this.#processes.release(this.process[row]!);
      this.#next[row] = this.#freeHead;
      this.#freeHead = link;
      link = following;
    }
  }

  /**
   * The process that a chain is named after, or -1: of connections the youngest, since servers hand an accepted
   * connection to a child, of listeners the oldest, which opened it.
   */
  primary(head: number, oldest: boolean): number {
    let best = -1;
    for (let link = head; link !== 0; link = this.#next[link - 1]!) {
      const process = this.process[link - 1]!;
      if (best < 0 || isYounger(this.#processes.row(process), this.#processes.row(best)) !== oldest)
        best = process;
    }
    return best;
  }

  #take(): number {
    if (this.#freeHead !== 0) {
      const row = this.#freeHead - 1;
      this.#freeHead = this.#next[row]!;
      return row;
    }
    if (this.#used === this.process.length) {
      if (this.#used >= HOLDER_ROWS_MAX) return -1;
      const capacity = nextCapacity(this.process.length, HOLDER_ROWS_MAX);
      this.process = grownColumn(this.process, capacity);
      this.fd = grownColumn(this.fd, capacity);
      this.#next = grownColumn(this.#next, capacity);
    }
    return this.#used++;
  }
}

function isYounger(a: ProcessInfo, b: ProcessInfo): boolean {
  return a.startTicks > b.startTicks || (a.startTicks === b.startTicks && a.pid > b.pid);
}
