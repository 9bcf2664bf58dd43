// Watches for new network namespaces, so that even one that lives for two seconds is known. Its owner is read
// from its processes while they run, its number from the file that the container runtime or plugin creates
// for it before the first process. Both are read when such a file appears or the kernel announces a new
// number, and a few times more while the processes start.

import type { FSWatcher } from "node:fs";
import { existsSync, lstatSync, readdirSync, statSync, watch } from "node:fs";
import path from "node:path";

import type { NamespaceOwner, ProcessScan, ProcessScanner } from "../observation.ts";
import { ownerOf } from "../ids/namespace-ids.ts";

/** Where container runtimes and `ip netns` mount network namespaces on files, below the node's root. */
const DIRECTORIES = ["run/netns", "var/run/netns", "run/docker/netns"];

/** Milliseconds after an arrival at which the namespace's owner is read, until it is known. */
const LOOKS_MS = [0, 20, 60, 150, 400, 1000, 2000];

/** Maximum new namespaces between two passes; the pass itself finds those that still exist. */
const ARRIVALS_MAX = 4096;

/** Needs to know namespaces before anything happens in them. */
interface NamespaceLearner {
  /**
   * Learns the number of the namespace that is mounted on a file; returns its inode, or 0 if it cannot be
   * read.
   */
  learn(path: string): number;
  /** Learns of namespaces by their processes. */
  refresh(scan: ProcessScan): void;
}

/** Watches for namespaces. */
export class NamespaceArrivals {
  readonly #procRoot: string;
  readonly #processes: ProcessScanner;
  #learner: NamespaceLearner | null = null;
  readonly #watchers: FSWatcher[] = [];
  readonly #watched = new Set<string>();
  // Inode of each file when it was last read.
  #files = new Map<string, number>();
  #owners = new Map<number, NamespaceOwner>();
  // Inodes of the files that existed at first: a number that is reused later belongs to another namespace.
  #first = new Set<number>();
  #timer: NodeJS.Timeout | null = null;
  #look = 0;

  constructor(options: { readonly procRoot: string; readonly processes: ProcessScanner }) {
    this.#procRoot = options.procRoot;
    this.#processes = options.processes;
  }

  /** Begins to watch, and learns the numbers of existing namespaces. */
  start(learner: NamespaceLearner): void {
    this.#learner = learner;
    this.#watchDirectories();
    this.#readFiles();
    this.#first = new Set(this.#files.values());
  }

  /** Whether this namespace was mounted on a file when watching began. */
  wasThereAtStart(inode: number): boolean {
    return this.#first.has(inode);
  }

  /** A namespace appeared: reads it at once, and again while its processes start. */
  wake(): void {
    this.#look = 0;
    this.#schedule();
  }

  /** Returns the owners of namespaces that appeared since the last call, by inode. */
  takeOwners(): ReadonlyMap<number, NamespaceOwner> {
    const owners = this.#owners;
    this.#owners = new Map();
    // Directories appear with the first pod.
    this.#watchDirectories();
    return owners;
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.close();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#learner = null;
  }

  #schedule(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#look >= LOOKS_MS.length || this.#learner === null) return;
    const delayMs = LOOKS_MS[this.#look]! - (LOOKS_MS[this.#look - 1] ?? 0);
    this.#timer = setTimeout(() => {
      this.#look++;
      this.#lookNow();
      this.#schedule();
    }, delayMs).unref();
  }

  #lookNow(): void {
    this.#readFiles();
    const scan = this.#processes.scan();
    this.#learner!.refresh(scan);
    for (const record of scan.namespaces) {
      if (record.host || record.inode === 0) continue;
      const owner = ownerOf(record, scan);
      const before = this.#owners.get(record.inode);
      if (before === undefined && this.#owners.size >= ARRIVALS_MAX) continue;
      // While a pod starts, processes of the runtime pass through its namespace.
      if (before === undefined || before.podUid === "") this.#owners.set(record.inode, owner);
    }
  }

  #readFiles(): void {
    const files = new Map<string, number>();
    for (const directory of this.#watched) {
      for (const name of namesIn(directory)) {
        const file = path.join(directory, name);
        const inode = inodeOfMount(file);
        // The kernel reuses inode numbers: a new file is queried, whatever its number.
        if (inode !== 0 && this.#files.get(file) !== inode) {
          this.#learner!.learn(file);
          this.#first.delete(inode);
        }
        files.set(file, inode);
      }
    }
    this.#files = files;
  }

  #watchDirectories(): void {
    if (this.#learner === null) return;
    // If pid 1 may not be inspected, this process's own view is used.
    const ofNode = path.join(this.#procRoot, "1/root");
    const root = existsSync(path.join(ofNode, "run")) ? ofNode : "/";
    for (const directory of DIRECTORIES) {
      const full = path.join(root, directory);
      if (this.#watched.has(full) || !isPlain(root, directory)) continue;
      try {
        const watcher = watch(full, { persistent: false }, () => this.wake());
        watcher.on("error", () => watcher.close());
        this.#watchers.push(watcher);
        this.#watched.add(full);
      } catch {
        // It is absent, or may not be read: passes find the namespaces through their processes.
      }
    }
  }
}

// An absolute link below another process's root would lead into our own: /var/run is one, and its target is
// in the list.
function isPlain(root: string, directory: string): boolean {
  let at = root;
  try {
    return directory.split("/").every((part) => {
      at = path.join(at, part);
      return !lstatSync(at).isSymbolicLink();
    });
  } catch {
    return false;
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

// The inode of a file with a mounted namespace is the namespace's.
function inodeOfMount(file: string): number {
  try {
    return statSync(file).ino;
  } catch {
    return 0;
  }
}
