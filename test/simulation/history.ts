// What happens in the kernels of a cluster: conversations, and what each leaves behind: sockets in the namespaces of its
// two ends and conntrack entries on the nodes on its way. Ports are used as the kernel would let them be used: no two
// living sockets of a namespace have one tuple, a client's TIME_WAIT entry keeps its port for a minute while a server's
// gives way to a new connection (net/ipv4/tcp_minisocks.c), and no two entries of a conntrack table have one tuple.

import type { Address, Cluster, Node, Place } from "./cluster.ts";
import { HOST_NAMESPACE, loopback, outside, ports, wildcard } from "./cluster.ts";
import type { Scenario, Talk } from "./scenario.ts";

/** TCP_TIMEWAIT_LEN. */
const TIME_WAIT_MS = 60_000;
/** nf_conntrack_tcp_timeout_time_wait, nf_conntrack_tcp_timeout_close, nf_conntrack_udp_timeout. */
const FLOW_TIME_WAIT_MS = 120_000;
const FLOW_CLOSE_MS = 10_000;
const FLOW_UDP_MS = 30_000;
const FIRST_CLIENT_PORT = 40_000;
const FIRST_RANDOM_PORT = 50_000;
/** Unconnected UDP clients have ports of their own. */
const FIRST_UNCONNECTED_PORT = 45_000;

/** An address and a port. */
export interface Spot {
  readonly address: Address;
  readonly port: number;
}

/** A socket. Times in milliseconds since the history's beginning. */
export interface Socket {
  readonly place: Place;
  readonly protocol: "tcp" | "udp";
  readonly family: 4 | 6;
  readonly kind: "end" | "listener";
  readonly local: Spot;
  readonly remote: Spot;
  readonly inode: number;
  readonly cookie: number;
  /** Whether a reader has asked for its cookie while it lived. */
  wasAsked: boolean;
  readonly bornMs: number;
  /** When it is accepted; before that no file refers to it. */
  readonly acceptedMs: number;
  /** When the other end has said goodbye. */
  readonly halfClosedMs: number;
  readonly destroyedMs: number;
  /** What the kernel keeps after the socket: FIN_WAIT2 until one time, TIME_WAIT until another. */
  entry: { readonly timeWaitMs: number; untilMs: number } | null;
  /** Whether it has lost its remote port when it is destroyed, by a reset of its own. */
  readonly losesPort: boolean;
  readonly sent: number;
  readonly received: number;
}

/** A conntrack entry. */
export interface Flow {
  readonly node: Node;
  readonly protocol: "tcp" | "udp";
  readonly family: 4 | 6;
  readonly original: readonly [Spot, Spot];
  readonly reply: readonly [Spot, Spot];
  readonly bornMs: number;
  /** When the conversation in it is over. */
  endMs: number;
  goneMs: number;
  readonly reset: boolean;
}

/** A conversation and its witnesses. */
export interface Conversation {
  readonly number: number;
  readonly talk: Talk;
  readonly startMs: number;
  readonly endMs: number;
  /** Null outside the cluster. */
  readonly clientPlace: Place | null;
  readonly serverPlace: Place | null;
  readonly client: Spot;
  readonly dialled: Spot;
  readonly server: Spot;
  /** Whom the server sees. */
  readonly seenAs: Spot;
  readonly clientSocket: Socket | null;
  readonly serverSocket: Socket | null;
  /** The first node's on its way first. */
  readonly flows: readonly Flow[];
}

/** All that happens. */
export interface History {
  readonly sockets: readonly Socket[];
  readonly flows: readonly Flow[];
  readonly conversations: readonly Conversation[];
}

/** What is decided of a conversation before it has ports. */
interface Route {
  readonly clientPlace: Place | null;
  readonly serverPlace: Place | null;
  readonly clientAddress: Address;
  readonly dialled: Spot;
  readonly server: Spot;
  /** What the source is translated to; null where it is not. */
  readonly masquerade: Address | null;
  /** Nodes that have an entry of it, in its way. */
  readonly nodes: readonly Node[];
}

interface Begun {
  readonly talk: Talk;
  readonly startMs: number;
  readonly endMs: number;
}

