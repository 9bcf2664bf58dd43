// Finds who holds which socket, as `lsof -i` does, but without reading every descriptor in every pass. It
// keeps the lists of all processes and rereads a process only if its number of descriptors changed, if its
// namespace has a socket without a known holder, or, for a few processes in each pass, when its turn comes.

import type { FamilySocket } from "../../../lib/gen/whotalks/v1/report.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import type { HeldSockets, ProcessRecord, ProcessScan, SocketHolders, SocketSink } from "../observation.ts";
import { DescriptorRotation } from "./descriptor-rotation.ts";
import { countFds, NO_FDS, readFdList } from "./fd-list.ts";
import type { FdList } from "./fd-list.ts";
import { indexHolders, sameHolders } from "./held-sockets.ts";
import { InodeIndex } from "./inode-index.ts";
import { deniedSentence, mayReadOthers } from "./privileges.ts";
import { SettledRows } from "./settled-rows.ts";

/**
 * Descriptors that one pass may read to find holders of sockets without a known holder: about 75 ms. The
 * search continues in the next pass.
 */
const SEARCH_FDS_MAX = 16_384;

/** Minimum cost of listing a process, in descriptors. */
const LISTING_FDS = 4;

/** Options of the holders. */
interface SocketHoldersOptions {
  /** "/proc", "/host/proc", or a saved tree of <pid>/fd directories. */
  readonly procRoot: string;
  /** The holders reported by the reader of this pass; null if it does not report them. */
  readonly held?: () => HeldSockets | null;
}

/**
 * Creates the holders of sockets: as the reader reports them, else found among the processes of `procRoot`.
 */
export function createSocketHolders(options: SocketHoldersOptions): SocketHolders {
  return new Holders(options);
}

interface Held {
  readonly startTicks: number;
  /** countFds() before the list was read. */
  count: number;
  list: FdList;
  denied: boolean;
  /** Passes in which the list was last read, and last found changed. */
  readPass: number;
  changePass: number;
}

class Holders implements SocketHolders {
  readonly #root: string;
  readonly #held = new Map<number, Held>();
  readonly #index = new InodeIndex();
  // Inodes for which a complete search found no holder: the kernel's own sockets, and those of unreadable
  // processes.
  #unheld = new Set<number>();
  #generation = 0;
  readonly #settled = new SettledRows();
  #unreadable = 0;
  #pass = 0;
  #changed = false;
  readonly #rotation = new DescriptorRotation();
  // The holders that the reader of this pass reports, and those it reported last; null if the descriptors are
  // read here.
  readonly #reported: () => HeldSockets | null;
  #known: HeldSockets | null = null;

  constructor({ procRoot, held }: SocketHoldersOptions) {
    this.#root = procRoot;
    this.#reported = held ?? (() => null);
  }

  get unreadable(): number {
    return this.#unreadable;
  }

  get generation(): number {
    return this.#generation;
  }

  get overflowed(): number {
    return this.#index.overflowed;
  }

  limits(): readonly string[] {
    return this.#unreadable === 0
      ? []
      : [deniedSentence("The file descriptors of some processes", mayReadOthers())];
  }

  forEach(inode: number, callback: (pid: number, fd: number) => void): void {
    this.#index.forEach(inode, callback);
  }

