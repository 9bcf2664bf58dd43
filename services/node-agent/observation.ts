// Types that the stages of the agent pass to each other, in the order of its pipeline.

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

/** One process as /proc shows it. The agent assigns its own ids later. */
export interface ProcessRecord {
  readonly pid: number;
  /** Start in clock ticks since boot (stat field 22); with the pid it identifies the process. */
  readonly startTicks: number;
  readonly parentPid: number;
  /** comm. */
  readonly name: string;
  /** Target of the exe link; empty if it cannot be read. */
  readonly exe: string;
  /** Real user id. */
  readonly uid: number;
  /** Inode of the network namespace; 0 if it is unknown. */
  readonly namespaceInode: number;
  /** Container id, pod uid and systemd unit from the cgroup; empty if there is none. */
  readonly containerId: string;
  readonly podUid: string;
  readonly unit: string;
  /** Inode of the cgroup's directory in the v2 hierarchy; 0 if unknown. */
  readonly cgroup: number;
  /** Inode of the mount namespace; 0 if unknown. */
  readonly mountNamespace: number;
}

/** One network namespace as a pass found it, with the processes through which its tables are read. */
export interface NamespaceRecord {
  /** Inode of the namespace; 0 if unknown. */
  readonly inode: number;
  /** Cookie of the namespace, which unlike its inode is never reused; absent if unknown. */
  readonly cookie?: number;
  /** Whether pid 1 is in it. */
  readonly host: boolean;
  /** Every pid in it, ascending: the first is used to read it, the others if that one is gone. */
  readonly pids: readonly number[];
}

/** All processes of the node and their network namespaces. */
export interface ProcessScan {
  readonly processes: ReadonlyMap<number, ProcessRecord>;
  readonly namespaces: readonly NamespaceRecord[];
  /** Processes whose network namespace is unknown. */
  readonly unreadable: number;
  /** What prevents seeing everything, as sentences that say what to do. */
  readonly limits: readonly string[];
}

/** Finds the node's processes and network namespaces. */
export interface ProcessScanner {
  /** Reads all of them. Never throws: what cannot be read is counted or named in `limits`. */
  scan(): ProcessScan;
}

/** The tables that readers fill in a pass: rows without id and firstSeen. */
export interface SocketSink {
  readonly sockets: SocketTable;
  /** Unix, netlink and packet sockets; id 0, firstSeen 0. */
  readonly familySockets: FamilySocket[];
}

/** The result of reading one namespace. */
export interface NamespaceReading {
  /** False if its tables could not be read through any of its processes. */
  readonly read: boolean;
  /** Malformed lines, which were skipped. */
  readonly linesMalformed: number;
  /** Rows that did not fit into the sink. */
  readonly overflowed: number;
  /** Addresses of the namespace's interfaces except loopback: 4 or 16 bytes each in network order. */
  readonly addresses: readonly Uint8Array[];
  /**
   * TCP counters of the namespace (ActiveOpens, PassiveOpens, AttemptFails of net/snmp); null if unknown.
   */
  readonly tcpCounters: TcpCounters | null;
  /** Whether TCP sockets that no file refers to (TIME_WAIT, half-open, orphaned) were read as well. */
  readonly unheldRead: boolean;
}

/** Counters of /proc/<pid>/net/snmp, for IPv4 and IPv6 together, since the namespace was created. */
export interface TcpCounters {
  readonly activeOpens: number;
  readonly passiveOpens: number;
  readonly attemptFails: number;
  /** When they were read, in nanoseconds of CLOCK_MONOTONIC. */
  readonly readNs: number;
}

/** What the agent knows before a pass that lets a reader read less. */
export interface ReadingHints {
  /** Inodes of the namespaces in which sockets were destroyed since the previous pass; null if unknown. */
  readonly destroyedIn: ReadonlySet<number> | null;
  /**
   * Whether events keep track of the TCP sockets that no file refers to, so that tables are read only to check
   * them: "always", "not-now" because events were lost, or "never".
   */
  readonly unheldKept: "always" | "not-now" | "never";
}

/** A way to read the sockets of a namespace. */
export interface SocketReader {
  /** Name in coverage and in the --reader flag; a chain of readers has the name of the reader in use. */
  readonly name: string;
  /** Returns null if the reader works on this node, else the reason why not. */
  probe(): string | null;
  /**
   * Called before anything of a pass is read. Returns true if read() would return the same as last time; then
   * the pass calls neither begin() nor read(). Absent if the reader cannot know. Never throws.
   */
  isStill?(): boolean;
  /** Called before the namespaces of a pass are read: readers of the whole node read it here. Never throws. */
  begin?(hints?: ReadingHints): void;
  /**
   * Appends every socket of the namespace to the sink, with namespaceId in the namespace column. Never throws.
   */
  read(namespace: NamespaceRecord, namespaceId: number, sink: SocketSink): NamespaceReading;
  /** What the latest readings could not see and why, as sentences that say what to do. */
  limits(): readonly string[];
  /**
   * The holders of sockets, if the reader learns them together with the sockets of a pass; null or absent if
   * it does not.
   */
  held?(): HeldSockets | null;
}

/** Every descriptor of a socket on the node, as columns: one descriptor per index. */
export interface HeldSockets {
  readonly count: number;
  readonly pids: Uint32Array;
  readonly fds: Uint32Array;
  readonly inodes: Uint32Array;
}