/** The history of a scenario. `lengthMs` is how long it is watched. */
export function createHistory(scenario: Scenario, cluster: Cluster, lengthMs: number): History {
  return new HistoryMaker(scenario, cluster, lengthMs).make();
}

/** The port that a program's server has. */
export function targetPort({ namespace, process }: Place, protocol: "tcp" | "udp"): number {
  return ports[protocol].target + (namespace === HOST_NAMESPACE ? 1000 + process : 0);
}

class HistoryMaker {
  readonly #scenario: Scenario;
  readonly #cluster: Cluster;
  readonly #lengthMs: number;
  readonly #sockets: Socket[] = [];
  readonly #flows: Flow[] = [];
  readonly #conversations: Conversation[] = [];
  readonly #listeners = new Set<string>();
  #numbers = 0;

  constructor(scenario: Scenario, cluster: Cluster, lengthMs: number) {
    this.#scenario = scenario;
    this.#cluster = cluster;
    this.#lengthMs = lengthMs;
  }

  make(): History {
    const begun = this.#scenario.talks.flatMap((talk) => this.#repeats(talk));
    for (const each of begun.toSorted((a, b) => a.startMs - b.startMs)) this.#begin(each);
    return { sockets: this.#sockets, flows: this.#flows, conversations: this.#conversations };
  }

  #repeats(talk: Talk): Begun[] {
    const beforeMs = Math.min(3 * this.#scenario.intervalMs, 5000);
    const begun: Begun[] = [];
    let startMs = Math.floor((talk.start * (this.#lengthMs + beforeMs)) / 1000) - beforeMs;
    for (let round = 0; round <= talk.repeats; round++) {
      const endMs = talk.lifeMs === null ? Number.POSITIVE_INFINITY : startMs + talk.lifeMs;
      begun.push({ talk, startMs, endMs });
      startMs = endMs + (talk.closer === "reset" ? 0 : talk.lingerMs) + talk.pauseMs + 1;
      if (startMs >= this.#lengthMs) break;
    }
    return begun;
  }

  #begin({ talk, startMs, endMs }: Begun): void {
    const route = this.#route(talk);
    const first = isUnconnected(talk) ? FIRST_UNCONNECTED_PORT : FIRST_CLIENT_PORT;
    for (let tries = 0; tries < 50; tries++) {
      const client = { address: route.clientAddress, port: first + talk.port + tries };
      if (this.#start(talk, route, client, startMs, endMs)) return;
    }
  }

  // False where the client cannot have the port.
  #start(talk: Talk, route: Route, client: Spot, startMs: number, endMs: number): boolean {
    const { protocol } = talk;
    if (this.#hasSocket(route.clientPlace, protocol, client, route.dialled, startMs, true)) return false;
    const [firstNode] = route.nodes;
    const before = firstNode && this.#flowAt(firstNode, protocol, client, route.dialled, startMs);
    if (before !== undefined && protocol === "tcp" && before.endMs > startMs) return false;
    // A datagram before the entry's timeout is translated as the one before.
    const goesOn = protocol === "udp" ? before : undefined;
    const [server, seenAs] = goesOn ? goesOn.reply : this.#translate(talk, route, client, startMs);
    const serverPlace = goesOn ? this.#placeOf(goesOn) : route.serverPlace;
    if (protocol === "tcp" && this.#hasSocket(serverPlace, protocol, server, seenAs, startMs, false))
      return false;
    const number = ++this.#numbers;
    const parts = { talk, startMs, endMs, number };
    const clientSocket = this.#clientSocket(parts, route, client);
    const serverSocket = serverPlace === null ? null : this.#serverSocket(parts, serverPlace, server, seenAs);
    const flows = this.#addFlows(parts, route, client, server, seenAs, serverPlace);
    this.#conversations.push({
      ...parts,
      clientPlace: route.clientPlace,
      serverPlace,
      client,
      dialled: route.dialled,
      server,
      seenAs,
      clientSocket,
      serverSocket,
      flows,
    });
    return true;
  }

  #route(talk: Talk): Route {
    const { pods, hosts, nodes, services } = this.#cluster;
    const { family, protocol } = talk;
    const pod = at(pods, talk.client);
    const host = at(hosts, talk.client);
    const service = at(services, talk.server);
    const toService = { address: service.addresses[family], port: ports[protocol].service };
    switch (talk.way) {
      case "pod": {
        const wanted = at(pods, talk.server);
        const other = wanted === pod ? at(pods, talk.server + 1) : wanted;
        return direct(pod, other, protocol, family, null);
      }
      case "service": {
        const backend = service.backends.find((each) => each !== pod) ?? pod;
        const masquerade = backend === pod ? pod.node.gateway[family] : null;
        return routed(pod, toService, backend, protocol, family, masquerade);
      }
      case "hairpin": {
        const own = at(services, pods.indexOf(pod));
        const address = own.addresses[family];
        return routed(pod, { ...toService, address }, pod, protocol, family, pod.node.gateway[family]);
      }
      case "host-to-service": {
        const backend = at(service.backends, talk.client);
        const isHere = backend.node === host.node;
        const masquerade = (isHere ? host.node.gateway : host.node.addresses)[family];
        return routed(host, toService, backend, protocol, family, masquerade);
      }
      case "node-port": {
        const node = at(nodes, talk.client);
        const backend = at(service.backends, talk.server);
        const isHere = backend.node === node;
        const dialled = { address: node.addresses[family], port: ports[protocol].node };
        return {
          ...routed(
            host,
            dialled,
            backend,
            protocol,
            family,
            (isHere ? node.gateway : node.addresses)[family],
          ),
          clientPlace: null,
          clientAddress: outside[family],
          nodes: isHere ? [node] : [node, backend.node],
        };
      }
      case "pod-to-host": {
        const server = at(hosts, talk.server);
        const masquerade = server.node === pod.node ? null : pod.node.addresses[family];
        return direct(pod, server, protocol, family, masquerade);
      }
      case "outside": {
        const place = talk.client % 2 === 0 ? pod : host;
        const server = { address: outside[family], port: 443 };
        return {
          clientPlace: place,
          serverPlace: null,
          clientAddress: place.addresses[family],
          dialled: server,
          server,
          masquerade: place === pod ? pod.node.addresses[family] : null,
          nodes: [place.node],
        };
      }
      case "loopback": {
        const place = talk.server % 2 === 0 ? pod : host;
        const server = { address: loopback[family], port: targetPort(place, protocol) };
        return {
          clientPlace: place,
          serverPlace: place,
          clientAddress: loopback[family],
          dialled: server,
          server,
          masquerade: null,
          nodes: place === host ? [place.node] : [],
        };
      }
    }
  }

  // Who answers, and whom it sees: with a port that no other entry of the table has.
  #translate(talk: Talk, route: Route, client: Spot, startMs: number): readonly [Spot, Spot] {
    const { server, masquerade, nodes } = route;
    const [node] = nodes;
    const address = masquerade ?? client.address;
    let { port } = client;
    if (masquerade !== null && this.#scenario.randomPorts)
      port = FIRST_RANDOM_PORT + ((talk.port * 31 + this.#numbers * 7) % 1000);
    if (node === undefined) return [server, { address, port }];
    const original = [client, route.dialled] as const;
    while (this.#hasReply(node, talk.protocol, original, [server, { address, port }], startMs)) port++;
    return [server, { address, port }];
  }

  #clientSocket(parts: Parts, { clientPlace, dialled }: Route, client: Spot): Socket | null {
    if (clientPlace === null) return null;
    const { talk, startMs, number } = parts;
    const unconnected = isUnconnected(talk);
    const any = wildcard[talk.family];
    return this.#addSocket(parts, {
      place: clientPlace,
      kind: unconnected ? "listener" : "end",
      local: unconnected ? { address: any, port: client.port } : client,
      remote: unconnected ? { address: any, port: 0 } : dialled,
      bornMs: startMs,
      acceptedMs: startMs,
      ...this.#closing(parts, talk.closer === "client"),
      losesPort: talk.closer === "reset",
      sent: bytesOf(number).toServer,
      received: bytesOf(number).toClient,
    });
  }

  #serverSocket(parts: Parts, place: Place, server: Spot, seenAs: Spot): Socket | null {
    const { talk, startMs, number } = parts;
    if (talk.protocol === "udp" || talk.listens) this.#listen(place, talk, server.port);
    if (talk.protocol === "udp") return null;
    return this.#addSocket(parts, {
      place,
      kind: "end",
      local: server,
      remote: seenAs,
      bornMs: startMs,
      acceptedMs: startMs + talk.acceptMs,
      ...this.#closing(parts, talk.closer === "server"),
      losesPort: false,
      sent: bytesOf(number).toClient,
      received: bytesOf(number).toServer,
    });
  }

