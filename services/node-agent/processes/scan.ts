// Scans all processes of the node and the network namespaces they are in: the first stage of a pass, on which
// the readers and the holders depend. Reads <pid>/{stat,ns/net} of every process in each pass, and
// <pid>/{status,cgroup,exe} of those that are new or run another program. If the kernel can report all
// processes at once (BPF), it reads no file of unchanged processes. A saved tree of these files works as well
// as a mounted /proc.

import { existsSync, readdirSync, statSync } from "node:fs";

import { parseCgroup } from "../attribute/cgroup.ts";
import type { NamespaceRecord, ProcessRecord, ProcessScan } from "../observation.ts";
import { parsePidStat } from "../procfs/pid-stat.ts";
import { parsePidStatus } from "../procfs/pid-status.ts";
import { parseNamespaceLink } from "./namespace-link.ts";
import { deniedSentence, hidepidSentence, mayReadOthers } from "./privileges.ts";
import { readLink, readText, unread } from "./small-file.ts";
import type { TaskSource } from "./task-source.ts";

/** The owner, exe and cgroup of a process are reread after this many passes even if it seems unchanged. */
const REFRESH_PASSES = 30;

/** The uid of an owner that could not be read: (uid_t) -1, which no process can have. */
export const UNKNOWN_UID = 0xffffffff;

/** Scans the processes of a /proc or a saved tree of one; keeps from pass to pass what cannot have changed. */
interface ProcessScanner {
  /** Scans once. Never throws: what cannot be read is counted or becomes a limit. */
  scan(): ProcessScan;
}

/** Options of the scanner. */
interface ProcessScannerOptions {
  /** "/proc", "/host/proc", or a saved tree of <pid> directories. */
  readonly procRoot: string;
  /** Reports every process at once, if the kernel can do that (task-source.ts). */
  readonly tasks?: TaskSource;
}

/** Creates a scanner of the processes in procRoot. */
export function createProcessScanner(options: ProcessScannerOptions): ProcessScanner {
  return new Scanner(options);
}

// Identifies a process: the same identity in two passes means that it still runs the same program.
interface Identity {
  readonly pid: number;
  readonly startTicks: number;
  readonly name: string;
  readonly parentPid: number;
  /** Changes with owner, cgroup and program if the kernel reported the process; otherwise "". */
  readonly marks: string;
  /** As ProcessRecord has them; 0 where the kernel was not asked. */
  readonly cgroup: number;
  readonly mountNamespace: number;
}

// What only the kernel's own iterator reports of a process.
const unasked = { marks: "", cgroup: 0, mountNamespace: 0 } as const;

class Scanner implements ProcessScanner {
  readonly #root: string;
  readonly #tasks: TaskSource | null;
  #known = new Map<number, ProcessRecord>();
  #marks = new Map<number, string>();
  // Cookies of network namespaces by inode, where the kernel was asked.
  readonly #cookies = new Map<number, number>();
  #pass = 0;

  constructor({ procRoot, tasks }: ProcessScannerOptions) {
    this.#root = procRoot;
    this.#tasks = tasks ?? null;
  }

  scan(): ProcessScan {
    this.#pass++;
    return this.#askKernel() ?? this.#scanProc();
  }

