// The path of a conversation: who dials what, which nodes translate it, and who answers.

import type { Address, Cluster, Node, Place } from "./cluster.ts";
import { HOST_NAMESPACE, loopback, outside, ports } from "./cluster.ts";
import type { Spot } from "./conversation.ts";
import type { Talk } from "./scenario.ts";

/** What a node's conntrack does to a conversation. */
export interface Hop {
  readonly node: Node;
  /** The translated destination; null if it is not translated. */
  readonly to: Spot | null;
  /** The translated source address; null if it is not translated. */
  readonly masquerade: Address | null;
}

/** A path. */
export interface Route {
  /** Null outside the cluster. */
  readonly clientPlace: Place | null;
  readonly serverPlace: Place | null;
  readonly clientAddress: Address;
  readonly dialled: Spot;
  readonly hops: readonly Hop[];
}

/** Returns the path of a talk through a cluster. */
export function routeOf(talk: Talk, cluster: Cluster): Route {
  const { family, protocol } = talk;
  const pod = pick(cluster.pods, talk.client);
  const host = pick(cluster.hosts, talk.client);
  const service = pick(cluster.services, talk.server);
  const toService = { address: service.addresses[family], port: ports[protocol].service };
  const route = { talk, dialled: toService };
  switch (talk.way) {
    case "pod": {
      const wanted = pick(cluster.pods, talk.server);
      return direct(talk, pod, wanted === pod ? pick(cluster.pods, talk.server + 1) : wanted);
    }
    case "service": {
      const backend = service.backends.find((each) => each !== pod) ?? pod;
      return throughService({ ...route, client: pod, backend });
    }
    case "hairpin": {
      const own = pick(cluster.services, cluster.pods.indexOf(pod));
      const dialled = { ...toService, address: own.addresses[family] };
      return throughService({ talk, client: pod, backend: pod, dialled });
    }
    case "host-to-service":
      return throughService({ ...route, client: host, backend: pick(service.backends, talk.client) });
    case "node-port":
      return throughNodePort(
        talk,
        null,
        pick(cluster.nodes, talk.client),
        pick(service.backends, talk.server),
      );
    case "pod-to-node-port":
      return throughNodePort(talk, pod, pick(cluster.nodes, talk.server), pick(service.backends, talk.port));
    case "pod-to-host":
      return direct(talk, pod, pick(cluster.hosts, talk.server));
    case "outside":
      return toOutside(talk, talk.client % 2 === 0 ? pod : host);
    case "loopback":
      return withinNamespace(talk, talk.server % 2 === 0 ? pod : host);
  }
}

/** The port of a program's server. */
function targetPort({ namespace, process }: Place, protocol: "tcp" | "udp"): number {
  return ports[protocol].target + (namespace === HOST_NAMESPACE ? 1000 + process : 0);
}

function targetOf(place: Place, { family, protocol }: Talk): Spot {
  return { address: place.addresses[family], port: targetPort(place, protocol) };
}

// A pod's traffic to its own address stays in its namespace. Traffic to another node is masqueraded, because
// nodes are not pods.
function direct(talk: Talk, client: Place, serverPlace: Place): Route {
  const isHost = serverPlace.namespace === HOST_NAMESPACE;
  const isHere = client.node === serverPlace.node;
  const masquerade = isHost && !isHere ? client.node.addresses[talk.family] : null;
  const first = { node: client.node, to: null, masquerade };
  return {
    clientPlace: client,
    serverPlace,
    clientAddress: client.addresses[talk.family],
    dialled: targetOf(serverPlace, talk),
    hops: client === serverPlace ? [] : [first, ...plainHops(serverPlace.node, isHere)],
  };
}

function throughService(parts: {
  readonly talk: Talk;
  readonly client: Place;
  readonly backend: Place;
  readonly dialled: Spot;
}): Route {
  const { talk, client, backend, dialled } = parts;
  const { node } = client;
  const isHere = backend.node === node;
  // kube-proxy masquerades traffic that does not come from a pod, or that returns to its source.
  const isMasqueraded = client.namespace === HOST_NAMESPACE || client === backend;
  const masquerade = isMasqueraded ? (isHere ? node.gateway : node.addresses)[talk.family] : null;
  const first = { node, to: targetOf(backend, talk), masquerade };
  return {
    clientPlace: client,
    serverPlace: backend,
    clientAddress: client.addresses[talk.family],
    dialled,
    hops: [first, ...plainHops(backend.node, isHere)],
  };
}

// A pod's path to another node's port is translated twice.
function throughNodePort(talk: Talk, client: Place | null, node: Node, backend: Place): Route {
  const { family, protocol } = talk;
  const isHere = backend.node === node;
  const masquerade = (isHere ? node.gateway : node.addresses)[family];
  const hop = { node, to: targetOf(backend, talk), masquerade };
  const before =
    client === null || client.node === node
      ? []
      : [{ node: client.node, to: null, masquerade: client.node.addresses[family] }];
  return {
    clientPlace: client,
    serverPlace: backend,
    clientAddress: (client?.addresses ?? outside)[family],
    dialled: { address: node.addresses[family], port: ports[protocol].node },
    hops: [...before, hop, ...plainHops(backend.node, isHere)],
  };
}

function toOutside({ family }: Talk, client: Place): Route {
  const { node } = client;
  const masquerade = client.namespace === HOST_NAMESPACE ? null : node.addresses[family];
  return {
    clientPlace: client,
    serverPlace: null,
    clientAddress: client.addresses[family],
    dialled: { address: outside[family], port: 443 },
    hops: [{ node, to: null, masquerade }],
  };
}

// Pods' own tables have no entries; the node's table contains the node's loopback traffic.
function withinNamespace({ family, protocol }: Talk, place: Place): Route {
  const isHost = place.namespace === HOST_NAMESPACE;
  return {
    clientPlace: place,
    serverPlace: place,
    clientAddress: loopback[family],
    dialled: { address: loopback[family], port: targetPort(place, protocol) },
    hops: isHost ? [{ node: place.node, to: null, masquerade: null }] : [],
  };
}

function plainHops(node: Node, isHere: boolean): Hop[] {
  return isHere ? [] : [{ node, to: null, masquerade: null }];
}

function pick<Value>(list: readonly Value[], index: number): Value {
  return list[index % list.length]!;
}
