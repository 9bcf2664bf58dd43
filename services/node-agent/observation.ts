// What the stages of the agent hand to each other, from top to bottom of its pipeline.

import type {
  FamilySocket,
  NamespaceCoverage,
  NetworkNamespace,
  NodeCoverage,
  ProcessInfo,
} from "../../lib/gen/whotalks/v1/report.ts";
import type { FlowTable } from "../../lib/flow-table.ts";
import type { HolderTable } from "../../lib/holder-table.ts";
import type { SocketTable } from "../../lib/socket-table.ts";
import type { DestroyedTable } from "./destroyed/destroyed-table.ts";

/** One process as /proc tells it. Ids of whotalks' own are given later. */
export interface ProcessRecord {
  readonly pid: number;
  /** Start in clock ticks since boot (stat field 22); with the pid it identifies the process. */
  readonly startTicks: number;
  readonly parentPid: number;
  /** comm. */
  readonly name: string;
  /** Target of the exe link; empty where it cannot be read. */
  readonly exe: string;
  /** Real user id. */
  readonly uid: number;
  /** Inode of the network namespace; 0 where it cannot be told. */
  readonly namespaceInode: number;
  /** Container id, pod uid and systemd unit from the cgroup; empty where there is none. */
  readonly containerId: string;
  readonly podUid: string;
  readonly unit: string;
  /** Inode of the cgroup's directory in the v2 hierarchy; 0 where it is not known. */
  readonly cgroup: number;
  /** Inode of the mount namespace; 0 where it is not known. */
  readonly mountNamespace: number;
}

/** One network namespace as a pass found it: where to read its tables. */
export interface NamespaceRecord {
  /** Inode of the namespace; 0 where it could not be told. */
  readonly inode: number;
  /** Cookie of the namespace, which unlike its inode is never used again; absent if it is not known. */
  readonly cookie?: number;
  /** Whether pid 1 is in it. */
  readonly host: boolean;
  /** Every pid in it, ascending: the first is the representative, the next ones serve when it is gone. */
  readonly pids: readonly number[];
}

/** All processes of the node and the network namespaces they are in. */
export interface ProcessScan {
  readonly processes: ReadonlyMap<number, ProcessRecord>;
  readonly namespaces: readonly NamespaceRecord[];
  /** Processes whose network namespace could not be told. */
  readonly unreadable: number;
  /** What stands in the way of seeing all, as sentences that say what to do. */
  readonly limits: readonly string[];
}

/** Finds the node's processes and network namespaces. */
export interface ProcessScanner {
  /** One look at all of them. Never throws: what cannot be read is counted or named in `limits`. */
  scan(): ProcessScan;
}

/** What readers fill in a pass: rows without id and firstSeen. */
export interface SocketSink {
  readonly sockets: SocketTable;
  /** Unix, netlink and packet sockets; id 0, firstSeen 0. */
  readonly familySockets: FamilySocket[];
}

/** How the reading of one namespace went. */
export interface NamespaceReading {
  /** False where no process of the namespace let its tables be read. */
  readonly read: boolean;
  /** Lines that made no sense and were skipped. */
  readonly linesMalformed: number;
  /** Rows that found no place in the sink. */
  readonly overflowed: number;
  /** Addresses of the namespace's interfaces, loopback left out: 4 or 16 bytes each in network order. */
  readonly addresses: readonly Uint8Array[];
  /**
   * TCP counters of the namespace (ActiveOpens, PassiveOpens, AttemptFails of net/snmp); null where unknown.
   */
  readonly tcpCounters: TcpCounters | null;
  /** Whether TCP sockets that no file refers to (TIME_WAIT, half-open, orphaned) were read now, too. */
  readonly unheldRead: boolean;
}

/** Counters of /proc/<pid>/net/snmp, for IPv4 and IPv6 together, since the namespace was made. */
export interface TcpCounters {
  readonly activeOpens: number;
  readonly passiveOpens: number;
  readonly attemptFails: number;
  /** When they were read, in nanoseconds of CLOCK_MONOTONIC. */
  readonly readNs: number;
}

