// One network namespace's flows, by the best way that works: events between paced dumps, dumps alone, the text
// under /proc, or none. Nothing is ever set or reset: no counter, no sysctl, no rule; who else reads conntrack
// is not disturbed.

import { readFileSync } from "node:fs";
import path from "node:path";
import { setImmediate as yieldToOthers } from "node:timers/promises";

import { ConntrackEntry } from "../../../lib/conntrack/conntrack-entry.ts";
import { ConntrackLineParser } from "../../../lib/conntrack/parse-line.ts";
import { ticksOf } from "../../../lib/ticks.ts";
import { hostIsLittleEndian } from "../kernel/byte-order.ts";
import { EPERM, NETLINK_NETFILTER } from "../kernel/constants.ts";
import { dump, dumpInSteps, messageType, openNetlink } from "../kernel/netlink/netlink.ts";
import { inNetworkNamespace } from "../kernel/network-namespace.ts";
import { SyscallError, syscalls } from "../kernel/syscalls.ts";
import { inodeOfLink } from "../processes/namespace-link.ts";
import { parseLines } from "../procfs/table-lines.ts";
import { TableFile } from "../readers/table-file.ts";
import type { ConntrackChoice, ConntrackMode } from "../../../lib/vocabulary/conntrack-choices.ts";
import { countEntries } from "./entry-count.ts";
import { EventPump } from "../kernel/netlink/event-pump.ts";
import {
  conntrackDumpRequest,
  conntrackStatisticsRequest,
  CtGroup,
  CtMessage,
  CtnetlinkReader,
} from "./ctnetlink.ts";
import type { FlowChanges } from "../observation.ts";
import type { IdPool } from "../ids/id-pool.ts";
import { FlowTracker } from "./flow-tracker.ts";

/**
 * Re-reading pauses for this many times what it costs: 0.5 % of one core beside events, 5 % where it is all
 * there is.
 */
const PAUSE_BESIDE_EVENTS = 200;
const PAUSE_ALONE = 20;

/** Milliseconds between two readings, whatever they cost. */
const PAUSE_BESIDE_EVENTS_MIN_MS = 5_000;
const PAUSE_ALONE_MIN_MS = 1_000;
const PAUSE_MAX_MS = 60_000;

/**
 * A dump that fails is asked for again with the next pass; after so many failures in a row the way is given
 * up.
 */
const FAILURES_MAX = 5;

/** What is listened to: an event with every attribute has less than 1 KiB. */
const CONNTRACK_EVENTS = {
  protocol: NETLINK_NETFILTER,
  groups: [CtGroup.new, CtGroup.destroy],
  slotBytes: 4096,
};

/** How a source of flows is set up. */
interface FlowSourceOptions {
  /** Directory below /proc of a process of the network namespace whose table is read. */
  readonly directory: string;
  /** Inode of that namespace: what has another one meanwhile is not read. 0 where it cannot be told. */
  readonly inode: number;
  readonly choice: ConntrackChoice;
  /** Whether events may be listened to: their socket keeps the namespace alive, so never in a pod's. */
  readonly listens: boolean;
  /** Ids of the node's flows. */
  readonly ids: IdPool;
  /** Flows at most. */
  readonly rowsMax: number;
  /** Bytes that the buffer of events may grow to; the event pump's own limit where it is left out. */
  readonly bufferMaxBytes?: number;
  /** Milliseconds of a clock that never goes back, 0 at the epoch's start. */
  readonly elapsedMs: () => number;
}

// One for all: each reading of a text is synchronous.
const tableFile = new TableFile();

/** Flows of one network namespace. */
export class FlowSource {
  /** How flows are read; "none" before the first refresh. */
  mode: ConntrackMode = "none";
  /** Messages and lines that made no sense, since start. */
  malformed = 0;
  /** A reading pauses for so many times its cost more where it is one of as many that go on side by side. */
  sideBySide = 1;
  /** A process of the namespace: what `directory` of the options was at first. */
  directory: string;
  readonly #options: FlowSourceOptions;
  readonly #tracker: FlowTracker;
  readonly #entry = new ConntrackEntry();
  readonly #messages = new CtnetlinkReader(this.#entry, hostIsLittleEndian);
  readonly #lines = new ConntrackLineParser(this.#entry);
  #pump: EventPump | null = null;
  #limits: string[] = [];
  #decided = false;
  // Whether the table was read once, so that it is known that it can be.
  #isRead = false;
  #nextReadMs = 0;
  #failures = 0;

  constructor(options: FlowSourceOptions) {
    this.#options = options;
    this.directory = options.directory;
    this.#tracker = new FlowTracker(options.ids, options.rowsMax);
  }

  /** Flows that are there now. */
  get size(): number {
    return this.#tracker.size;
  }

  /** Flows that found no place, since start. */
  get overflowed(): number {
    return this.#tracker.overflowed;
  }