  #closing(
    { talk, endMs }: Parts,
    closesFirst: boolean,
  ): Pick<Socket, "halfClosedMs" | "destroyedMs" | "entry"> {
    if (talk.protocol === "udp" || talk.closer === "reset")
      return { halfClosedMs: endMs, destroyedMs: endMs, entry: null };
    const bothMs = endMs + talk.lingerMs;
    if (!closesFirst) return { halfClosedMs: endMs, destroyedMs: bothMs, entry: null };
    const entry = { timeWaitMs: bothMs, untilMs: bothMs + TIME_WAIT_MS };
    return {
      halfClosedMs: endMs,
      destroyedMs: endMs,
      entry: endMs === Number.POSITIVE_INFINITY ? null : entry,
    };
  }

  #addSocket(
    { talk }: Parts,
    made: Omit<Socket, "protocol" | "family" | "inode" | "cookie" | "wasAsked">,
  ): Socket {
    const number = this.#sockets.length + 1;
    const { protocol, family } = talk;
    const socket: Socket = {
      protocol,
      family,
      inode: 5000 + number,
      cookie: number,
      wasAsked: false,
      ...made,
    };
    // A server's TIME_WAIT entry gives way.
    for (const before of this.#sockets) {
      const { entry } = before;
      if (entry === null || entry.untilMs <= socket.bornMs || before.destroyedMs > socket.bornMs) continue;
      if (isSameTuple(before, socket.place, protocol, socket.local, socket.remote))
        entry.untilMs = socket.bornMs;
    }
    this.#sockets.push(socket);
    return socket;
  }

  #listen(place: Place, talk: Talk, port: number): void {
    const { protocol, family } = talk;
    const key = `${place.node.index} ${place.namespace} ${protocol} ${family} ${port}`;
    if (this.#listeners.has(key)) return;
    this.#listeners.add(key);
    const number = this.#sockets.length + 1;
    const any = wildcard[family];
    this.#sockets.push({
      place,
      protocol,
      family,
      kind: "listener",
      local: { address: any, port },
      remote: { address: any, port: 0 },
      inode: 5000 + number,
      cookie: number,
      wasAsked: false,
      bornMs: Number.NEGATIVE_INFINITY,
      acceptedMs: Number.NEGATIVE_INFINITY,
      halfClosedMs: Number.POSITIVE_INFINITY,
      destroyedMs: Number.POSITIVE_INFINITY,
      entry: null,
      losesPort: false,
      sent: 0,
      received: 0,
    });
  }

  #addFlows(
    parts: Parts,
    route: Route,
    client: Spot,
    server: Spot,
    seenAs: Spot,
    serverPlace: Place | null,
  ): Flow[] {
    const [first] = route.nodes;
    if (first === undefined) return [];
    const flows = [this.#flow(parts, first, [client, route.dialled], [server, seenAs])];
    const last = serverPlace?.node;
    if (last !== undefined && last !== first && route.nodes.length > 1)
      flows.push(this.#flow(parts, last, [seenAs, server], [server, seenAs]));
    return flows;
  }

  #flow(
    { talk, startMs, endMs }: Parts,
    node: Node,
    original: readonly [Spot, Spot],
    reply: readonly [Spot, Spot],
  ): Flow {
    const { protocol, family } = talk;
    const reset = protocol === "tcp" && talk.closer === "reset";
    const overMs = endMs + (protocol === "tcp" && !reset ? talk.lingerMs : 0);
    const keptMs = protocol === "udp" ? FLOW_UDP_MS : reset ? FLOW_CLOSE_MS : FLOW_TIME_WAIT_MS;
    const before = this.#flowAt(node, protocol, original[0], original[1], startMs);
    if (before !== undefined) {
      if (protocol === "udp") {
        before.endMs = Math.max(before.endMs, overMs);
        before.goneMs = Math.max(before.goneMs, overMs + keptMs);
        return before;
      }
      before.goneMs = startMs;
    }
    const flow = {
      node,
      protocol,
      family,
      original,
      reply,
      bornMs: startMs,
      endMs: overMs,
      goneMs: overMs + keptMs,
      reset,
    };
    this.#flows.push(flow);
    return flow;
  }

  #hasSocket(
    place: Place | null,
    protocol: string,
    local: Spot,
    remote: Spot,
    atMs: number,
    isClient: boolean,
  ): boolean {
    if (place === null) return false;
    return this.#sockets.some((socket) => {
      if (socket.kind === "listener" && (socket.local.port !== local.port || !isClient)) return false;
      const kept = isClient ? (socket.entry?.untilMs ?? 0) : 0;
      if (Math.max(socket.destroyedMs, kept) < atMs) return false;
      if (socket.kind === "listener")
        return socket.place.node === place.node && socket.place.namespace === place.namespace;
      return isSameTuple(socket, place, protocol, local, remote);
    });
  }

  #flowAt(node: Node, protocol: string, from: Spot, to: Spot, atMs: number): Flow | undefined {
    return this.#flows.find(
      (flow) =>
        flow.node === node &&
        flow.protocol === protocol &&
        flow.bornMs <= atMs &&
        flow.goneMs > atMs &&
        isSpot(flow.original[0], from) &&
        isSpot(flow.original[1], to),
    );
  }

  // Whether another entry of a table has the reply tuple: one with the same original tuple gives way to the new one.
  #hasReply(
    node: Node,
    protocol: string,
    original: readonly [Spot, Spot],
    [from, to]: readonly [Spot, Spot],
    atMs: number,
  ): boolean {
    return this.#flows.some(
      (flow) =>
        flow.node === node &&
        flow.protocol === protocol &&
        flow.goneMs > atMs &&
        isSpot(flow.reply[0], from) &&
        isSpot(flow.reply[1], to) &&
        !(isSpot(flow.original[0], original[0]) && isSpot(flow.original[1], original[1])),
    );
  }

  #placeOf(flow: Flow): Place | null {
    return this.#conversations.find(({ flows }) => flows[0] === flow)?.serverPlace ?? null;
  }
}

