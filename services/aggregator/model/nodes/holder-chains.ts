// Which processes hold which socket, by which descriptor.

import type { ProcessInfo } from "../../../../lib/gen/whotalks/v1/report.ts";
import type { HolderTable } from "../../../../lib/holder-table.ts";
import { grownColumn, nextCapacity } from "../storage/capacity.ts";
import type { Column } from "../storage/column.ts";
import type { IdMap } from "../storage/id-map.ts";
import type { Overflow } from "../storage/overflow.ts";
import type { ProcessTable } from "./process-table.ts";

/** Rows of all nodes: two for each of 2^22 sockets. */
const HOLDER_ROWS_MAX = 2 ** 23;

/** Holders of sockets as chains of rows. Sockets have the heads (row plus one; 0 for none). */
export class HolderChains {
  #process = new Uint32Array(256);
  #fd = new Uint32Array(256);
  #next = new Uint32Array(256);
  #used = 0;
  #freeHead = 0;
  readonly #processes: ProcessTable;
  readonly #overflow: Overflow;

  constructor(processes: ProcessTable, overflow: Overflow) {
    this.#processes = processes;
    this.#overflow = overflow;
  }

  /** Numbers of processes, by row. */
  get process(): Column {
    return this.#process;
  }

  /** File descriptors, by row. */
  get fd(): Column {
    return this.#fd;
  }

  /** The next row of a chain plus one; 0 at its end. */
  next(row: number): number {
    return this.#next[row]!;
  }

  /**
   * Builds a chain from rows [from, to) of a report's holders, in order; skips rows whose process was never
   * described. Returns the head of the chain.
   */
  build(table: HolderTable, from: number, to: number, processIds: IdMap): number {
    let head = 0;
    for (let at = to - 1; at >= from; at--) {
      const process = processIds.get(table.process[at]!);
      if (process < 0) continue;
      const row = this.#take();
      if (row < 0) {
        this.#overflow.add("holders");
        return head;
      }
      this.#processes.retain(process);
      this.#process[row] = process;
      this.#fd[row] = table.fd[at]!;
      this.#next[row] = head;
      head = row + 1;
    }
    return head;
  }

  /** Whether a chain has the same holders as rows [from, to) of a report. */
  equals(head: number, table: HolderTable, from: number, to: number, processIds: IdMap): boolean {
    let at = from;
    let link = head;
    for (; link !== 0 && at < to; link = this.#next[link - 1]!, at++) {
      if (
        this.#fd[link - 1] !== table.fd[at] ||
        this.#process[link - 1] !== processIds.get(table.process[at]!)
      )
        return false;
    }
    return link === 0 && at === to;
  }

  /** Frees the rows of a chain. */
  free(head: number): void {
    for (let link = head; link !== 0;) {
      const row = link - 1;
      const following = this.#next[row]!;
      this.#processes.release(this.#process[row]!);
      this.#next[row] = this.#freeHead;
      this.#freeHead = link;
      link = following;
    }
  }

  /**
   * The primary process of a chain, or -1: for connections the youngest, since servers pass an accepted
   * connection to a child; for listeners the oldest, which opened it.
   */
  primary(head: number, oldest: boolean): number {
    let best = -1;
    for (let link = head; link !== 0; link = this.#next[link - 1]!) {
      const process = this.#process[link - 1]!;
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
    if (this.#used === this.#process.length) {
      if (this.#used >= HOLDER_ROWS_MAX) return -1;
      const capacity = nextCapacity(this.#process.length, HOLDER_ROWS_MAX);
      this.#process = grownColumn(this.#process, capacity);
      this.#fd = grownColumn(this.#fd, capacity);
      this.#next = grownColumn(this.#next, capacity);
    }
    return this.#used++;
  }
}

function isYounger(a: ProcessInfo, b: ProcessInfo): boolean {
  return a.startTicks > b.startTicks || (a.startTicks === b.startTicks && a.pid > b.pid);
}
