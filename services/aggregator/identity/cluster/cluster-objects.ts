// The fields of the API server's objects that identity needs: each object is reduced to them when it is
// received, with addresses in canonical text. Shapes: https://kubernetes.io/docs/reference/kubernetes-api/.

import { formatAddress, parseAddress } from "../../../../lib/address.ts";
import type { RuntimeClassObject } from "./sandboxes.ts";

/** A controlling owner (metadata.ownerReferences). */
export interface OwnerReference {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

/** One container of a pod; ids without the runtime's prefix, including those from before a restart. */
export interface ContainerObject {
  readonly name: string;
  readonly image: string;
  readonly ids: readonly string[];
  /** containerPorts as "tcp/8080". */
  readonly ports: readonly string[];
}

/** A pod. Times in milliseconds since 1970, 0 if absent. */
export interface PodObject {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly owner: OwnerReference | null;
  readonly node: string;
  readonly serviceAccount: string;
  readonly hostNetwork: boolean;
  readonly containers: readonly ContainerObject[];
  /** status.podIPs; empty for a hostNetwork pod, whose addresses are the node's. */
  readonly addresses: readonly string[];
  readonly createdMs: number;
  /** When the kubelet accepted the pod: it had no address before. */
  readonly startedMs: number;
  /** Whether it has Succeeded or Failed, which frees its address. */
  readonly finished: boolean;
  /** When its last container ended. */
  readonly finishedMs: number;
  /** Whether any of its containers has ever started, so that it has, or had, a network namespace. */
  readonly ran: boolean;
  /** Name of its RuntimeClass; empty for the node's default. */
  readonly runtimeClass: string;
  /** Operating system that it requires (spec.os.name); empty if unspecified. */
  readonly system: string;
  /**
   * A static pod's own uid, which its cgroup carries; the API server's object is a mirror with a different
   * uid.
   */
  readonly staticUid: string;
}

/** One port of a service. */
export interface ServicePort {
  /** Empty if the service has a single unnamed port. */
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
  /** 0 if it has none. */
  readonly nodePort: number;
  /** The pods' port number; 0 if it is a name. */
  readonly targetPort: number;
}

/** A service. */
export interface ServiceObject {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly clusterIps: readonly string[];
  /** externalIPs and the load balancer's addresses. */
  readonly outerIps: readonly string[];
  readonly ports: readonly ServicePort[];
  readonly selector: Readonly<Record<string, string>>;
  readonly createdMs: number;
}

/** An endpoint slice. */
export interface SliceObject {
  readonly uid: string;
  readonly namespace: string;
  /** Name of its service. */
  readonly service: string;
  /** Port 0 means every port. */
  readonly ports: readonly { readonly name: string; readonly protocol: string; readonly port: number }[];
  readonly endpoints: readonly { readonly addresses: readonly string[]; readonly podUid: string }[];
}

/** A node. */
export interface NodeObject {
  readonly uid: string;
  readonly name: string;
  readonly zone: string;
  readonly addresses: readonly string[];
  readonly podCidrs: readonly string[];
  /** Operating system ("linux", "windows"); empty if unknown. */
  readonly system: string;
}

/** An object between a pod and its workload: a ReplicaSet or a Job. */
export interface OwnerObject {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly owner: OwnerReference | null;
}

/** Parses a pod; returns null if it is malformed. */
export function readPod(object: unknown): PodObject | null {
  const metadata = readMetadata(object);
  const spec = record(object, "spec");
  const status = record(object, "status");
  if (metadata === null) return null;
  const hostNetwork = spec["hostNetwork"] === true;
  const phase = text(status["phase"]);
  const statuses = [
    ...list(status["containerStatuses"]),
    ...list(status["initContainerStatuses"]),
    ...list(status["ephemeralContainerStatuses"]),
  ];
  const containers = [
    ...list(spec["containers"]),
    ...list(spec["initContainers"]),
    ...list(spec["ephemeralContainers"]),
  ];
  return {
    ...metadata,
    node: text(spec["nodeName"]),
    serviceAccount: text(spec["serviceAccountName"]),
    hostNetwork,
    containers: containers.map((container) => readContainer(container, statuses)),
    addresses: hostNetwork ? [] : addressesOf(list(status["podIPs"]).map((entry) => entry["ip"])),
    startedMs: time(status["startTime"]),
    finished: phase === "Succeeded" || phase === "Failed",
    finishedMs: Math.max(
      0,
      ...statuses.map((entry) => time(record(record(entry, "state"), "terminated")["finishedAt"])),
    ),
    ran: phase === "Running" || statuses.some(hasStarted),
    runtimeClass: text(spec["runtimeClassName"]),
    system: text(record(spec, "os")["name"]),
    staticUid: text(record(record(object, "metadata"), "annotations")["kubernetes.io/config.mirror"]),
  };
}

// A container that could not be started is "terminated" too, at the zero time.
function hasStarted(status: Fields): boolean {
  const state = record(status, "state");
  return (
    state["running"] !== undefined ||
    time(record(state, "terminated")["startedAt"]) > 0 ||
    time(record(record(status, "lastState"), "terminated")["startedAt"]) > 0
  );
}

function readContainer(container: Fields, statuses: readonly Fields[]): ContainerObject {
  const name = text(container["name"]);
  const status = statuses.find((entry) => entry["name"] === name) ?? {};
  const former = record(record(status, "lastState"), "terminated");
  const ids = [text(status["containerID"]), text(former["containerID"])].filter(nonEmpty).map(withoutRuntime);
  return {
    name,
    image: text(container["image"]),
    ids,
    ports: list(container["ports"]).map((port) => `${protocolOf(port)}/${number(port["containerPort"])}`),
  };
}

/** Parses a service; returns null if it is malformed. */
export function readService(object: unknown): ServiceObject | null {
  const metadata = readMetadata(object);
  if (metadata === null) return null;
  const spec = record(object, "spec");
  const ingress = list(record(record(object, "status"), "loadBalancer")["ingress"]);
  const clusterIps = texts(spec["clusterIPs"]);
  return {
    uid: metadata.uid,
    namespace: metadata.namespace,
    name: metadata.name,
    createdMs: metadata.createdMs,
    // "None" marks a headless service: it is not an address, so addressesOf() drops it.
    clusterIps: addressesOf(clusterIps.length > 0 ? clusterIps : [spec["clusterIP"]]),
    outerIps: addressesOf([...texts(spec["externalIPs"]), ...ingress.map((entry) => entry["ip"])]),
    ports: list(spec["ports"]).map((port) => ({
      name: text(port["name"]),
      protocol: protocolOf(port),
      port: number(port["port"]),
      nodePort: number(port["nodePort"]),
      targetPort: number(port["targetPort"]),
    })),
    selector: labelsOf(spec["selector"]),
  };
}

/** Parses an endpoint slice; returns null if it is malformed or belongs to no service. */
export function readSlice(object: unknown): SliceObject | null {
  const metadata = readMetadata(object);
  const service = metadata?.labels["kubernetes.io/service-name"];
  if (metadata === null || service === undefined) return null;
  return {
    uid: metadata.uid,
    namespace: metadata.namespace,
    service,
    ports: list((object as Fields)["ports"]).map((port) => ({
      name: text(port["name"]),
      protocol: protocolOf(port),
      port: number(port["port"]),
    })),
    endpoints: list((object as Fields)["endpoints"]).map((endpoint) => {
      const target = record(endpoint, "targetRef");
      return {
        addresses: addressesOf(texts(endpoint["addresses"])),
        podUid: target["kind"] === "Pod" ? text(target["uid"]) : "",
      };
    }),
  };
}

/** Parses a node; returns null if it is malformed. */
export function readNode(object: unknown): NodeObject | null {
  const metadata = readMetadata(object);
  if (metadata === null) return null;
  const spec = record(object, "spec");
  const cidrs = texts(spec["podCIDRs"]);
  const { labels } = metadata;
  const system = text(record(record(object, "status"), "nodeInfo")["operatingSystem"]);
  return {
    uid: metadata.uid,
    name: metadata.name,
    zone: labels["topology.kubernetes.io/zone"] ?? labels["failure-domain.beta.kubernetes.io/zone"] ?? "",
    addresses: addressesOf(
      list(record(object, "status")["addresses"])
        .filter((entry) => entry["type"] === "InternalIP" || entry["type"] === "ExternalIP")
        .map((entry) => entry["address"]),
    ),
    podCidrs: cidrs.length > 0 ? cidrs : [text(spec["podCIDR"])].filter(nonEmpty),
    system: system === "" ? (labels["kubernetes.io/os"] ?? "") : system,
  };
}

/** Parses a RuntimeClass; returns null if it is malformed. */
export function readRuntimeClass(object: unknown): RuntimeClassObject | null {
  const metadata = readMetadata(object);
  if (metadata === null) return null;
  const handler = text((object as Fields)["handler"]);
  return handler === "" ? null : { uid: metadata.uid, name: metadata.name, handler };
}

/** Parses the metadata of a ReplicaSet or Job; returns null if it is malformed. */
export function readOwner(object: unknown): OwnerObject | null {
  const metadata = readMetadata(object);
  if (metadata === null) return null;
  return { uid: metadata.uid, namespace: metadata.namespace, name: metadata.name, owner: metadata.owner };
}

type Fields = Readonly<Record<string, unknown>>;

type Metadata = Pick<PodObject, "uid" | "namespace" | "name" | "labels" | "owner" | "createdMs">;

function readMetadata(object: unknown): Metadata | null {
  const metadata = record(object, "metadata");
  const uid = text(metadata["uid"]);
  const name = text(metadata["name"]);
  if (uid === "" || name === "") return null;
  const owner = list(metadata["ownerReferences"]).find((reference) => reference["controller"] === true);
  return {
    uid,
    namespace: text(metadata["namespace"]),
    name,
    labels: labelsOf(metadata["labels"]),
    owner:
      owner === undefined
        ? null
        : { kind: text(owner["kind"]), name: text(owner["name"]), uid: text(owner["uid"]) },
    createdMs: time(metadata["creationTimestamp"]),
  };
}

function record(parent: unknown, field: string): Fields {
  const value = (parent as Fields | null | undefined)?.[field];
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function list(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === "object" && entry !== null) : [];
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === "string" && entry !== "") : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

// People write addresses into Services and EndpointSlices by hand; other values (an FQDN endpoint) are
// dropped.
function addressesOf(values: readonly unknown[]): readonly string[] {
  const addresses = new Set<string>();
  for (const value of values) {
    const words = parseAddress(text(value));
    if (words !== null) addresses.add(formatAddress(words, 0));
  }
  return [...addresses];
}

function nonEmpty(value: string): boolean {
  return value !== "";
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isInteger(value) ? value : 0;
}

function time(value: unknown): number {
  const ms = Date.parse(text(value));
  return Number.isNaN(ms) ? 0 : ms;
}

function labelsOf(value: unknown): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  for (const [name, entry] of Object.entries(typeof value === "object" && value !== null ? value : {})) {
    if (typeof entry === "string") labels[name] = entry;
  }
  return labels;
}

// Kubernetes uses TCP, UDP or SCTP; an absent protocol means TCP.
function protocolOf(port: Fields): string {
  const protocol = text(port["protocol"]);
  return protocol === "" ? "tcp" : protocol.toLowerCase();
}

// "containerd://0123…" → "0123…"
function withoutRuntime(id: string): string {
  const slashes = id.indexOf("://");
  return slashes < 0 ? id : id.slice(slashes + 3);
}
