// All processes of the node and the network namespaces they are in: the first stage of a pass, and what the
// readers and the holders go by. Reads <pid>/{stat,ns/net} of every process in each pass, and
// <pid>/{status,cgroup,exe} of those that are new or became another program. Where the kernel can be asked for
// all processes at once (BPF) it reads no file of those that stay what they are. A saved tree of these files
// does as well as a mounted /proc.

import { existsSync, readdirSync, statSync } from "node:fs";

import { parseCgroup } from "../attribute/cgroup.ts";
import type { NamespaceRecord, ProcessRecord, ProcessScan } from "../observation.ts";
import { parsePidStat } from "../procfs/pid-stat.ts";
import { parsePidStatus } from "../procfs/pid-status.ts";
import { parseNamespaceLink } from "./namespace-link.ts";
import { deniedSentence, hidepidSentence, mayReadOthers } from "./privileges.ts";
import { readLink, readText, unread } from "./small-file.ts";
import type { TaskSource } from "./task-source.ts";

/**
 * Owner, exe and cgroup of a process are read again after this many passes even if it seems the same program.
 */
const REFRESH_PASSES = 30;

/** The uid that stands for an owner that could not be read: (uid_t) -1, which no process can have. */
export const UNKNOWN_UID = 0xffffffff;

/**
 * Scans the processes below a /proc or a saved tree of one, keeping what cannot have changed from pass to
 * pass.
 */
interface ProcessScanner {
  /** One pass. Never throws: what cannot be read is counted or becomes a limit. */
  scan(): ProcessScan;
}

/** What a scanner is made with. */
interface ProcessScannerOptions {
  /** "/proc", "/host/proc", or a saved tree of <pid> directories. */
  readonly procRoot: string;
  /** Tells every process at once, where the kernel can be asked (task-source.ts). */
  readonly tasks?: TaskSource;
}

/** A scanner of the processes below procRoot. */
export function createProcessScanner(options: ProcessScannerOptions): ProcessScanner {
  return new Scanner(options);
}

// What identifies a process; the same identity in two passes means that it is the same program still.
interface Identity {
  readonly pid: number;
  readonly startTicks: number;
  readonly name: string;
  readonly parentPid: number;
  /** Changes with owner, cgroup and program, where the kernel was asked; "" else. */
  readonly marks: string;
}

class Scanner implements ProcessScanner {
  readonly #root: string;
  readonly #tasks: TaskSource | null;
  #known = new Map<number, ProcessRecord>();
  #marks = new Map<number, string>();
  #pass = 0;

  constructor({ procRoot, tasks }: ProcessScannerOptions) {
    this.#root = procRoot;
    this.#tasks = tasks ?? null;
  }

  scan(): ProcessScan {
    this.#pass++;
    return this.#askKernel() ?? this.#scanProc();
  }

