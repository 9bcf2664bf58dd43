// A small cluster: nodes, pods with addresses of both families, Services; and their identity, as the API
// server knows it.

import { addressBytes, parseAddress } from "../../lib/address.ts";
import type { Identity, PodIdentity } from "../../services/aggregator/identity/identity.ts";
import type { Scenario } from "./scenario.ts";

/** An address as text and as four words. */
export interface Address {
  readonly text: string;
  readonly words: Uint32Array;
}

/** An address of each family. */
export interface Addresses {
  readonly 4: Address;
  readonly 6: Address;
}

/** A node. */
export interface Node {
  readonly index: number;
  readonly name: string;
  readonly addresses: Addresses;
  /** Address of the bridge to its pods: the source of masqueraded packets to them. */
  readonly gateway: Addresses;
  /** Its own network namespace and those of its pods. */
  readonly places: Place[];
}

/** A program in a network namespace. */
export interface Place {
  readonly node: Node;
  /** Id and inode of the network namespace; the node's own is 1. */
  readonly namespace: number;
  readonly inode: number;
  /** Id of the process. */
  readonly process: number;
  readonly processName: string;
  /** Uid of the pod, also of one in the node's own namespace; empty if there is none. */
  readonly podUid: string;
  readonly addresses: Addresses;
  /** When it starts to run, in milliseconds since the start of the history. */
  readonly bornMs: number;
}

/** A Service: an address and two backends. */
interface Service {
  readonly name: string;
  readonly addresses: Addresses;
  readonly backends: readonly Place[];
}

/** A cluster. */
export interface Cluster {
  readonly nodes: readonly Node[];
  readonly pods: readonly Place[];
  /** Programs in the nodes' own namespaces: on each node, a unit and a hostNetwork pod. */
  readonly hosts: readonly Place[];
  readonly services: readonly Service[];
}

/** Server ports by protocol: what they listen on, and what Services and nodes expose. */
export const ports = {
  tcp: { target: 8080, service: 80, node: 30_080 },
  udp: { target: 5353, service: 53, node: 30_053 },
} as const;

// Parsed addresses by text: every history uses the same few.
const parsed = new Map<string, Address>();

/** A peer outside the cluster. */
export const outside: Addresses = { 4: address("203.0.113.5"), 6: address("2001:db8::5") };
export const loopback: Addresses = { 4: address("127.0.0.1"), 6: address("::1") };
export const wildcard: Addresses = { 4: address("0.0.0.0"), 6: address("::") };

/** Inode of the first namespace; every node uses the same numbers. */
const FIRST_INODE = 4_026_531_840;
/** The node's own network namespace. */
export const HOST_NAMESPACE = 1;

function address(text: string): Address {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const words = parseAddress(text);
  if (words === null) throw new Error(`${text} is no address`);
  const made = { text, words };
  parsed.set(text, made);
  return made;
}

/** Creates the cluster of a scenario. */
export function createCluster(scenario: Scenario): Cluster {
  const { nodes: nodeCount, podsPerNode, podsBornMs } = scenario;
  const nodes: Node[] = [];
  const pods: Place[] = [];
  const hosts: Place[] = [];
  for (let index = 0; index < nodeCount; index++) {
    const node: Node = {
      index,
      name: `n${index}`,
      addresses: { 4: address(`10.0.0.${index + 1}`), 6: address(`fd00::${index + 1}`) },
      gateway: { 4: address(`10.1.${index + 1}.1`), 6: address(`fd01:${index + 1}::1`) },
      places: [],
    };
    nodes.push(node);
    const atHome = {
      node,
      namespace: HOST_NAMESPACE,
      inode: FIRST_INODE,
      addresses: node.addresses,
      bornMs: Number.NEGATIVE_INFINITY,
    };
    hosts.push(
      { ...atHome, process: 1, processName: "kubelet", podUid: "" },
      { ...atHome, process: 2, processName: "proxy", podUid: `proxy-${index}` },
    );
    for (let pod = 0; pod < podsPerNode; pod++) {
      pods.push({
        node,
        namespace: 2 + pod,
        inode: FIRST_INODE + 1 + pod,
        process: 3 + pod,
        processName: `app-${pod}`,
        podUid: `pod-${index}-${pod}`,
        addresses: {
          4: address(`10.1.${index + 1}.${pod + 2}`),
          6: address(`fd01:${index + 1}::${pod + 2}`),
        },
        // The last pod of each node is the one that starts late.
        bornMs: pod === podsPerNode - 1 && podsBornMs !== null ? podsBornMs : Number.NEGATIVE_INFINITY,
      });
    }
    node.places.push(...hosts.slice(-2), ...pods.slice(-podsPerNode));
  }
  const services = pods.map((pod, at): Service => {
    const second = pods[(at + 1) % pods.length]!;
    return {
      name: `service-${at}`,
      addresses: { 4: address(`10.96.0.${at + 1}`), 6: address(`fd96::${at + 1}`) },
      backends: second === pod ? [pod] : [pod, second],
    };
  });
  return { nodes, pods, hosts, services };
}

