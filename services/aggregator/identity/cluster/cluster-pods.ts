// Every pod, living or deleted, and which address it had when: fed by the API server's watch, and by the pod
// tables of the nodes' reports, which include pods deleted before this program started.

import { isDeepStrictEqual } from "node:util";

import { formatAddress, parseAddress } from "../../../../lib/address.ts";
import type { Pod as ReportedPod } from "../../../../lib/gen/whotalks/v1/report.ts";
import { AddressSpans } from "./cluster-addresses.ts";
import type { ContainerObject, PodObject } from "./cluster-objects.ts";
import type { OwnerTable } from "./cluster-owners.ts";
import { workloadOf } from "./cluster-workload.ts";
import type { PodIdentity } from "../identity.ts";

/**
 * Pods kept, living and deleted: 2^18; Kubernetes supports 150,000 living ones. About 1.8 KB each, including
 * addresses.
 */
export const PODS_MAX = 2 ** 18;
/** Ids kept per container: it gets a new one at every restart. */
const CONTAINER_IDS_MAX = 8;
/** How long a pod that only reports name is kept after the last such report: three keyframe intervals. */
const REPORTED_KEEP_MS = 10 * 60_000;

/** The pods of one report. Times are milliseconds since 1970 by the stream's clock. */
export interface PodReport {
  readonly node: string;
  readonly pods: readonly ReportedPod[];
  /** When the reported pass ended. */
  readonly observedMs: number;
  /** Converts a tick of the report to a time. */
  tickToMs(ticks: number): number;
}

interface Entry {
  pod: PodObject;
  /** Whether the API server has listed it; otherwise only reports have. */
  listed: boolean;
  /** When the API server first showed that it has run; 0 before. */
  ranMs: number;
  /** Infinity while it lives. */
  endedMs: number;
  identity: PodIdentity | undefined;
  ownersVersion: number;
}

/** The pods of a cluster. */
export class PodTable {
  /** Reported pods that were ignored because they are on another node. */
  rejected = 0;
  /** Pods dropped because the table was full. */
  overflowed = 0;
  readonly addresses = new AddressSpans();
  readonly #owners: OwnerTable;
  readonly #living = new Map<string, Entry>();
  // In order of their deletion.
  readonly #gone = new Map<string, Entry>();
  // Static pods' own uids → their mirrors'.
  readonly #mirrors = new Map<string, string>();

  constructor(owners: OwnerTable) {
    this.#owners = owners;
  }

  /** Number of pods. */
  get size(): number {
    return this.#living.size + this.#gone.size;
  }

  /** Stores a pod from the API server; returns whether anything changed. */
  put(received: PodObject, nowMs: number): boolean {
    const entry = this.#living.get(received.uid) ?? this.#gone.get(received.uid);
    const pod =
      entry === undefined
        ? received
        : { ...received, containers: withFormerIds(received.containers, entry.pod.containers) };
    if (entry?.listed === true && isDeepStrictEqual(entry.pod, pod)) return false;
    const addressesBefore = entry?.pod.addresses ?? [];
    const current = this.#keep(pod, entry);
    if (current === undefined) return false;
    if (entry?.listed === false && !pod.finished) this.#revive(entry);
    for (const address of addressesBefore) {
      if (!pod.addresses.includes(address)) this.addresses.release(address, pod.uid, nowMs);
    }
    current.listed = true;
    if (pod.ran && current.ranMs === 0) current.ranMs = nowMs;
    if (pod.staticUid !== "") this.#mirrors.set(pod.staticUid, pod.uid);
    // If it had finished before it was first seen, only its containers have the time.
    const finishedMs = entry === undefined && pod.finishedMs > 0 ? Math.min(pod.finishedMs, nowMs) : nowMs;
    const certainMs = pod.finished ? finishedMs : nowMs;
    this.#hold(pod, pod.startedMs === 0 ? pod.createdMs : pod.startedMs, certainMs);
    if (pod.finished) this.#end(current, finishedMs);
    return true;
  }