interface Parts {
  readonly talk: Talk;
  readonly startMs: number;
  readonly endMs: number;
  readonly number: number;
}

/** What a conversation carries: figures of its own, so that none is taken for another's. */
export function bytesOf(number: number): { readonly toServer: number; readonly toClient: number } {
  return { toServer: 100 + number * 2, toClient: 10_000 + number * 2 };
}

/** Whether a client sends without connecting its socket. */
export function isUnconnected({ protocol, connects }: Talk): boolean {
  return protocol === "udp" && !connects;
}

/** Whether two are the same address and port. */
export function isSpot(a: Spot, b: Spot): boolean {
  return a.port === b.port && a.address.text === b.address.text;
}

function isSameTuple(socket: Socket, place: Place, protocol: string, local: Spot, remote: Spot): boolean {
  return (
    socket.kind === "end" &&
    socket.protocol === protocol &&
    socket.place.node === place.node &&
    socket.place.namespace === place.namespace &&
    isSpot(socket.local, local) &&
    isSpot(socket.remote, remote)
  );
}

function at<Value>(list: readonly Value[], index: number): Value {
  return list[index % list.length]!;
}

function direct(
  client: Place,
  serverPlace: Place,
  protocol: "tcp" | "udp",
  family: 4 | 6,
  masquerade: Address | null,
): Route {
  const server = { address: serverPlace.addresses[family], port: targetPort(serverPlace, protocol) };
  return routed(client, server, serverPlace, protocol, family, masquerade);
}

function routed(
  client: Place,
  dialled: Spot,
  serverPlace: Place,
  protocol: "tcp" | "udp",
  family: 4 | 6,
  masquerade: Address | null,
): Route {
  const server = { address: serverPlace.addresses[family], port: targetPort(serverPlace, protocol) };
  const isSelf = client === serverPlace && dialled.address === server.address;
  const nodes = client.node === serverPlace.node ? [client.node] : [client.node, serverPlace.node];
  return {
    clientPlace: client,
    serverPlace,
    clientAddress: client.addresses[family],
    dialled,
    server,
    masquerade,
    // What a pod says to its own address does not leave its namespace.
    nodes: isSelf ? [] : nodes,
  };
}
