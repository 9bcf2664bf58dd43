// Processes that hold sockets, of every node. A process is kept while a socket that it held is kept, so that
// an ended connection still names it.

import type { ProcessInfo } from "../../../../lib/gen/whotalks/v1/report.ts";
import type { NamespaceRow } from "./namespace-table.ts";

/** One process, and the cached endpoint number of its sockets in the namespace looked up last. */
interface ProcessRow {
  info: ProcessInfo;
  rememberedFor: NamespaceRow | null;
  rememberedKey: number;
}

/** Processes by slot, reference-counted. */
export class ProcessTable {
  readonly #rows: (ProcessRow | null)[] = [];
  readonly #references: number[] = [];
  readonly #free: number[] = [];

  /** The process in a slot. */
  row(slot: number): ProcessInfo {
    return this.#rows[slot]!.info;
  }

  /** The cached endpoint number of a process's sockets in a namespace; 0 if none. */
  rememberedKey(slot: number, namespace: NamespaceRow): number {
    const row = this.#rows[slot]!;
    return row.rememberedFor === namespace ? row.rememberedKey : 0;
  }

  /** Caches an endpoint number. */
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

  /** Replaces the description of a process. */
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
