// Decides which namespaces need to be read: reading a TCP table costs the kernel a walk through a hash of the
// whole node's sockets (milliseconds), reading counters costs microseconds. If no counter moved since a
// namespace was read, its sockets are the same as then.
//
// Staleness bounds: a socket that opens, closes, or enters or leaves ESTABLISHED is read at once; byte counts,
// queues and states that only data changed are read after TRAFFIC_TICKS; what moves no counter at all (a queue
// that its process drained, a descriptor passed to another process without the network) after REFRESH_TICKS.

import { monotonicNs } from "../../kernel/monotonic-clock.ts";
import type { NamespaceRecord, TcpCounters } from "../../observation.ts";
import { withAnyPid } from "../../processes/any-pid.ts";
import { readText } from "../../processes/small-file.ts";
import {
  connectionCounters,
  datagramSocketCounts,
  tcpSocketCounts,
  trafficCounters,
} from "../../procfs/net-counters.ts";
import { parseTcpCounters } from "../../procfs/net-snmp.ts";
import type { TcpSockets } from "../../procfs/net-sockstat.ts";
import { jitter } from "./jitter.ts";

/** Ticks of 10 ms after which a namespace in which only data moved is read again: 5 s. */
export const TRAFFIC_TICKS = 500;

/** Ticks after which a namespace is read again although nothing moved: 60 s, less the jitter below. */
export const REFRESH_TICKS = 6000;

/** A namespace's id shortens its refresh by one of so many steps of 1 s, so that not all are due at once. */
const REFRESH_JITTER_SLOTS = 30;
const REFRESH_JITTER_TICKS = 3000;

/** A namespace's counters at one moment. */
export interface Counts {
  /** Counters of TCP and UDP, for IPv4 and IPv6 together as far as the kernel counts them together. */
  readonly traffic: string;
  /** TCP's connection counters. */
  readonly connections: string;
  /** The number of sockets of each kind; `tcpSockets` has those of TCP as numbers. */
  readonly sockets: string;
  readonly tcpSockets: TcpSockets;
  readonly tcpCounters: TcpCounters | null;
}

/**
 * What moved since a namespace was read: its sockets, only data in them, or nothing that is counted. "due"
 * means that it must be read again for another reason than its sockets.
 */
type Movement = "sockets" | "due" | "traffic" | "nothing";

interface Settled {
  readonly counts: Counts;
  readonly readTicks: number;
  readonly refreshTicks: number;
}

/** Remembers the counters of each namespace as of its last reading. */
export class ChangeGate {
  readonly #procRoot: string;
  readonly #settled = new Map<number, Settled>();

  constructor(procRoot: string) {
    this.#procRoot = procRoot;
  }

  /**
   * Reads a namespace's counters; returns null if they cannot be read. `onlyHeld` says that each of its
   * sockets is known to be held by a file and was unchanged there: without a segment or datagram, the socket
   * counts are then unchanged too.
   */
  look(namespace: NamespaceRecord, onlyHeld = false): Counts | null {
    return withAnyPid(namespace.pids, (pid) => this.#lookThrough(pid, namespace.inode, onlyHeld)) ?? null;
  }

  // Returns undefined if another process may work, null if the kernel does not count.
  #lookThrough(pid: number, inode: number, onlyHeld: boolean): Counts | null | undefined {
    const directory = `${this.#procRoot}/${pid}/net`;
    const snmp = readText(`${directory}/snmp`);
    if (!("text" in snmp)) return undefined;
    const readNs = monotonicNs();
    const traffic = trafficCounters(snmp.text);
    // The traffic string includes the connection counters; mostly it is equal and nothing needs parsing.
    const before = this.#settled.get(inode)?.counts;
    if (onlyHeld && before?.traffic === traffic) return readAgain(before, readNs);
    const counts = socketCounts(directory);
    if (traffic === "" || counts === null) return null;
    if (before?.traffic === traffic) return { ...readAgain(before, readNs), ...counts };
    const connections = connectionCounters(snmp.text);
    return { traffic, connections, tcpCounters: parseTcpCounters(snmp.text, readNs), ...counts };
  }

  /**
   * Returns what moved since the namespace was read: "sockets" also if it was never read; "due" after
   * REFRESH_TICKS, or, if data moved, after `trafficTicks`.
   */
  movement(
    namespace: NamespaceRecord,
    counts: Counts | null,
    nowTicks: number,
    trafficTicks: number = TRAFFIC_TICKS,
  ): Movement {
    const settled = this.#settled.get(namespace.inode);
    if (counts === null || settled === undefined) return "sockets";
    if (counts.sockets !== settled.counts.sockets || counts.connections !== settled.counts.connections)
      return "sockets";
    if (nowTicks >= settled.refreshTicks) return "due";
    if (counts.traffic === settled.counts.traffic) return "nothing";
    return nowTicks >= settled.readTicks + trafficTicks ? "due" : "traffic";
  }

  /** Records that a namespace was read after these counters were. */
  settle(namespace: NamespaceRecord, namespaceId: number, counts: Counts | null, nowTicks: number): void {
    if (counts === null) {
      this.#settled.delete(namespace.inode);
      return;
    }
    const earlier = jitter(namespaceId, REFRESH_JITTER_SLOTS, REFRESH_JITTER_TICKS);
    const refreshTicks = nowTicks + REFRESH_TICKS - earlier;
    this.#settled.set(namespace.inode, { counts, readTicks: nowTicks, refreshTicks });
  }

  /** Forgets a namespace. */
  forget(inode: number): void {
    this.#settled.delete(inode);
  }
}

function readAgain(counts: Counts, readNs: number): Counts {
  const { tcpCounters } = counts;
  return tcpCounters === null ? counts : { ...counts, tcpCounters: { ...tcpCounters, readNs } };
}

function socketCounts(directory: string): Pick<Counts, "sockets" | "tcpSockets"> | null {
  const ipv4 = readText(`${directory}/sockstat`);
  const ipv6 = readText(`${directory}/sockstat6`);
  if (!("text" in ipv4)) return null;
  const text6 = "text" in ipv6 ? ipv6.text : "";
  const tcpSockets = tcpSocketCounts(ipv4.text, text6);
  if (tcpSockets === null) return null;
  const { ipv4: narrow, ipv6: wide, timeWait } = tcpSockets;
  const sockets = `${narrow} ${wide} ${timeWait} ${datagramSocketCounts(ipv4.text, text6)}`;
  return { sockets, tcpSockets };
}