/** What a reader may know before a pass. */
export interface ReadingHints {
  /**
   * Inodes of the namespaces in which sockets were destroyed since the pass before; null where that is not
   * known.
   */
  readonly destroyedIn: ReadonlySet<number> | null;
  /**
   * Whether events keep the TCP sockets that no file refers to, so that they need not be read but to check:
   * always, not now because events were lost, or never.
   */
  readonly unheldKept: "always" | "not-now" | "never";
}

/** A way to read the sockets of a namespace. */
export interface SocketReader {
  /** Name as coverage and the --reader flag have it; a chain of readers has the name of the one that reads. */
  readonly name: string;
  /** Null where the reader can work here, else why not. */
  probe(): string | null;
  /**
   * Asked before anything of a pass is read: whether all that read() would tell is as it was told last. Where
   * it is, neither begin() nor read() is called in the pass. Absent where that cannot be known. Never throws.
   */
  isStill?(): boolean;
  /** Called before the namespaces of a pass are read: readers of the whole node read it here. Never throws. */
  begin?(hints?: ReadingHints): void;
  /**
   * Appends every socket of the namespace to the sink, with namespaceId in the namespace column. Never throws.
   */
  read(namespace: NamespaceRecord, namespaceId: number, sink: SocketSink): NamespaceReading;
  /** What the latest readings could not tell and why, as sentences that say what to do. */
  limits(): readonly string[];
  /**
   * Who holds which socket, where the reader learns it with the sockets of a pass; null or absent where it
   * does not.
   */
  held?(): HeldSockets | null;
}

/** Every descriptor of a socket on the node: one stands at the same place in each column. */
export interface HeldSockets {
  readonly count: number;
  readonly pids: Uint32Array;
  readonly fds: Uint32Array;
  readonly inodes: Uint32Array;
}

/** Which process holds which socket, by inode. */
export interface SocketHolders {
  /**
   * Brings the holders up to date with a pass, after its sockets were read: rescans the processes whose
   * descriptors may have changed, and those of a namespace with a socket that nobody was known to hold.
   * namespaceInode gives the inode of the namespace that an id in the sink stands for. Never throws.
   */
  refresh(scan: ProcessScan, sink: SocketSink, namespaceInode: (namespaceId: number) => number): void;
  /** Calls back for each (pid, fd) that holds the inode, in ascending order of pid, then fd. */
  forEach(inode: number, callback: (pid: number, fd: number) => void): void;
  /** Processes whose file descriptors could not be read. */
  readonly unreadable: number;
  /** Changes whenever a holder may have: equal generations mean equal holders. */
  readonly generation: number;
  /** File descriptors that found no place in the bounded index of the latest refresh. */
  readonly overflowed: number;
  /** What stands in the way of knowing every holder, as sentences that say what to do. */
  limits(): readonly string[];
}

/** What makes one account of flows out of another. */
export interface FlowChanges {
  /** New flows; in a keyframe all of them. */
  readonly added: FlowTable;
  /** Known flows with what may change of them. */
  readonly changed: FlowTable;
  /** Ids of flows that are gone, after they were added or changed. */
  readonly removed: number[];
}

/** A network namespace in which there may be flows, with the id that reports give it. */
export interface FlowNamespace {
  readonly id: number;
  readonly record: NamespaceRecord;
}

/** Reads the node's flows. */
export interface FlowReader {
  /** How those of the node's own namespace are read, as coverage has it: events, dump, proc or none. */
  readonly mode: string;
  /** Events that came, since start: where it moves, another refresh() has something to take. */
  readonly events: number;
  /** Flows that are there now. */
  readonly size: number;
  /** Messages and lines that made no sense, since start. */
  readonly malformed: number;
  /** Flows that found no place, since start. */
  readonly overflowed: number;
  /** Times that the kernel had to drop events, since start. */
  readonly overruns: number;
  /**
   * Brings the flows up to date; the namespaces are those of this pass. Never rejects: what cannot be read is
   * a limit.
   */
  refresh(namespaces: readonly FlowNamespace[]): Promise<void>;
  /** What changed since the last call, or everything; the tables may be used again by the next call. */
  take(everything: boolean): FlowChanges;
  /** What stands in the way of seeing every flow, as sentences that say what to do. */
  limits(): readonly string[];
}

