// Finds pods that ran but were never read, and pods that cannot be read, by comparing the API server's pods
// with those that the nodes' reports named. Nothing else reveals a pod that lived and died between two passes:
// the kernel's counters disappeared with its network namespace.

import type { Report } from "../../../../lib/gen/whotalks/v1/report.ts";

/**
 * A pod that has run is expected in a report this long after it started or ended: two passes plus transport.
 */
export const GRACE_MS = 15_000;
/** For nodes with long intervals: this many of their intervals. */
const GRACE_INTERVALS = 3;
/** Pods named by reports, kept at most: the size of the pod table. */
const NAMED_MAX = 2 ** 18;
/** Nodes that have reported, kept at most: twice the 5,000 that Kubernetes supports. */
const NODES_MAX = 10_000;

/** A pod that has run according to the API server. Times by the stream's clock, milliseconds since 1970. */
export interface RanPod {
  readonly uid: string;
  /** The uid in its cgroup if that differs: a static pod's. */
  readonly staticUid: string;
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly hostNetwork: boolean;
  /** Why the kernels that agents read do not have its sockets; empty if they do. */
  readonly unobservable: string;
  /** When it was first known to have run. */
  readonly ranMs: number;
  /** Infinity while it lives. */
  readonly endedMs: number;
}

/** A pod that was not read. */
export interface PodGap {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly reason: string;
}

/** The pods that are missing from the reports. */
interface PodGaps {
  readonly unread: readonly PodGap[];
  readonly unobservable: readonly PodGap[];
}

interface ReportedNode {
  /** When the first and the latest pass ended. */
  readonly firstMs: number;
  readonly lastMs: number;
  readonly intervalMs: number;
}

/** Tracks which pods reports have named. */
export class PodGapAccount {
  /** Pods and nodes that were evicted because a limit was reached. */
  overflowed = 0;
  // Uid → when a report last named it, oldest first.
  readonly #named = new Map<string, number>();
  readonly #nodes = new Map<string, ReportedNode>();

  /** Records the owners of the namespaces and processes that a report (or a part of it) contains. */
  note(header: Pick<Report, "node" | "namespaces" | "processes" | "coverage">, observedMs: number): void {
    for (const { podUid } of header.namespaces) this.#name(podUid, observedMs);
    for (const { podUid } of header.processes) this.#name(podUid, observedMs);
    if (header.coverage === undefined) return;
    const { intervalMs } = header.coverage;
    const firstMs = this.#nodes.get(header.node)?.firstMs ?? observedMs;
    this.#remember(this.#nodes, header.node, { firstMs, lastMs: observedMs, intervalMs }, NODES_MAX);
  }

  /** Whether a node has ever reported. */
  hasReported(node: string): boolean {
    return this.#nodes.has(node);
  }

  /** The gaps at a time, without pods that ended more than keepMs ago. */
  gaps(pods: Iterable<RanPod>, nowMs: number, keepMs: number): PodGaps {
    const unread: PodGap[] = [];
    const unobservable: PodGap[] = [];
    for (const pod of pods) {
      if (pod.endedMs < nowMs - keepMs) continue;
      if (pod.unobservable !== "") {
        unobservable.push(gapOf(pod, pod.unobservable));
      } else if (!this.#isRead(pod) && this.#isDue(pod, nowMs)) {
        unread.push(gapOf(pod, this.#reason(pod)));
      }
    }
    return { unread: unread.toSorted(byName), unobservable: unobservable.toSorted(byName) };
  }

  /** Drops the pods that no report has named since a time, unless they are still known. */
  forget(beforeMs: number, isKnown: (uid: string) => boolean): void {
    for (const [uid, namedMs] of this.#named) {
      if (namedMs >= beforeMs) break;
      if (!isKnown(uid)) this.#named.delete(uid);
    }
  }

  #name(uid: string, observedMs: number): void {
    if (uid !== "") this.#remember(this.#named, uid, observedMs, NAMED_MAX);
  }

  // Evicts the entry that was updated longest ago.
  #remember<Value>(map: Map<string, Value>, key: string, value: Value, max: number): void {
    map.delete(key);
    const [oldest] = map.size >= max ? map.keys() : [];
    if (oldest !== undefined) {
      map.delete(oldest);
      this.overflowed++;
    }
    map.set(key, value);
  }

  // A hostNetwork pod's sockets are in its node's own namespace: any pass of the node while the pod ran has
  // read them.
  #isRead(pod: RanPod): boolean {
    if (this.#named.has(pod.uid) || (pod.staticUid !== "" && this.#named.has(pod.staticUid))) return true;
    const node = this.#nodes.get(pod.node);
    const ranMs = Math.min(pod.ranMs, pod.endedMs);
    return pod.hostNetwork && node !== undefined && node.lastMs >= ranMs && node.firstMs <= pod.endedMs;
  }

  #isDue(pod: RanPod, nowMs: number): boolean {
    const intervalMs = this.#nodes.get(pod.node)?.intervalMs ?? 0;
    const sinceMs = Math.max(pod.ranMs, pod.endedMs === Infinity ? 0 : pod.endedMs);
    return nowMs - sinceMs > Math.max(GRACE_MS, GRACE_INTERVALS * intervalMs);
  }

  #reason(pod: RanPod): string {
    if (!this.#nodes.has(pod.node)) return `node ${pod.node} has no agent that reports`;
    return pod.endedMs === Infinity
      ? `no pass of node ${pod.node} found its network namespace`
      : `it ended before a pass of node ${pod.node} found it`;
  }
}

function gapOf({ uid, namespace, name, node }: RanPod, reason: string): PodGap {
  return { uid, namespace, name, node, reason };
}

function byName(a: PodGap, b: PodGap): number {
  return compare(a.namespace, b.namespace) || compare(a.name, b.name);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
