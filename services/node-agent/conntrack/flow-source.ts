// Reads one network namespace's flows in the best way that works: events between paced dumps, dumps alone, the
// text in /proc, or not at all. It never sets or resets a counter, sysctl or rule, and does not disturb other
// readers of conntrack.

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
import { ReadingPace } from "./reading-pace.ts";

/** A failed dump is retried in the next pass; after this many failures in a row dumps are given up. */
const FAILURES_MAX = 5;

/** The events to listen to; one with every attribute is smaller than 1 KiB. */
const CONNTRACK_EVENTS = {
  protocol: NETLINK_NETFILTER,
  groups: [CtGroup.new, CtGroup.destroy],
  slotBytes: 4096,
};

/** Options of a source of flows. */
interface FlowSourceOptions {
  /** Directory in /proc of a process of the network namespace whose table is read. */
  readonly directory: string;
  /** Inode of that namespace; 0 if unknown. Nothing is read while the process has another one. */
  readonly inode: number;
  readonly choice: ConntrackChoice;
  /** Whether to listen to events: their socket keeps the namespace alive, so never in a pod's. */
  readonly listens: boolean;
  /** Ids of the node's flows. */
  readonly ids: IdPool;
  /** Maximum flows. */
  readonly rowsMax: number;
  /** Maximum bytes of the event buffer; by default the event pump's own limit. */
  readonly bufferMaxBytes?: number;
  /** Milliseconds of a monotonic clock, 0 at the epoch's start. */
  readonly elapsedMs: () => number;
}

// Shared by all sources: each reading of a text is synchronous.
const tableFile = new TableFile();

/** Reads the flows of one network namespace. */
export class FlowSource {
  /** How flows are read; "none" before the first refresh. */
  mode: ConntrackMode = "none";
  /** Malformed messages and lines, since start. */
  malformed = 0;
  /** Directory in /proc of a process of the namespace; initially the options' `directory`. */
  directory: string;
  /** When the table is read next. */
  readonly pace = new ReadingPace();
  readonly #options: FlowSourceOptions;
  readonly #tracker: FlowTracker;
  readonly #parsers = createParsers();
  #pump: EventPump | null = null;
  #limits: string[] = [];
  #decided = false;
  // Whether the table was read once, so that it is known to be readable.
  #isRead = false;
  #failures = 0;

  constructor(options: FlowSourceOptions) {
    this.#options = options;
    this.directory = options.directory;
    this.#tracker = new FlowTracker(options.ids, options.rowsMax);
  }

  /** Flows that exist now. */
  get size(): number {
    return this.#tracker.size;
  }

  /** Flows that did not fit, since start. */
  get overflowed(): number {
    return this.#tracker.overflowed;
  }

  /** Events received, and how often the kernel dropped some, since start. */
  get events(): number {
    return this.#pump?.events ?? 0;
  }
  get overruns(): number {
    return this.#pump?.overruns ?? 0;
  }

  /** What prevents seeing every flow, as sentences that say what to do. */
  limits(): readonly string[] {
    const overruns = this.overruns;
    return overruns === 0
      ? this.#limits
      : [
          ...this.#limits,
          `the kernel dropped conntrack events ${overruns} times, as the buffer was full: flows shorter than the interval of readings may be missing`,
        ];
  }