  // Returns null if the kernel cannot report processes.
  #askKernel(): ProcessScan | null {
    const processes = new Map<number, ProcessRecord>();
    const inodes = new Map<number, number | null>();
    const marks = new Map<number, string>();
    this.#cookies.clear();
    const isComplete = this.#tasks?.((task) => {
      // An exiting process no longer has namespaces.
      if (task.namespaceInode === 0) return;
      if (task.namespaceCookie !== 0) this.#cookies.set(task.namespaceInode, task.namespaceCookie);
      const { pid } = task;
      marks.set(pid, task.marks);
      inodes.set(pid, task.namespaceInode);
      processes.set(pid, this.#record(task, task.namespaceInode));
    });
    if (isComplete !== true) return null;
    // Pid 1 decides which namespace is the node's own: a kernel that hides it from BPF may show it in /proc.
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
    // If nobody may read its link, compare its tables with those of one process of each namespace.
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
    return { processes, namespaces: group(processes, inodes, this.#cookies), unreadable: 0, limits: [] };
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
      // The process exited after its stat was read.
      if (inode === undefined) continue;
      if (inode === null) unreadable++;
      processes.set(identity.pid, this.#record(identity, inode ?? 0));
    }
    this.#known = processes;
    return { processes, namespaces: group(processes, namespaces, this.#cookies), unreadable, limits };
  }

  #pids(limits: string[]): number[] {
    let names: string[];
    try {
      names = readdirSync(this.#root);
    } catch (error) {
      limits.push(
        `${this.#root} cannot be read (${unread(error).code}): specify a mounted /proc or a saved copy of one`,
      );
      return [];
    }
    const pids = names.filter((name) => /^[1-9]\d{0,9}$/.test(name)).map(Number);
    if (pids.length === 0)
      limits.push(`${this.#root} holds no process: specify a mounted /proc or a saved copy of one`);
    const mountinfo = readText("/proc/self/mountinfo");
    const hidden = hidepidSentence(this.#root, "text" in mountinfo ? mountinfo.text : "", mayReadOthers());
    if (hidden !== null) limits.push(hidden);
    return pids.toSorted((a, b) => a - b);
  }

  // Returns null if the process is gone, or a zombie, which has neither sockets nor namespaces. In a saved
  // tree without stat, the name comes from comm or status.
  #identify(pid: number): Identity | null {
    const stat = readText(`${this.#root}/${pid}/stat`);
    if ("text" in stat) {
      const fields = parsePidStat(stat.text);
      return fields === null || fields.state === "Z" || fields.state === "X"
        ? null
        : { ...fields, pid, ...unasked };
    }
    const comm = readText(`${this.#root}/${pid}/comm`);
    const statusFile = readText(`${this.#root}/${pid}/status`);
    if (!("text" in comm) && !("text" in statusFile)) return null;
    const status = "text" in statusFile ? parsePidStatus(statusFile.text) : null;
    const name = "text" in comm ? comm.text.replace(/\n$/, "") : (status?.name ?? "");
    return { pid, startTicks: 0, name, parentPid: status?.parentPid ?? 0, ...unasked };
  }

  // Returns the namespace inode by pid: null if it is unknown, absent if the process is gone.
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

  // Only a process that may trace another one can read its namespace link, but everybody can read its tables,
  // and the files of tables have different inodes in each namespace: equal inodes mean equal namespaces.
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

  // A saved tree without namespace links: treats all tables in it as those of one namespace with inode 0.
  #assumeOne(inodes: Map<number, number | null>): void {
    for (const pid of inodes.keys()) if (existsSync(`${this.#root}/${pid}/net`)) inodes.set(pid, 0);
  }

  #record(identity: Identity, namespaceInode: number): ProcessRecord {
    const { pid, startTicks, name, parentPid, marks, cgroup: cgroupInode, mountNamespace } = identity;
    const known = this.#known.get(pid);
    const same = known !== undefined && known.startTicks === startTicks && known.name === name;
    const unmarked = marks === "" || this.#marks.get(pid) === marks;
    // The refreshes are spread over the passes by pid.
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
      cgroup: cgroupInode,
      mountNamespace,
      ...parseCgroup("text" in cgroup ? cgroup.text : ""),
    };
    return same && equal(known, record) ? known : record;
  }
}

// Unchanged records stay the same object, so that a holder of one can compare by identity.
function equal(a: ProcessRecord, b: ProcessRecord): boolean {
  return (Object.keys(a) as (keyof ProcessRecord)[]).every((key) => a[key] === b[key]);
}

function group(
  processes: ReadonlyMap<number, ProcessRecord>,
  inodes: ReadonlyMap<number, number | null>,
  cookies: ReadonlyMap<number, number>,
): readonly NamespaceRecord[] {
  const pidsByInode = new Map<number, number[]>();
  for (const pid of processes.keys()) {
    const inode = inodes.get(pid) ?? null;
    if (inode === null) continue;
    const pids = pidsByInode.get(inode);
    if (pids === undefined) pidsByInode.set(inode, [pid]);
    else pids.push(pid);
  }
  return [...pidsByInode].map(([inode, pids]) => {
    const cookie = cookies.get(inode);
    return { inode, ...(cookie === undefined ? {} : { cookie }), host: pids[0] === 1, pids };
  });
}