/** Which process holds which socket, by inode. */
export interface SocketHolders {
  /**
   * Updates the holders after the sockets of a pass were read: rescans the processes whose descriptors may
   * have changed, and those of a namespace with a socket without a known holder. `namespaceInode` returns the
   * inode of the namespace with an id in the sink. Never throws.
   */
  refresh(scan: ProcessScan, sink: SocketSink, namespaceInode: (namespaceId: number) => number): void;
  /** Calls back for each (pid, fd) that holds the inode, in ascending order of pid, then fd. */
  forEach(inode: number, callback: (pid: number, fd: number) => void): void;
  /** Processes whose file descriptors could not be read. */
  readonly unreadable: number;
  /** Changes whenever a holder may have changed: equal generations mean equal holders. */
  readonly generation: number;
  /** File descriptors that did not fit into the bounded index of the latest refresh. */
  readonly overflowed: number;
  /** What prevents knowing every holder, as sentences that say what to do. */
  limits(): readonly string[];
}

/** The difference between two states of the flows. */
export interface FlowChanges {
  /** New flows; in a keyframe all of them. */
  readonly added: FlowTable;
  /** Known flows, with the columns that may change. */
  readonly changed: FlowTable;
  /** Ids of flows that are gone; applied after `added` and `changed`. */
  readonly removed: number[];
}

/** A network namespace that may have flows, with its id in reports. */
export interface FlowNamespace {
  readonly id: number;
  readonly record: NamespaceRecord;
}

/** Reads the node's flows. */
export interface FlowReader {
  /** How the flows of the node's own namespace are read, as in coverage: events, dump, proc or none. */
  readonly mode: string;
  /** Events received since start; if it changed, another refresh() has something to take. */
  readonly events: number;
  /** Flows that exist now. */
  readonly size: number;
  /** Malformed messages and lines, since start. */
  readonly malformed: number;
  /** Flows that did not fit, since start. */
  readonly overflowed: number;
  /** How often the kernel dropped events, since start. */
  readonly overruns: number;
  /**
   * Updates the flows; the namespaces are those of this pass. Never rejects: what cannot be read becomes a
   * limit.
   */
  refresh(namespaces: readonly FlowNamespace[]): Promise<void>;
  /** Returns what changed since the last call, or everything; the next call may reuse the tables. */
  take(everything: boolean): FlowChanges;
  /** What prevents seeing every flow, as sentences that say what to do. */
  limits(): readonly string[];
}

/** The owner of a network namespace, as its processes show it; empty strings if unknown. */
export interface NamespaceOwner {
  readonly podUid: string;
  readonly containerId: string;
}

/** Reports sockets that were destroyed between two passes. */
export interface DestroyedReader {
  /** Whether events come from every namespace with a number in the node's own, from some, or from none. */
  readonly hearing: "all" | "some" | "none";
  /** How often the kernel dropped events, since start. */
  readonly overruns: number;
  /** Malformed messages, since start. */
  readonly malformed: number;
  /** Events that did not fit, since start. */
  readonly overflowed: number;
  /** Called when so many events are queued that a pass should start now. */
  onCrowd: (() => void) | null;
  /** Updates the set of namespaces that it listens to. Never throws. */
  refresh(scan: ProcessScan): void;
  /** Returns the owners of namespaces that appeared since the last call, even if they are gone, by inode. */
  takeArrivals(): ReadonlyMap<number, NamespaceOwner>;
  /** Returns the sockets destroyed since the last call, oldest first; valid until the next call. */
  take(): DestroyedTable;
  /** Whether it reports the destroyed sockets of the namespace with this inode. */
  hears(inode: number): boolean;
  /**
   * Whether a namespace existed when listening began, even without a process: its counters then include
   * connections from before.
   */
  wasThereAtStart(inode: number): boolean;
  /** What prevents reporting all of them, as sentences that say what to do. */
  limits(): readonly string[];
}

/** Reports every change of a TCP socket's state, in every network namespace of the kernel, as it happens. */
export interface TcpEvents {
  /** Bytes that are ready to be drained. Costs no system call. */
  readonly waiting: number;
  /** Records that were lost because the buffer was full, since start. */
  readonly lost: number;
  /** Calls back for every record that is ready, oldest first (tcp-state-record.ts). */
  drain(take: (view: DataView, start: number, length: number) => void): void;
}

/** Changes that events showed between two reports, in the shape of a delta. */
export interface HeardChanges {
  /** New sockets, then sockets that opened and closed in between. */
  readonly sockets: SocketTable;
  readonly holders: HolderTable;
  /** Known sockets, with their changed or last figures. */
  readonly changes: SocketTable;
  /** Ids of sockets that are gone, including those that opened and closed. */
  readonly removed: number[];
  /** Number of `sockets` that opened and closed. */
  readonly ended: number;
}

/** Sockets that a pass reports for the last time. */
export interface EndedSockets {
  /** Sockets that opened and closed since the previous pass, with their own ids. */
  readonly sockets: SocketTable;
  /** Their holders. */
  readonly holders: HolderTable;
  /** Sockets that the previous pass had, with their last known figures. */
  readonly finals: SocketTable;
}

/** Everything that one pass found on the node, with ids: deltas are computed from it. */
export interface Observation {
  /** When the pass ended, in ticks of 10 ms since the epoch's start. */
  readonly ticks: number;
  readonly namespaces: ReadonlyMap<number, NetworkNamespace>;
  readonly processes: ReadonlyMap<number, ProcessInfo>;
  readonly sockets: SocketTable;
  readonly familySockets: ReadonlyMap<number, FamilySocket>;
  readonly holders: HolderTable;
  /** Sockets that ended since the previous pass. */
  readonly ended: EndedSockets;
  readonly coverage: NodeCoverage;
  /** By namespace id; objects whose figures did not change are those of the previous pass. */
  readonly namespaceCoverage: ReadonlyMap<number, NamespaceCoverage>;
}
