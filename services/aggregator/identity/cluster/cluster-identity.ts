// Identity for a whole cluster: who is behind a pod uid or an address at a time, according to the API server's
// watches and the nodes' reports. Pods, nodes and services have their own tables; this class defines the order
// in which they are queried.

import { isIpv4, isLoopback, isWildcard, parseAddress } from "../../../../lib/address.ts";
import { NodeTable } from "./cluster-nodes.ts";
import { readNode, readOwner, readPod, readRuntimeClass, readService, readSlice } from "./cluster-objects.ts";
import { OwnerTable } from "./cluster-owners.ts";
import type { OwnerKind } from "./cluster-owners.ts";
import { PodTable, PODS_MAX } from "./cluster-pods.ts";
import type { PodReport } from "./cluster-pods.ts";
import { ServiceTable } from "./cluster-services.ts";
import type { Front } from "./cluster-services.ts";
import type { RanPod } from "./pod-gaps.ts";
import { RuntimeClassTable } from "./sandboxes.ts";
import type { AddressOwner, Identity, PodIdentity, PortDeclaration, ServiceFront } from "../identity.ts";

/** The kinds of objects that identity uses. */
export type ClusterKind =
  | "pods"
  | "services"
  | "endpointslices"
  | "nodes"
  | "replicasets"
  | "jobs"
  | "runtimeclasses";

/** Until all of these are listed, an address without an owner is unknown. */
const kindsOfOwners: readonly ClusterKind[] = ["pods", "services", "nodes"];

/** Identity from a cluster's objects. Times are milliseconds since 1970 by the stream's clock. */
export class ClusterIdentity implements Identity {
  version = 0;
  readonly #owners = new OwnerTable();
  readonly #pods = new PodTable(this.#owners);
  readonly #services = new ServiceTable();
  readonly #nodes = new NodeTable();
  readonly #runtimeClasses = new RuntimeClassTable();
  readonly #listed = new Set<ClusterKind>();
  readonly #goneKeepMs: number;

  /** `goneKeepMs`: how long deleted pods are kept; as long as a replay can reach back. */
  constructor(goneKeepMs: number) {
    this.#goneKeepMs = goneKeepMs;
  }

