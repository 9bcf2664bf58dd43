// What a reader of reports knows of a node's TCP sockets: every report folded into the ones before it. What
// does not fit together (a socket added twice, a holder that no report names) is kept as a contradiction.

import type { NodeCoverage, ProcessInfo } from "../../../lib/gen/whotalks/v1/report.ts";
import { decodeReport } from "../../../lib/report-codec.ts";
import type { DecodedReport } from "../../../lib/report-codec.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import type { FoldedSocket } from "./socket-of-row.ts";
import { changeOf, socketOf } from "./socket-of-row.ts";

/** A socket that ended, with the processes that held it then. */
export interface EndedSocket extends FoldedSocket {
  readonly heldBy: readonly ProcessInfo[];
}

/** Folds reports. */
export class FoldedReports {
  /** Living sockets by id. */
  readonly sockets = new Map<number, FoldedSocket>();
  /** Sockets that ended, as the last report of each has it. */
  readonly ended: EndedSocket[] = [];
  readonly processes = new Map<number, ProcessInfo>();
  /** Inodes of network namespaces by id. */
  readonly namespaces = new Map<number, number>();
  readonly contradictions: string[] = [];
  coverage: NodeCoverage | null = null;
  reports = 0;
  readonly #others = new Set<number>();
  // Of before a keyframe, while its parts arrive.
  #before: ReadonlyMap<number, EndedSocket> = new Map();
  #sequence = 0;

  /** Takes the next report. */
  apply(bytes: Uint8Array): void {
    const report = decodeReport(bytes);
    if (typeof report === "string") throw new Error(report);
    const { header } = report;
    this.reports++;
    if (header.sequence !== this.#sequence + 1)
      this.contradictions.push(`report ${header.sequence} follows ${this.#sequence}`);
    this.#sequence = header.sequence;
    if (header.keyframe && header.part === 0) this.#begin();
    for (const { id, inode } of header.namespaces) this.namespaces.set(id, inode);
    for (const process of header.processes) this.processes.set(process.id, process);
    this.#add(report);
    this.#change(report);
    this.#hold(report);
    this.#remove(report);
    for (const id of header.processesRemoved) this.processes.delete(id);
    if (header.part === header.parts - 1) this.#checkHolders();
    for (const id of header.namespacesRemoved) this.namespaces.delete(id);
    this.coverage = header.coverage ?? this.coverage;
    if (header.keyframe && header.part === header.parts - 1) this.#endForgotten();
  }

  /** The processes that hold a socket. */
  heldBy({ holders }: FoldedSocket): ProcessInfo[] {
    return holders.map((id) => this.processes.get(id)!);
  }

  // A keyframe.
  #begin(): void {
    this.#before = new Map([...this.sockets].map(([id, socket]) => [id, this.#end(socket)]));
    this.sockets.clear();
    this.processes.clear();
    this.namespaces.clear();
    this.#others.clear();
  }

  #end(socket: FoldedSocket): EndedSocket {
    return { ...socket, heldBy: this.heldBy(socket) };
  }

  // What a keyframe does not name any more has ended.
  #endForgotten(): void {
    for (const [id, socket] of this.#before) if (!this.sockets.has(id)) this.ended.push(socket);
    this.#before = new Map();
  }

  #add({ sockets, familySockets }: DecodedReport): void {
    for (const { id } of familySockets) this.#others.add(id);
    for (let row = 0; row < (sockets?.length ?? 0); row++) {
      const id = sockets!.id[row]!;
      if (this.sockets.has(id)) this.contradictions.push(`socket ${id} is added twice`);
      if (sockets!.protocol[row] === Protocol.tcp) this.sockets.set(id, socketOf(sockets!, row));
      else this.#others.add(id);
    }
  }

  #change({ changes }: DecodedReport): void {
    for (let row = 0; row < (changes?.length ?? 0); row++) {
      const id = changes!.id[row]!;
      const known = this.sockets.get(id);
      if (known !== undefined) this.sockets.set(id, { ...known, ...changeOf(changes!, row) });
      else if (!this.#others.has(id)) this.contradictions.push(`socket ${id} changes and was never added`);
    }
  }

  #hold({ holders, holdersCleared }: DecodedReport): void {
    const held = new Map<number, number[]>();
    for (const id of holdersCleared) held.set(id, []);
    for (let row = 0; row < (holders?.length ?? 0); row++) {
      const [socket, process] = [holders!.socket[row]!, holders!.process[row]!];
      if (this.processes.has(process)) held.set(socket, [...(held.get(socket) ?? []), process]);
      else this.contradictions.push(`socket ${socket} is held by process ${process}, which is not named`);
    }
    for (const [id, processes] of held) {
      const known = this.sockets.get(id);
      if (known !== undefined) this.sockets.set(id, { ...known, holders: processes });
      else if (!this.#others.has(id)) this.contradictions.push(`socket ${id} is held and was never added`);
    }
  }

  #checkHolders(): void {
    for (const { id, holders } of this.sockets.values())
      for (const process of holders)
        if (!this.processes.has(process))
          this.contradictions.push(`socket ${id} is held by process ${process}, which is named no more`);
  }

  #remove({ socketsRemoved }: DecodedReport): void {
    for (const id of socketsRemoved) {
      const known = this.sockets.get(id);
      if (known !== undefined) this.ended.push(this.#end(known));
      else if (!this.#others.has(id)) this.contradictions.push(`socket ${id} is removed and was never added`);
      this.sockets.delete(id);
      this.#others.delete(id);
    }
  }
}
