// Processes in reports, and which of them hold which socket.

import type { ProcessInfo } from "../../../lib/gen/whotalks/v1/report.ts";
import type { HolderTable } from "../../../lib/holder-table.ts";
import type { Connector } from "../apply/connector.ts";
import type { News } from "../apply/news.ts";
import type { Model } from "../model/model.ts";
import type { NodeRecord } from "../model/nodes/node-record.ts";
import { SocketFlag, SocketKind } from "../model/sockets/socket-rows.ts";
import type { Rejections } from "./rejections.ts";

/** What the intake notifies. */
export interface ProcessIntakeParts {
  readonly connector: Connector;
  readonly news: News;
  readonly rejections: Rejections;
}

/** Applies what reports say about processes. */
export class ProcessIntake {
  readonly #model: Model;
  readonly #parts: ProcessIntakeParts;

  constructor(model: Model, parts: ProcessIntakeParts) {
    this.#model = model;
    this.#parts = parts;
  }

  /** Adds or updates a process. */
  put(node: NodeRecord, process: ProcessInfo): void {
    const { processes } = this.#model;
    const { ids, stream } = node;
    const slot = ids.processes.get(process.id);
    if (slot >= 0) {
      const known = processes.row(slot);
      if (known.pid === process.pid && known.startTicks === process.startTicks) {
        if (!isSameProgram(known, process)) {
          processes.update(slot, process);
          this.#parts.news.ownersChanged(node.index);
        }
        ids.processIds.set(process.id, stream.keyframe);
        return;
      }
      processes.release(slot);
    }
    const added = processes.add(process);
    if (!ids.processes.set(process.id, added)) {
      processes.release(added);
      this.#parts.rejections.add();
      return;
    }
    ids.processIds.set(process.id, stream.keyframe);
  }

  /** Removes a process that no longer exists; sockets that it held still refer to it. */
  remove(node: NodeRecord, id: number): void {
    const slot = node.ids.processes.get(id);
    if (slot < 0) return;
    this.#model.processes.release(slot);
    node.ids.processes.delete(id);
    node.ids.processIds.delete(id);
  }

  /** Removes the processes that a node's keyframe did not name. */
  removeUnnamed(node: NodeRecord): void {
    for (const [id, keyframe] of node.ids.processIds)
      if (keyframe !== node.stream.keyframe) this.remove(node, id);
  }

  /** Begins a new run of the agent: its earlier ids are invalid. */
  beginEpoch(node: NodeRecord): void {
    const { ids } = node;
    for (const id of ids.processIds.keys()) this.#model.processes.release(ids.processes.get(id));
    ids.processIds.clear();
    ids.processes.clear();
  }

  /** Sets the holders of sockets, except those in `removed`. The rows of one socket are adjacent. */
  putHolders(node: NodeRecord, table: HolderTable, removed: ReadonlySet<number>): void {
    for (let from = 0, to = 0; from < table.length; from = to) {
      to = endOfRun(table, from);
      const id = table.socket[from]!;
      if (removed.size === 0 || !removed.has(id)) this.#setHolders(node, table, from, to);
    }
  }

  /** Returns the first row of each wanted socket in a table of holders, by the agent's socket ids. */
  startsOf(table: HolderTable, wanted: ReadonlySet<number>): Map<number, number> {
    const starts = new Map<number, number>();
    for (let from = 0; from < table.length; from = endOfRun(table, from)) {
      const id = table.socket[from]!;
      if (wanted.has(id)) starts.set(id, from);
    }
    return starts;
  }

  /** Sets the holders of the socket whose rows start at `from`. */
  putHoldersAt(node: NodeRecord, table: HolderTable, from: number): void {
    this.#setHolders(node, table, from, endOfRun(table, from));
  }

  /** Removes a socket's holders. An orphan (inode 0) keeps its last one, which is better than none. */
  clearHolders(node: NodeRecord, id: number): void {
    const { sockets, holders } = this.#model;
    const slot = node.ids.sockets.get(id);
    if (slot < 0 || sockets.inode(slot) === 0) return;
    holders.free(sockets.holders(slot));
    sockets.setHolders(slot, 0);
    this.#noteHolders(node, slot);
  }

  #setHolders(node: NodeRecord, table: HolderTable, from: number, to: number): void {
    const { sockets, holders } = this.#model;
    const { ids } = node;
    const slot = ids.sockets.get(table.socket[from]!);
    if (slot < 0) {
      this.#parts.rejections.add();
      return;
    }
    const before = sockets.holders(slot);
    if (holders.equals(before, table, from, to, ids.processes)) return;
    sockets.setHolders(slot, holders.build(table, from, to, ids.processes));
    holders.free(before);
    this.#noteHolders(node, slot);
  }

  #noteHolders(node: NodeRecord, slot: number): void {
    const { sockets } = this.#model;
    if (sockets.kind(slot) === SocketKind.end) this.#parts.connector.touch(sockets.connection(slot));
    else if (sockets.has(slot, SocketFlag.shared)) this.#parts.news.ownersChanged(node.index);
  }
}

// The end of the rows of the socket whose rows start at `from`.
function endOfRun(table: HolderTable, from: number): number {
  const id = table.socket[from]!;
  let to = from + 1;
  while (to < table.length && table.socket[to] === id) to++;
  return to;
}

function isSameProgram(a: ProcessInfo, b: ProcessInfo): boolean {
  return (
    a.name === b.name &&
    a.exe === b.exe &&
    a.uid === b.uid &&
    a.unit === b.unit &&
    a.podUid === b.podUid &&
    a.containerId === b.containerId
  );
}