  refresh(scan: ProcessScan, sink: SocketSink, namespaceInode: (namespaceId: number) => number): void {
    this.#pass++;
    const reported = this.#reported();
    if (reported !== null) {
      this.#take(reported);
      return;
    }
    this.#changed ||= this.#known !== null;
    this.#known = null;
    this.#forgetGone(scan);
    for (const record of scan.processes.values()) {
      const count = countFds(this.#directory(record.pid));
      if (count !== this.#held.get(record.pid)?.count) this.#read(record, count);
    }
    this.#rotate(scan);
    this.#rebuild();
    this.#search(scan, sink, namespaceInode);
    this.#rebuild();
    this.#unreadable = 0;
    for (const held of this.#held.values()) if (held.denied) this.#unreadable++;
  }

  #take(reported: HeldSockets): void {
    const same = this.#known !== null && sameHolders(this.#known, reported);
    this.#known = reported;
    if (same) return;
    this.#held.clear();
    this.#unreadable = 0;
    this.#generation++;
    indexHolders(this.#index, reported);
  }

  #directory(pid: number): string {
    return `${this.#root}/${pid}/fd`;
  }

  #forgetGone(scan: ProcessScan): void {
    for (const [pid, held] of this.#held) {
      if (scan.processes.get(pid)?.startTicks === held.startTicks) continue;
      this.#held.delete(pid);
      this.#changed ||= held.list.fds.length > 0;
    }
  }

  #read(record: ProcessRecord, count: number): FdList {
    const result = readFdList(this.#directory(record.pid));
    const denied = result === "denied";
    const list = typeof result === "string" ? NO_FDS : result;
    const before = this.#held.get(record.pid);
    const changed = !sameList(before?.list ?? NO_FDS, list);
    if (list.entries > 0 && count === 0) this.#rotation.isCounted = false;
    this.#held.set(record.pid, {
      startTicks: record.startTicks,
      count,
      list: changed ? list : { ...(before?.list ?? NO_FDS), entries: list.entries },
      denied,
      readPass: this.#pass,
      changePass: changed ? this.#pass : (before?.changePass ?? 0),
    });
    this.#changed ||= changed;
    return list;
  }

  // Rereads some processes without a sign of change, each in its turn.
  #rotate(scan: ProcessScan): void {
    const pids = this.#rotation.next(this.#held.keys(), (pid) => this.#costOf(pid));
    for (const pid of pids) {
      const held = this.#held.get(pid)!;
      if (held.readPass !== this.#pass) this.#read(scan.processes.get(pid)!, held.count);
    }
  }

  // Searches the processes of their namespaces for the holders of sockets without a known holder.
  #search(scan: ProcessScan, sink: SocketSink, namespaceInode: (namespaceId: number) => number): void {
    const stillUnheld = new Set<number>();
    const wanted = new Map<number, Set<number>>();
    // Whether the inode has a known holder, or is 0 and cannot have one.
    const look = (inode: number, namespaceId: number): boolean => {
      if (inode === 0 || this.#index.has(inode)) return true;
      if (this.#unheld.has(inode)) {
        stillUnheld.add(inode);
        return false;
      }
      const namespace = namespaceInode(namespaceId);
      const inodes = wanted.get(namespace) ?? new Set<number>();
      wanted.set(namespace, inodes.add(inode));
      return false;
    };
    const { sockets } = sink;
    const settled = this.#settled.of(this.#generation, sockets.length, sockets.capacity);
    for (let row = 0; row < sockets.length; row++) {
      const inode = sockets.inode[row]!;
      if (settled[row] !== inode) settled[row] = look(inode, sockets.namespace[row]!) ? inode : 0;
    }
    let listeners: ReadonlyMap<string, readonly number[]> | null = null;
    for (const { inode, namespace, path, state } of sink.familySockets) {
      if (look(inode, namespace) || path === "" || state !== SocketState.ESTABLISHED) continue;
      // An accepted unix socket is in its client's namespace, but its holder is in the namespace of the
      // listener with its path.
      listeners ??= namespacesByPath(sink.familySockets);
      for (const place of listeners.get(path) ?? []) if (place !== namespace) look(inode, place);
    }
    let budget = SEARCH_FDS_MAX;
    // Small namespaces first, so that the node's own namespace, which has the most descriptors, does not use
    // up the budget.
    const places = [...wanted]
      .map(([namespace, inodes]) => ({ inodes, candidates: this.#candidates(scan, namespace) }))
      .toSorted((a, b) => this.#cost(a.candidates) - this.#cost(b.candidates));
    for (const { inodes, candidates } of places) {
      for (const record of candidates) {
        if (inodes.size === 0 || budget <= 0) break;
        const held = this.#held.get(record.pid)!;
        const list = this.#read(record, held.count);
        for (const inode of list.inodes) inodes.delete(inode);
        budget -= list.entries + LISTING_FDS;
      }
      // An interrupted search continues in the next pass; after a complete one, what is left has no holder.
      if (budget > 0) for (const inode of inodes) stillUnheld.add(inode);
    }
    this.#unheld = stillUnheld;
  }

  #cost(records: readonly ProcessRecord[]): number {
    let fds = 0;
    for (const { pid } of records) fds += this.#costOf(pid);
    return fds;
  }

  #costOf(pid: number): number {
    return this.#held.get(pid)!.list.entries + LISTING_FDS;
  }

  // Returns the processes of a namespace that this pass has not read yet, most recently changed first.
  #candidates(scan: ProcessScan, namespace: number): ProcessRecord[] {
    const candidates: ProcessRecord[] = [];
    for (const record of scan.processes.values()) {
      const held = this.#held.get(record.pid);
      if (record.namespaceInode !== namespace || held === undefined || held.denied) continue;
      if (held.readPass !== this.#pass) candidates.push(record);
    }
    const changePass = (record: ProcessRecord): number => this.#held.get(record.pid)!.changePass;
    return candidates.toSorted((a, b) => changePass(b) - changePass(a));
  }

  #rebuild(): void {
    if (!this.#changed) return;
    this.#changed = false;
    this.#generation++;
    let entries = 0;
    for (const held of this.#held.values()) entries += held.list.fds.length;
    this.#index.reset(entries);
    // From last to first, since the index prepends each entry.
    for (const pid of [...this.#held.keys()].toSorted((a, b) => b - a)) {
      const { fds, inodes } = this.#held.get(pid)!.list;
      for (let i = fds.length - 1; i >= 0; i--) if (!this.#index.prepend(inodes[i]!, pid, fds[i]!)) return;
    }
  }
}

// Maps each path to the network namespaces with a unix listener on it.
function namespacesByPath(sockets: readonly FamilySocket[]): ReadonlyMap<string, readonly number[]> {
  const places = new Map<string, number[]>();
  for (const { path, state, namespace } of sockets) {
    if (path === "" || state !== SocketState.LISTEN) continue;
    const known = places.get(path);
    if (known === undefined) places.set(path, [namespace]);
    else if (!known.includes(namespace)) known.push(namespace);
  }
  return places;
}

function sameList(a: FdList, b: FdList): boolean {
  if (a.fds.length !== b.fds.length) return false;
  for (let i = 0; i < a.fds.length; i++)
    if (a.fds[i] !== b.fds[i] || a.inodes[i] !== b.inodes[i]) return false;
  return true;
}