  /** Stores an object from the API server; returns false if it is not of this kind. */
  put(kind: ClusterKind, object: unknown, nowMs: number): boolean {
    // Null if the object is not of this kind, else whether anything changed.
    let changed: boolean | null;
    switch (kind) {
      case "pods":
        changed = ifRead(readPod(object), (pod) => this.#pods.put(pod, nowMs));
        break;
      case "services":
        changed = ifRead(readService(object), (service) => this.#services.putService(service, nowMs));
        break;
      case "endpointslices":
        changed = ifRead(readSlice(object), (slice) => this.#services.putSlice(slice, nowMs));
        break;
      case "nodes":
        changed = ifRead(readNode(object), (node) => this.#nodes.put(node, nowMs));
        break;
      case "replicasets":
        changed = this.#putOwner("ReplicaSet", object);
        break;
      case "jobs":
        changed = this.#putOwner("Job", object);
        break;
      case "runtimeclasses":
        changed = ifRead(readRuntimeClass(object), (found) => this.#runtimeClasses.put(found));
        break;
    }
    if (changed === true) this.version++;
    return changed !== null;
  }

  /** Records that an object was deleted. */
  remove(kind: ClusterKind, uid: string, nowMs: number): void {
    switch (kind) {
      case "pods":
        this.#pods.remove(uid, nowMs);
        break;
      case "services":
        this.#services.removeService(uid, nowMs);
        break;
      case "endpointslices":
        this.#services.removeSlice(uid, nowMs);
        break;
      case "nodes":
        this.#nodes.remove(uid, nowMs);
        break;
      case "replicasets":
      case "jobs":
        this.#owners.remove(uid, nowMs);
        break;
      case "runtimeclasses":
        this.#runtimeClasses.remove(uid);
        break;
    }
    this.version++;
  }

  /** Records that the list of a kind is complete. */
  listed(kind: ClusterKind): void {
    if (this.#listed.has(kind)) return;
    this.#listed.add(kind);
    this.version++;
  }

  /** Stores the pods that a node's report contains. */
  learnPods(report: PodReport): void {
    if (this.#pods.learn(report)) this.version++;
  }

  /** Drops expired entries; to be called periodically. */
  forget(nowMs: number): void {
    const beforeMs = nowMs - this.#goneKeepMs;
    this.#pods.forget(beforeMs, nowMs);
    this.#services.forget(nowMs, beforeMs);
    this.#nodes.addresses.forget(beforeMs);
    this.#owners.forget(beforeMs, PODS_MAX);
  }

  pod(uid: string): PodIdentity | undefined {
    return this.#pods.identity(uid);
  }

  addressOwner(ip: string, timeMs: number): AddressOwner {
    const words = parseAddress(ip);
    if (words === null || isNobodys(words)) return { kind: "unknown" };
    const pod = this.#pods.ownerAt(ip, timeMs);
    if (pod !== undefined) return { kind: "pod", pod };
    const node = this.#nodes.addresses.ownerAt(ip, timeMs);
    if (node !== undefined) return { kind: "node", node };
    const service = this.#services.serviceAt(ip, timeMs);
    if (service !== undefined) return { kind: "service", namespace: service.namespace, name: service.name };
    const range = this.#nodes.podRange(words);
    if (range !== undefined) return range.gateway ? { kind: "node", node: range.node } : { kind: "unknown" };
    const knowsAll = kindsOfOwners.every((kind) => this.#listed.has(kind));
    return knowsAll && !this.#inside(ip, words) ? { kind: "external", name: "" } : { kind: "unknown" };
  }

  serviceFront(ip: string, port: number, protocol: string, timeMs: number): ServiceFront | undefined {
    const onNode = this.#nodes.addresses.ownerAt(ip, timeMs) !== undefined;
    const front = this.#services.front(ip, port, protocol, timeMs, onNode);
    if (front === undefined) return undefined;
    return {
      namespace: front.service.namespace,
      name: front.service.name,
      hasBackend: (backendIp, backendPort) =>
        this.#services.hasBackend(front, backendIp, backendPort) ||
        this.#isSelected(front, backendIp, backendPort, timeMs),
    };
  }

  zone(node: string): string {
    return this.#nodes.zone(node);
  }

  declaration(podUid: string, port: number, protocol: string): PortDeclaration | undefined {
    const ports = this.#pods.containerPorts(podUid);
    if (ports === undefined) return undefined;
    const services = this.#services.leadingTo(podUid, port, protocol);
    return { declared: services.length > 0 || ports.includes(`${protocol}/${port}`), services };
  }

  /** The pods that have run according to the API server. */
  *ranPods(): Generator<RanPod> {
    const systems = new Map([...this.#nodes.all()].map(({ name, system }) => [name, system]));
    for (const { pod, ranMs, endedMs } of this.#pods.ran()) {
      const { uid, staticUid, namespace, name, node, hostNetwork } = pod;
      const system = pod.system === "" ? (systems.get(node) ?? "") : pod.system;
      const unobservable = isReadable(system)
        ? this.#runtimeClasses.reason(pod.runtimeClass)
        : `it runs on ${system}`;
      yield { uid, staticUid, namespace, name, node, hostNetwork, unobservable, ranMs, endedMs };
    }
  }

  /** Whether the cluster has, or had, a node with this name; true while its nodes are not known. */
  knowsNode(name: string): boolean {
    return this.#nodes.size === 0 || this.#nodes.knows(name);
  }

  /** Names of the nodes on which an agent could run. */
  get readableNodes(): string[] {
    return [...this.#nodes.all()].filter(({ system }) => isReadable(system)).map(({ name }) => name);
  }

  /** Table sizes, and what was dropped or rejected. */
  get counters(): { nodes: number; pods: number; addresses: number; overflowed: number; rejected: number } {
    const tables = [this.#pods.addresses, this.#nodes.addresses, this.#services.addresses];
    return {
      nodes: this.#nodes.size,
      pods: this.#pods.size,
      addresses: tables.reduce((sum, table) => sum + table.size, 0),
      overflowed: tables.reduce((sum, table) => sum + table.overflowed, this.#pods.overflowed),
      rejected: this.#pods.rejected,
    };
  }

  #putOwner(kind: OwnerKind, object: unknown): boolean | null {
    return ifRead(readOwner(object), (owner) => this.#owners.put(kind, owner));
  }

  // An address that some pod or service has had, or that lies in their ranges, belongs to the cluster even if
  // nobody owns it now: it is not external.
  #inside(ip: string, words: Uint32Array): boolean {
    return (
      this.#pods.addresses.has(ip) ||
      this.#services.addresses.has(ip) ||
      this.#services.inServiceRange(words, isIpv4(words, 0))
    );
  }

  // Endpoints from before the watch began are unknown, but the pods that the service selected may be known.
  #isSelected(front: Front, ip: string, port: number, timeMs: number): boolean {
    const selector = Object.entries(front.service.selector);
    if (selector.length === 0 || front.port.targetPort !== port) return false;
    const pod = this.#pods.ownerAt(ip, timeMs);
    return (
      pod !== undefined &&
      pod.namespace === front.service.namespace &&
      selector.every(([name, value]) => pod.labels[name] === value)
    );
  }
}

// Whether agents can read kernels of this operating system; an empty name means Linux.
function isReadable(system: string): boolean {
  return system === "" || system === "linux";
}

function ifRead<Object>(object: Object | null, put: (object: Object) => boolean): boolean | null {
  return object === null ? null : put(object);
}

// Loopback, link-local, multicast and wildcard addresses mean something different on every machine.
function isNobodys(words: Uint32Array): boolean {
  if (isLoopback(words, 0) || isWildcard(words, 0)) return true;
  if (isIpv4(words, 0)) return words[3]! >>> 16 === 0xa9fe || words[3]! >>> 28 >= 0xe;
  return words[0]! >>> 22 === 0xfe80 >>> 6 || words[0]! >>> 24 === 0xff;
}
