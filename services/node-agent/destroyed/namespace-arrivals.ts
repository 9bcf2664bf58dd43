// Looks out for network namespaces as they come, so that one that lives for two seconds is known: whose it is
// is told by the processes in it while they live, and its number by the file that the container runtime or
// plugin makes for it before the first process. Both are looked for when such a file appears or the kernel
// announces a new number, and a few times more while the processes start.

import type { FSWatcher } from "node:fs";
import { existsSync, lstatSync, readdirSync, statSync, watch } from "node:fs";
import path from "node:path";

import type { NamespaceOwner, ProcessScan, ProcessScanner } from "../observation.ts";
import { ownerOf } from "../ids/namespace-ids.ts";

/**
 * Where container runtimes and `ip netns` keep files that stand for network namespaces, below the node's root.
 */
const DIRECTORIES = ["run/netns", "var/run/netns", "run/docker/netns"];

/** Milliseconds after an arrival at which it is looked whose the namespace is, until that is known. */
const LOOKS_MS = [0, 20, 60, 150, 400, 1000, 2000];

/** Namespaces that came since the last pass at most; the pass itself finds those that live. */
const ARRIVALS_MAX = 4096;

/** Whoever must know namespaces before anything happens in them. */
interface NamespaceLearner {
  /**
   * Learns the number of the namespace that a file stands for; gives its inode, 0 where that cannot be told.
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
  // Inode of each file at the last look.
  #files = new Map<string, number>();
  #owners = new Map<number, NamespaceOwner>();
  // Those of the files that were there at first: a number that is used again later is another namespace's.
  #first = new Set<number>();
  #timer: NodeJS.Timeout | null = null;
  #look = 0;

  constructor(options: { readonly procRoot: string; readonly processes: ProcessScanner }) {
    this.#procRoot = options.procRoot;
    this.#processes = options.processes;
  }

  /** Begins to watch, and learns the numbers of the namespaces that are there. */
  start(learner: NamespaceLearner): void {
    this.#learner = learner;
    this.#watchDirectories();
    this.#readFiles();
    this.#first = new Set(this.#files.values());
  }

  /** Whether a file stood for this namespace when watching began. */
  wasThereAtStart(inode: number): boolean {
    return this.#first.has(inode);
  }

  /** Something came: looks at once, and again while its processes start. */
  wake(): void {
    this.#look = 0;
    this.#schedule();
  }

  /** Owners of the namespaces that came since the last call, by inode. */
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
        // The kernel uses inode numbers again: a file that is new is asked about, whatever its number.
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
    // Where pid 1 is not ours to look at, what we see ourselves has to do.
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
        // It is not there, or not ours to see: passes find the namespaces with their processes.
      }
    }
  }
}

// An absolute link below another process's root would lead to our own: /var/run is one, and what it leads to
// is in the list.
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

// A namespace that is mounted on a file is that file's inode.
function inodeOfMount(file: string): number {
  try {
    return statSync(file).ino;
  } catch {
    return 0;
  }
}