  /** Updates the flows. Never rejects: what cannot be read becomes a limit. */
  async refresh(): Promise<void> {
    if (!this.#decided) this.#decide();
    const nowMs = this.#options.elapsedMs();
    if (this.#pump !== null) {
      this.#pump.drain();
      if (this.#pump.takeLoss()) this.pace.hurry(this.#pump.earliestRepairMs);
    }
    if (this.mode === "none" || !this.pace.isDue(nowMs)) return;
    const cpu = process.cpuUsage();
    if (this.#isElsewhere()) return;
    const alone = this.mode !== "events" && this.#options.listens;
    if (this.#isEmpty()) {
      this.pace.skip(nowMs, alone);
      return;
    }
    if (this.mode !== "proc") await this.#dump();
    // Also if the kernel refused the dump just now.
    if (this.mode === "proc") this.#readText();
    const { user, system } = process.cpuUsage(cpu);
    const repairMs = this.pace.done(this.#options.elapsedMs(), (user + system) / 1000, alone);
    if (this.#pump !== null) this.#pump.earliestRepairMs = repairMs;
  }

  /**
   * Adds to `into` what changed since the last call, or all flows; their namespace column gets `namespace`.
   */
  take(namespace: number, everything: boolean, into: FlowChanges): void {
    this.#pump?.drain();
    this.#tracker.take(namespace, everything, into);
  }

  /**
   * Stops reading because the namespace is gone or has no flows; adds the ids of the reported flows to
   * `removed`.
   */
  end(removed: number[]): void {
    this.close();
    this.#tracker.endAll(removed);
  }

  /** Stops reading. */
  close(): void {
    this.#pump?.close();
    this.#pump = null;
    this.mode = "none";
    this.#decided = true;
  }

  // Tries netlink first, since it has ids and states of every protocol; falls back to the text if the
  // privilege for netlink is missing.
  #decide(): void {
    this.#decided = true;
    const { choice, listens } = this.#options;
    if (choice === "none") {
      this.#limits = ["conntrack is not read: translated addresses are joined only by sockets and Services"];
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

  // Whether the process moved to another namespace, or exited and its pid was reused.
  #isElsewhere(): boolean {
    const { inode } = this.#options;
    return inode !== 0 && inodeOfLink(this.#namespacePath) !== inode;
  }

  // Whether the table was empty and still is: for a dump, the kernel would walk its whole hash.
  #isEmpty(): boolean {
    return this.#isRead && this.#tracker.size === 0 && countEntries(this.directory) === 0;
  }

  #openNetlink(dumpOnly: boolean): string | null {
    try {
      inNetworkNamespace(this.#namespacePath, () => {
        // The kernel loads its modules on the first request; only then does the sysctl exist.
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
    const { entry, messages } = this.#parsers;
    return new EventPump({ ...CONNTRACK_EVENTS, ...buffer }, (view, start, end) => {
      if (!messages.read(view, start, end)) {
        this.malformed++;
        return;
      }
      const type = messageType(view, start, hostIsLittleEndian);
      if (type === CtMessage.destroy) this.#tracker.destroy(entry);
      else if (type === CtMessage.new) this.#tracker.put(entry, this.#tick());
    });
  }

  async #dump(): Promise<void> {
    const { entry, messages } = this.#parsers;
    let descriptor = -1;
    try {
      descriptor = inNetworkNamespace(this.#namespacePath, () => openNetlink(NETLINK_NETFILTER));
      this.#tracker.begin();
      const tick = this.#tick();
      await dumpInSteps(
        descriptor,
        conntrackDumpRequest(hostIsLittleEndian),
        (view, start, end) => {
          if (messages.read(view, start, end)) this.#tracker.see(entry, tick);
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
    const { entry, lines } = this.#parsers;
    const tally = { linesMalformed: 0, overflowed: 0 };
    const tick = this.#tick();
    this.#tracker.begin();
    const failure = tableFile.read(this.#textPath, (bytes, start, end, atEnd) =>
      parseLines(bytes, start, end, atEnd, tally, (line, lineStart, lineEnd) => {
        if (!lines.parse(line, lineStart, lineEnd)) return false;
        this.#tracker.see(entry, tick);
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
      : `${this.#textPath} cannot be read`;
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

// Creates the parsers of netlink messages and of lines of text; both fill the same entry.
function createParsers(): { entry: ConntrackEntry; messages: CtnetlinkReader; lines: ConntrackLineParser } {
  const entry = new ConntrackEntry();
  return {
    entry,
    messages: new CtnetlinkReader(entry, hostIsLittleEndian),
    lines: new ConntrackLineParser(entry),
  };
}

// Makes the kernel load conntrack and waits for it: listening starts the load asynchronously, a request waits
// for it. Throws SyscallError if the kernel has none: with netfilter's netlink but without conntrack, sockets
// still open and bind.
function loadConntrack(): void {
  const descriptor = openNetlink(NETLINK_NETFILTER);
  try {
    dump(descriptor, conntrackStatisticsRequest(hostIsLittleEndian), () => {});
  } finally {
    syscalls().close(descriptor);
  }
}

// Returns why this thread's namespace would send no events; null if it sends them.
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
      : `${error.message}, which means that the kernel has no nf_conntrack_netlink`;
  }
  const { code } = error as NodeJS.ErrnoException;
  return code === "EACCES" || code === "EPERM"
    ? "the network namespace may not be opened: that needs SYS_PTRACE"
    : String(error instanceof Error ? error.message : error);
}