/** Whose network namespace it is, where its processes say so; else empty. */
export interface NamespaceOwner {
  readonly podUid: string;
  readonly containerId: string;
}

/** Hears of the sockets that are destroyed between two passes. */
export interface DestroyedReader {
  /** Whether every namespace is heard that has a number in the node's own, only some are, or none is. */
  readonly hearing: "all" | "some" | "none";
  /** Times that the kernel had to drop events, since start. */
  readonly overruns: number;
  /** Messages that made no sense, since start. */
  readonly malformed: number;
  /** Events that found no place, since start. */
  readonly overflowed: number;
  /** Called when so many events wait that a pass should not. */
  onCrowd: (() => void) | null;
  /** Brings itself up to date with the namespaces that there are. Never throws. */
  refresh(scan: ProcessScan): void;
  /** Owners of namespaces that came, and perhaps went, since the last call, by inode. */
  takeArrivals(): ReadonlyMap<number, NamespaceOwner>;
  /** What was destroyed since the last call, oldest first; valid until the next one. */
  take(): DestroyedTable;
  /** Whether the destroyed sockets of the namespace with this inode are heard of. */
  hears(inode: number): boolean;
  /**
   * Whether a namespace was there when listening began, without a process perhaps: its counters are no news.
   */
  wasThereAtStart(inode: number): boolean;
  /** What stands in the way of hearing of all, as sentences that say what to do. */
  limits(): readonly string[];
}

/** Reports every change of a TCP socket's state, in every network namespace of the kernel, as it happens. */
export interface TcpEvents {
  /** Bytes that wait to be drained. Costs no system call. */
  readonly waiting: number;
  /** Records that were lost because the buffer was full, since start. */
  readonly lost: number;
  /** Calls back for every record that waits, oldest first (tcp-state-record.ts). */
  drain(take: (view: DataView, start: number, length: number) => void): void;
}

/** What was heard between two reports, as a delta needs it. */
export interface HeardChanges {
  /** New sockets, then those that opened and closed in between. */
  readonly sockets: SocketTable;
  readonly holders: HolderTable;
  /** Known sockets with what changed, or with their last figures. */
  readonly changes: SocketTable;
  /** Ids of sockets that are gone, including those that opened and closed. */
  readonly removed: number[];
  /** How many of `sockets` opened and closed. */
  readonly ended: number;
}

/** Sockets of which one pass tells for the last time. */
export interface EndedSockets {
  /** Those that came and went since the pass before, with ids of their own. */
  readonly sockets: SocketTable;
  /** Who held them. */
  readonly holders: HolderTable;
  /** Those that the pass before knew, with what was last known of them. */
  readonly finals: SocketTable;
}

/** All that one pass found on the node, after ids were given: what deltas are made from. */
export interface Observation {
  /** When the pass ended, in ticks of 10 ms since the epoch's start. */
  readonly ticks: number;
  readonly namespaces: ReadonlyMap<number, NetworkNamespace>;
  readonly processes: ReadonlyMap<number, ProcessInfo>;
  readonly sockets: SocketTable;
  readonly familySockets: ReadonlyMap<number, FamilySocket>;
  readonly holders: HolderTable;
  /** What ended since the pass before. */
  readonly ended: EndedSockets;
  readonly coverage: NodeCoverage;
  /** By namespace id; objects whose figures did not change are those of the pass before. */
  readonly namespaceCoverage: ReadonlyMap<number, NamespaceCoverage>;
}