  /** Events received, and times that the kernel had to drop some, since start. */
  get events(): number {
    return this.#pump?.events ?? 0;
  }
  get overruns(): number {
    return this.#pump?.overruns ?? 0;
  }

  /** What stands in the way of seeing every flow, as sentences that say what to do. */
  limits(): readonly string[] {
    const overruns = this.overruns;
    return overruns === 0
      ? this.#limits
      : [
          ...this.#limits,
          `conntrack events came faster than they could be taken, ${overruns} times: flows shorter than a re-reading may be missing`,
        ];
  }

  /** Brings the flows up to date. Never rejects: what cannot be read is a limit. */
  async refresh(): Promise<void> {
    if (!this.#decided) this.#decide();
    const nowMs = this.#options.elapsedMs();
    if (this.#pump !== null) {
      this.#pump.drain();
      if (this.#pump.takeLoss()) this.#nextReadMs = Math.min(this.#nextReadMs, this.#pump.earliestRepairMs);
    }
    if (this.mode === "none" || nowMs < this.#nextReadMs) return;
    const cpu = process.cpuUsage();
    if (this.#isElsewhere()) return;
    const alone = this.mode !== "events" && this.#options.listens;
    const pauseMinMs = alone ? PAUSE_ALONE_MIN_MS : PAUSE_BESIDE_EVENTS_MIN_MS;
    if (this.#isEmpty()) {
      this.#nextReadMs = nowMs + pauseMinMs;
      return;
    }
    if (this.mode !== "proc") await this.#dump();
    // Also where the dump was refused just now.
    if (this.mode === "proc") this.#readText();
    const { user, system } = process.cpuUsage(cpu);
    const costMs = (user + system) / 1000;
    const pauseMs = Math.max(
      pauseMinMs,
      costMs * (alone ? PAUSE_ALONE : PAUSE_BESIDE_EVENTS) * this.sideBySide,
    );
    const doneMs = this.#options.elapsedMs();
    this.#nextReadMs = doneMs + Math.min(PAUSE_MAX_MS, pauseMs);
    if (this.#pump !== null)
      this.#pump.earliestRepairMs = doneMs + Math.max(PAUSE_ALONE_MIN_MS, costMs * PAUSE_ALONE);
  }

  /**
   * Adds to `into` what changed since the last call, or everything; `namespace` goes into the flows' column.
   */
  take(namespace: number, everything: boolean, into: FlowChanges): void {
    this.#pump?.drain();
    this.#tracker.take(namespace, everything, into);
  }

  /** Ends the reading since the namespace is gone, or has no flows; adds the ids of flows that end with it. */
  end(removed: number[]): void {
    this.close();
    this.#tracker.endAll(removed);
  }

  /** Ends the reading. */
  close(): void {
    this.#pump?.close();
    this.#pump = null;
    this.mode = "none";
    this.#decided = true;
  }

  // Netlink first, since it tells ids and states of every protocol; the text where the privilege for it is
  // missing.
  #decide(): void {
    this.#decided = true;
    const { choice, listens } = this.#options;
    if (choice === "none") {
      this.#limits = ["conntrack is not read: translated addresses are joined by sockets and Services alone"];
      return;
    }
    const reasons: string[] = [];
    if (choice !== "proc") {
      if (!listens) {
        this.mode = "dump";
        return;
      }
      const why = this.#openNetlink(choice === "dump");
      if (why === null) return;
      reasons.push(why);
    }
    if (choice === "auto" || choice === "proc") {
      const why = this.#probeText();
      if (why === null) {
        this.mode = "proc";
        this.#limits = reasons;
        return;
      }
      reasons.push(why);
    }
    this.#limits = [`conntrack cannot be read: ${reasons.join("; ")}`];
  }

  // Whether the process went to another namespace, or ended and another has its number now.
  #isElsewhere(): boolean {
    const { inode } = this.#options;
    return inode !== 0 && inodeOfLink(this.#namespacePath) !== inode;
  }

  // Whether there was nothing and is nothing: the kernel would walk through its whole hash to say so.
  #isEmpty(): boolean {
    return this.#isRead && this.#tracker.size === 0 && countEntries(this.directory) === 0;
  }

  #openNetlink(dumpOnly: boolean): string | null {
    try {
      inNetworkNamespace(this.#namespacePath, () => {
        // The kernel loads its modules when they are first asked for: only then is there a setting to look at.
        loadConntrack();
        const pump = this.#openPump();
        const eventsOff = dumpOnly ? null : eventsAreOff();
        if (dumpOnly || eventsOff !== null) pump.close();
        else this.#pump = pump;
        this.mode = this.#pump === null ? "dump" : "events";
        if (eventsOff !== null) this.#limits = [eventsOff];
      });
      return null;
    } catch (error) {
      return sentence(error);
    }
  }

  #openPump(): EventPump {
    const { bufferMaxBytes } = this.#options;
    const buffer = bufferMaxBytes === undefined ? {} : { bufferMinBytes: bufferMaxBytes, bufferMaxBytes };
    return new EventPump({ ...CONNTRACK_EVENTS, ...buffer }, (view, start, end) => {
      if (!this.#messages.read(view, start, end)) {
        this.malformed++;
        return;
      }
      const type = messageType(view, start, hostIsLittleEndian);
      if (type === CtMessage.destroy) this.#tracker.destroy(this.#entry);
      else if (type === CtMessage.new) this.#tracker.put(this.#entry, this.#tick());
    });
  }