  // Null where the kernel cannot be asked.
  #askKernel(): ProcessScan | null {
    const processes = new Map<number, ProcessRecord>();
    const inodes = new Map<number, number | null>();
    const marks = new Map<number, string>();
    const told = this.#tasks?.((task) => {
      // A process that ends has no namespaces any more.
      if (task.namespaceInode === 0) return;
      const { pid, startTicks, name, parentPid, marks: mark } = task;
      marks.set(pid, mark);
      inodes.set(pid, task.namespaceInode);
      processes.set(
        pid,
        this.#record({ pid, startTicks, name, parentPid, marks: mark }, task.namespaceInode),
      );
    });
    if (told !== true) return null;
    // Whose namespace is the node's own hangs on pid 1: a kernel that keeps it from BPF may show it in /proc.
    const first = processes.has(1) ? null : this.#firstProcess(processes);
    if (first !== null) {
      inodes.set(1, first.namespaceInode);
      return this.#finish(new Map([[1, first], ...processes]), inodes, marks);
    }
    return this.#finish(processes, inodes, marks);
  }

  #firstProcess(processes: ReadonlyMap<number, ProcessRecord>): ProcessRecord | null {
    const identity = this.#identify(1);
    if (identity === null) return null;
    const known = this.#known.get(1);
    if (known !== undefined) return this.#record(identity, known.namespaceInode);
    // Its link may be denied to everybody: then its tables are held against those of one process of each
    // namespace.
    const others = new Map<number, Identity>();
    for (const record of processes.values())
      if (!others.has(record.namespaceInode)) others.set(record.namespaceInode, { ...record, marks: "" });
    const inode = this.#namespacesOf([identity, ...others.values()], []).get(1);
    return inode ? this.#record(identity, inode) : null;
  }

  #finish(
    processes: Map<number, ProcessRecord>,
    inodes: ReadonlyMap<number, number | null>,
    marks: Map<number, string>,
  ): ProcessScan {
    this.#known = processes;
    this.#marks = marks;
    return { processes, namespaces: group(processes, inodes), unreadable: 0, limits: [] };
  }

  #scanProc(): ProcessScan {
    const limits: string[] = [];
    const pids = this.#pids(limits);
    const identities = pids.map((pid) => this.#identify(pid)).filter((identity) => identity !== null);
    const namespaces = this.#namespacesOf(identities, limits);
    const processes = new Map<number, ProcessRecord>();
    let unreadable = 0;
    for (const identity of identities) {
      const inode = namespaces.get(identity.pid);
      // Gone since its stat was read.
      if (inode === undefined) continue;
      if (inode === null) unreadable++;
      processes.set(identity.pid, this.#record(identity, inode ?? 0));
    }
    this.#known = processes;
    return { processes, namespaces: group(processes, namespaces), unreadable, limits };
  }

  #pids(limits: string[]): number[] {
    let names: string[];
    try {
      names = readdirSync(this.#root);
    } catch (error) {
      limits.push(
        `${this.#root} cannot be read (${unread(error).code}): name a mounted /proc or a saved tree of one`,
      );
      return [];
    }
    const pids = names.filter((name) => /^[1-9]\d{0,9}$/.test(name)).map(Number);
    if (pids.length === 0)
      limits.push(`${this.#root} holds no process: name a mounted /proc or a saved tree of one`);
    const mountinfo = readText("/proc/self/mountinfo");
    const hidden = hidepidSentence(this.#root, "text" in mountinfo ? mountinfo.text : "", mayReadOthers());
    if (hidden !== null) limits.push(hidden);
    return pids.toSorted((a, b) => a - b);
  }

  // Null where the process is gone, or a zombie, which has neither sockets nor namespaces. Of a saved tree
  // without stat, comm and status tell the name.
  #identify(pid: number): Identity | null {
    const stat = readText(`${this.#root}/${pid}/stat`);
    if ("text" in stat) {
      const fields = parsePidStat(stat.text);
      return fields === null || fields.state === "Z" || fields.state === "X"
        ? null
        : { ...fields, pid, marks: "" };
    }
    const comm = readText(`${this.#root}/${pid}/comm`);
    const statusFile = readText(`${this.#root}/${pid}/status`);
    if (!("text" in comm) && !("text" in statusFile)) return null;
    const status = "text" in statusFile ? parsePidStatus(statusFile.text) : null;
    const name = "text" in comm ? comm.text.replace(/\n$/, "") : (status?.name ?? "");
    return { pid, startTicks: 0, name, parentPid: status?.parentPid ?? 0, marks: "" };
  }

  // The namespace inode by pid; null where it cannot be told, absent where the process is gone.
  #namespacesOf(identities: readonly Identity[], limits: string[]): Map<number, number | null> {
    const inodes = new Map<number, number | null>();
    const denied: number[] = [];
    const representatives = new Map<number, number>();
    for (const { pid } of identities) {
      const link = readLink(`${this.#root}/${pid}/ns/net`);
      if ("text" in link) {
        const inode = parseNamespaceLink(link.text);
        inodes.set(pid, inode);
        if (inode !== null && !representatives.has(inode)) representatives.set(inode, pid);
      } else if (link.reason === "denied") {
        denied.push(pid);
        inodes.set(pid, null);
      } else if (existsSync(`${this.#root}/${pid}`)) {
        inodes.set(pid, null);
      }
    }
    if (denied.length > 0) this.#matchByTables(denied, representatives, inodes, limits);
    if (representatives.size === 0) this.#assumeOne(inodes);
    return inodes;
  }

  // The link to a namespace is for who may trace the process, its tables are for everybody, and the files of
  // tables have inode numbers of their own in each namespace: equal numbers mean equal namespaces.
  #matchByTables(
    denied: readonly number[],
    representatives: ReadonlyMap<number, number>,
    inodes: Map<number, number | null>,
    limits: string[],
  ): void {
    const byTable = new Map<number, number>();
    for (const [inode, pid] of representatives) {
      const table = this.#tableInode(pid);
      if (table !== null) byTable.set(table, inode);
    }
    let unmatched = false;
    for (const pid of denied) {
      const inode = byTable.get(this.#tableInode(pid) ?? -1);
      if (inode === undefined) unmatched = true;
      else inodes.set(pid, inode);
    }
    if (unmatched) limits.push(deniedSentence("The network namespace of some processes", mayReadOthers()));
  }

  #tableInode(pid: number): number | null {
    try {
      return statSync(`${this.#root}/${pid}/net/dev`).ino;
    } catch {
      return null;
    }
  }

  // A saved tree without links to namespaces: all tables in it are taken for those of one namespace, of inode
  // 0.
  #assumeOne(inodes: Map<number, number | null>): void {
    for (const pid of inodes.keys()) if (existsSync(`${this.#root}/${pid}/net`)) inodes.set(pid, 0);
  }

  #record(identity: Identity, namespaceInode: number): ProcessRecord {
    const { pid, startTicks, name, parentPid, marks } = identity;
    const known = this.#known.get(pid);
    const same = known !== undefined && known.startTicks === startTicks && known.name === name;
    const unmarked = marks === "" || this.#marks.get(pid) === marks;
    // Spread over the passes by pid.
    if (same && unmarked && (this.#pass + pid) % REFRESH_PASSES !== 0) {
      if (known.parentPid === parentPid && known.namespaceInode === namespaceInode) return known;
      return { ...known, parentPid, namespaceInode };
    }
    const exe = readLink(`${this.#root}/${pid}/exe`);
    const status = readText(`${this.#root}/${pid}/status`);
    const cgroup = readText(`${this.#root}/${pid}/cgroup`);
    const record: ProcessRecord = {
      pid,
      startTicks,
      parentPid,
      name,
      exe: "text" in exe ? exe.text : "",
      uid: "text" in status ? (parsePidStatus(status.text).uid ?? UNKNOWN_UID) : UNKNOWN_UID,
      namespaceInode,
      ...parseCgroup("text" in cgroup ? cgroup.text : ""),
    };
    return same && equal(known, record) ? known : record;
  }
}

// Records that did not change stay the same object, so that whoever keeps them sees that at once.
function equal(a: ProcessRecord, b: ProcessRecord): boolean {
  return (Object.keys(a) as (keyof ProcessRecord)[]).every((key) => a[key] === b[key]);
}

function group(
  processes: ReadonlyMap<number, ProcessRecord>,
  inodes: ReadonlyMap<number, number | null>,
): readonly NamespaceRecord[] {
  const pidsByInode = new Map<number, number[]>();
  for (const pid of processes.keys()) {
    const inode = inodes.get(pid) ?? null;
    if (inode === null) continue;
    const pids = pidsByInode.get(inode);
    if (pids === undefined) pidsByInode.set(inode, [pid]);
    else pids.push(pid);
  }
  return [...pidsByInode].map(([inode, pids]) => ({ inode, host: pids[0] === 1, pids }));
}