/** The addresses of a namespace in the format of reports. */
export function localAddressBytes({ node, namespace, addresses }: Place): Uint8Array[] {
  const own = [addresses[4], addresses[6]];
  const all = namespace === HOST_NAMESPACE ? [...own, node.gateway[4], node.gateway[6]] : own;
  return all.map(({ text }) => addressBytes(text)!);
}

/** The identity of a cluster. It has no Services if they are unknown. */
export function identityOf({ nodes, pods, hosts, services }: Cluster, knowsServices: boolean): Identity {
  const byUid = new Map<string, PodIdentity>();
  const podByIp = new Map<string, PodIdentity>();
  const nodeByIp = new Map<string, string>();
  const serviceByIp = new Map<string, Service>();
  for (const place of [...pods, ...hosts]) {
    if (place.podUid === "") continue;
    const pod = podIdentity(place);
    byUid.set(place.podUid, pod);
    if (place.namespace === HOST_NAMESPACE) continue;
    for (const family of [4, 6] as const) podByIp.set(place.addresses[family].text, pod);
  }
  for (const { name, addresses, gateway } of nodes) {
    for (const family of [4, 6] as const) {
      nodeByIp.set(addresses[family].text, name);
      nodeByIp.set(gateway[family].text, name);
    }
  }
  for (const service of knowsServices ? services : [])
    for (const family of [4, 6] as const) serviceByIp.set(service.addresses[family].text, service);
  return {
    version: 1,
    pod: (uid) => byUid.get(uid),
    addressOwner: (ip) => {
      if (ip === loopback[4].text || ip === loopback[6].text) return { kind: "unknown" };
      const pod = podByIp.get(ip);
      if (pod !== undefined) return { kind: "pod", pod };
      const node = nodeByIp.get(ip);
      if (node !== undefined) return { kind: "node", node };
      const service = serviceByIp.get(ip);
      if (service !== undefined) return { kind: "service", namespace: "shop", name: service.name };
      return { kind: "external", name: "" };
    },
    serviceFront: (ip, port, protocol) => {
      const service = serviceByIp.get(ip);
      const known = protocol === "tcp" || protocol === "udp" ? ports[protocol] : undefined;
      if (service === undefined || known?.service !== port) return undefined;
      return {
        namespace: "shop",
        name: service.name,
        hasBackend: (backend, backendPort) =>
          backendPort === known.target &&
          service.backends.some(
            ({ addresses }) => addresses[4].text === backend || addresses[6].text === backend,
          ),
      };
    },
    zone: () => "",
    declaration: () => undefined,
  };
}

function podIdentity({ podUid, node, namespace }: Place): PodIdentity {
  return {
    uid: podUid,
    namespace: "shop",
    name: podUid,
    workload: { kind: "Pod", name: podUid },
    node: node.name,
    serviceAccount: "default",
    hostNetwork: namespace === HOST_NAMESPACE,
    labels: {},
    containers: new Map(),
  };
}