  async #dump(): Promise<void> {
    let descriptor = -1;
    try {
      descriptor = inNetworkNamespace(this.#namespacePath, () => openNetlink(NETLINK_NETFILTER));
      this.#tracker.begin();
      const tick = this.#tick();
      await dumpInSteps(
        descriptor,
        conntrackDumpRequest(hostIsLittleEndian),
        (view, start, end) => {
          if (this.#messages.read(view, start, end)) this.#tracker.see(this.#entry, tick);
          else this.malformed++;
        },
        yieldToOthers,
      );
      this.#tracker.end();
      this.#isRead = true;
      this.#failures = 0;
    } catch (error) {
      this.#tracker.abandon();
      this.#fail(error);
    } finally {
      if (descriptor >= 0) syscalls().close(descriptor);
    }
  }

  #fail(error: unknown): void {
    this.#failures++;
    const denied = error instanceof SyscallError && error.errorNumber === EPERM;
    if (!denied && this.#failures < FAILURES_MAX) return;
    this.#pump?.close();
    this.#pump = null;
    const { choice, listens } = this.#options;
    if (choice === "auto" && this.#probeText() === null) {
      this.mode = "proc";
      this.#limits = listens ? [sentence(error)] : [];
      return;
    }
    this.mode = "none";
    this.#limits = [`conntrack cannot be read: ${sentence(error)}`];
  }

  #readText(): void {
    const tally = { linesMalformed: 0, overflowed: 0 };
    const tick = this.#tick();
    this.#tracker.begin();
    const failure = tableFile.read(this.#textPath, (bytes, start, end, atEnd) =>
      parseLines(bytes, start, end, atEnd, tally, (line, lineStart, lineEnd) => {
        if (!this.#lines.parse(line, lineStart, lineEnd)) return false;
        this.#tracker.see(this.#entry, tick);
        return true;
      }),
    );
    this.malformed += tally.linesMalformed;
    if (failure === null) this.#tracker.end();
    else this.#tracker.abandon();
  }

  #probeText(): string | null {
    const failure = tableFile.read(this.#textPath, (_bytes, _start, end) => end);
    if (failure === null) return null;
    return failure === "absent"
      ? `there is no ${this.#textPath} (the kernel was built without NF_CONNTRACK_PROCFS, or conntrack is not loaded)`
      : `${this.#textPath} may not be read`;
  }

  #tick(): number {
    return ticksOf(this.#options.elapsedMs());
  }

  get #namespacePath(): string {
    return path.join(this.directory, "ns/net");
  }

  get #textPath(): string {
    return path.join(this.directory, "net/nf_conntrack");
  }
}

// Listening makes the kernel load conntrack's modules in its own time, a request before it answers. Throws
// SyscallError where it cannot: the sockets of a kernel that has netfilter's netlink without conntrack open
// and bind all the same.
function loadConntrack(): void {
  const descriptor = openNetlink(NETLINK_NETFILTER);
  try {
    dump(descriptor, conntrackStatisticsRequest(hostIsLittleEndian), () => {});
  } finally {
    syscalls().close(descriptor);
  }
}

// In this thread's namespace: why no events would come; null where they do.
function eventsAreOff(): string | null {
  try {
    const value = readFileSync("/proc/sys/net/netfilter/nf_conntrack_events", "utf8").trim();
    return value === "0"
      ? "conntrack sends no events (net.netfilter.nf_conntrack_events is 0): short flows may be missed"
      : null;
  } catch {
    return "this kernel's conntrack sends no events (NF_CONNTRACK_EVENTS): short flows may be missed";
  }
}

function sentence(error: unknown): string {
  if (error instanceof SyscallError) {
    return error.errorNumber === EPERM
      ? "netlink needs the capability NET_ADMIN (and SYS_ADMIN for another namespace)"
      : `${error.message}, which says that the kernel has no nf_conntrack_netlink`;
  }
  const { code } = error as NodeJS.ErrnoException;
  return code === "EACCES" || code === "EPERM"
    ? "the network namespace may not be opened: that needs SYS_PTRACE"
    : String(error instanceof Error ? error.message : error);
}