  /** Records that the API server deleted a pod; returns whether it was still alive here. */
  remove(uid: string, nowMs: number): boolean {
    const entry = this.#living.get(uid);
    if (entry === undefined) return false;
    this.#end(entry, nowMs);
    return true;
  }

  /** Merges a node's pod table; returns whether anything changed. */
  learn(report: PodReport): boolean {
    let changed = false;
    for (const pod of report.pods) if (this.#learnOne(report, pod)) changed = true;
    return changed;
  }

  #learnOne(report: PodReport, reported: ReportedPod): boolean {
    const entry = this.#living.get(reported.uid) ?? this.#gone.get(reported.uid);
    if (reported.uid === "" || (entry !== undefined && entry.pod.node !== report.node)) {
      this.rejected++;
      return false;
    }
    const firstSeenMs = report.tickToMs(reported.firstSeen);
    const received = podOfReport(reported, report.node, firstSeenMs);
    const known = entry?.pod;
    const pod = known === undefined || entry?.listed === false ? received : known;
    const merged = {
      ...pod,
      containers: withFormerIds(pod.containers, known === undefined ? [] : received.containers),
    };
    const different = known === undefined || !isDeepStrictEqual(known, merged);
    const current = this.#keep(merged, entry);
    if (current === undefined) return false;
    const endedMs = reported.ended === 0 ? Infinity : report.tickToMs(reported.ended);
    const moved = this.#hold(
      { ...merged, addresses: received.addresses },
      firstSeenMs,
      Math.min(report.observedMs, endedMs),
    );
    if (!current.listed) {
      const supposedMs = Math.min(endedMs, report.observedMs + REPORTED_KEEP_MS);
      for (const address of received.addresses) {
        this.addresses.extend(address, pod.uid, supposedMs);
        this.addresses.release(address, pod.uid, supposedMs);
      }
    }
    const ended = endedMs < current.endedMs;
    if (ended) this.#end(current, endedMs);
    return different || moved || ended;
  }

  /**
   * The pods that have run according to the API server, living or deleted, with when that was known and when
   * they ended.
   */
  *ran(): Generator<{ readonly pod: PodObject; readonly ranMs: number; readonly endedMs: number }> {
    for (const entry of this.#living.values()) if (entry.ranMs > 0) yield entry;
    for (const entry of this.#gone.values()) if (entry.ranMs > 0) yield entry;
  }

  /** The pod with this uid, living or deleted; a static pod is also found by its own uid. */
  identity(uid: string): PodIdentity | undefined {
    const known = this.#mirrors.get(uid) ?? uid;
    const entry = this.#living.get(known) ?? this.#gone.get(known);
    if (entry === undefined) return undefined;
    if (entry.identity === undefined || entry.ownersVersion !== this.#owners.version) {
      entry.identity = identityOf(entry.pod, this.#owners);
      entry.ownersVersion = this.#owners.version;
    }
    return entry.identity;
  }

  /** Who had an address at a time; undefined if no pod is known to have had it. */
  ownerAt(address: string, timeMs: number): PodIdentity | undefined {
    const uid = this.addresses.ownerAt(address, timeMs);
    return uid === undefined ? undefined : this.identity(uid);
  }

  /** containerPorts of a pod as "tcp/8080"; undefined if only reports name it, which do not contain them. */
  containerPorts(uid: string): readonly string[] | undefined {
    const entry = this.#living.get(uid) ?? this.#gone.get(uid);
    return entry?.listed === true ? entry.pod.containers.flatMap(({ ports }) => ports) : undefined;
  }

  /** Drops the pods that ended before a time. */
  forget(beforeMs: number, nowMs: number): void {
    // A pod that only reports named, and no longer name, ends when its addresses do.
    for (const entry of this.#living.values()) {
      if (entry.listed) continue;
      const { addresses, uid } = entry.pod;
      if (!addresses.some((address) => this.addresses.ownerAt(address, nowMs) === uid))
        this.#end(entry, nowMs);
    }
    for (const [uid, entry] of this.#gone) if (entry.endedMs < beforeMs) this.#gone.delete(uid);
    for (const [uid, mirror] of this.#mirrors)
      if (!this.#living.has(mirror) && !this.#gone.has(mirror)) this.#mirrors.delete(uid);
    this.addresses.forget(beforeMs);
  }

  #keep(pod: PodObject, entry: Entry | undefined): Entry | undefined {
    if (entry !== undefined) {
      entry.pod = pod;
      entry.identity = undefined;
      return entry;
    }
    if (this.size >= PODS_MAX) {
      this.overflowed++;
      const [oldest] = this.#gone.keys();
      if (oldest === undefined) return undefined;
      this.#gone.delete(oldest);
    }
    const made: Entry = {
      pod,
      listed: false,
      ranMs: 0,
      endedMs: Infinity,
      identity: undefined,
      ownersVersion: -1,
    };
    this.#living.set(pod.uid, made);
    return made;
  }

  #hold(pod: PodObject, earliestMs: number, certainMs: number): boolean {
    let moved = false;
    for (const address of pod.addresses) {
      if (this.addresses.hold(address, pod.uid, earliestMs, certainMs)) moved = true;
    }
    return moved;
  }

  // The end of a pod that only reports named was presumed; the API server's listing cancels it.
  #revive(entry: Entry): void {
    const { uid, addresses } = entry.pod;
    for (const address of addresses) this.addresses.extend(address, uid, Infinity);
    entry.endedMs = Infinity;
    if (this.#gone.delete(uid)) this.#living.set(uid, entry);
  }

  #end(entry: Entry, endedMs: number): void {
    const { uid, addresses } = entry.pod;
    for (const address of addresses) this.addresses.release(address, uid, endedMs);
    entry.endedMs = Math.min(entry.endedMs, endedMs);
    if (this.#living.delete(uid)) this.#gone.set(uid, entry);
  }
}

function identityOf(pod: PodObject, owners: OwnerTable): PodIdentity {
  return {
    uid: pod.uid,
    namespace: pod.namespace,
    name: pod.name,
    workload: workloadOf(pod, (namespace, owner) => owners.ownerOf(namespace, owner)),
    node: pod.node,
    serviceAccount: pod.serviceAccount,
    hostNetwork: pod.hostNetwork,
    labels: pod.labels,
    containers: new Map(
      pod.containers.flatMap(({ name, image, ids }) => ids.map((id) => [id, { name, image }] as const)),
    ),
  };
}

function podOfReport(pod: ReportedPod, node: string, firstSeenMs: number): PodObject {
  const addresses = pod.hostNetwork ? [] : pod.addresses.map(canonical).filter((address) => address !== "");
  return {
    uid: pod.uid,
    namespace: pod.namespace,
    name: pod.name,
    labels: pod.labels,
    owner: pod.ownerKind === "" ? null : { kind: pod.ownerKind, name: pod.ownerName, uid: "" },
    node,
    serviceAccount: pod.serviceAccount,
    hostNetwork: pod.hostNetwork,
    containers: pod.containers.map(({ name, id, image }) => ({
      name,
      image,
      ids: id === "" ? [] : [id],
      ports: [],
    })),
    addresses,
    createdMs: firstSeenMs,
    startedMs: firstSeenMs,
    finished: pod.ended !== 0,
    finishedMs: 0,
    ran: false,
    runtimeClass: "",
    system: "",
    staticUid: "",
  };
}

function canonical(address: string): string {
  const words = parseAddress(address);
  return words === null ? "" : formatAddress(words, 0);
}

// Reports may still carry sockets of a restarted container under its old id.
function withFormerIds(
  containers: readonly ContainerObject[],
  former: readonly ContainerObject[],
): readonly ContainerObject[] {
  return containers.map((container) => {
    const before = former.find(({ name }) => name === container.name)?.ids ?? [];
    const ids = [...new Set([...container.ids, ...before])].slice(0, CONTAINER_IDS_MAX);
    return { ...container, ids };
  });
}
