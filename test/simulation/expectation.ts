// The connections that should come out of a history, by what was reported of it.

import { groupLines } from "./answer-lines.ts";
import type { Address, Cluster, Place } from "./cluster.ts";
import { HOST_NAMESPACE, loopback } from "./cluster.ts";
import type { Conversation, Flow, Socket, Spot } from "./history.ts";
import { isSpot, isUnconnected } from "./history.ts";
import type { SocketWitness, Witnesses } from "./witnesses.ts";

/** A connection as two lines: its ends, and what it rests on and carried. */
export interface ExpectedConnection {
  readonly ends: string;
  readonly details: string;
}

/** Who is at an end, and where. */
interface Side {
  readonly who: string;
  readonly spot: Spot;
}

/** The connections that should come out. */
export class Expectation {
  readonly tcp: ExpectedConnection[] = [];
  /** Connections of which two halves are as right as the whole. */
  readonly eitherWay: { readonly halves: readonly [string, string]; readonly whole: string }[] = [];
  /** Lines that may be there or not. */
  readonly optional: string[] = [];
  // Datagram conversations by edge, and how many each has.
  readonly #named = new Map<string, number>();
  readonly #unnamed = new Map<string, number>();
  readonly #cluster: Cluster;
  readonly #witnesses: Witnesses;
  readonly #knowsServices: boolean;
  // Flows that are of a conversation that was added.
  readonly #explained = new Set<Flow>();

  constructor(cluster: Cluster, witnesses: Witnesses, knowsServices: boolean) {
    this.#cluster = cluster;
    this.#witnesses = witnesses;
    this.#knowsServices = knowsServices;
  }

  /** Adds all that was said. */
  add(conversations: readonly Conversation[]): void {
    for (const conversation of conversations) {
      if (conversation.talk.protocol === "tcp") this.#addTcp(conversation);
      else this.#addUdp(conversation);
    }
    this.#addLoneFlows(conversations);
  }

  /** Datagram conversations, a line for each pair of ends. */
  get datagrams(): string[] {
    return groupLines(this.#named);
  }

  /** The same where clients that have no socket and a loopback address are not named. */
  get unnamedDatagrams(): string[] {
    return groupLines(this.#unnamed);
  }

  #addTcp(conversation: Conversation): void {
    const { talk, client, server, dialled, seenAs, clientSocket, serverSocket } = conversation;
    const [first, second] = this.#flowsOf(conversation);
    const clientSeen = this.#socketOf(clientSocket);
    const serverSeen = this.#socketOf(serverSocket);
    const dialsServer = isSpot(dialled, server);
    const seesClient = isSpot(seenAs, client);
    const translated = !dialsServer || !seesClient;
    const told = translated && first !== undefined;
    const byFlow = first !== undefined || second !== undefined;
    const via = dialsServer ? null : dialled;
    const snat = seesClient ? null : seenAs;
    const clientSide = clientSocket && this.#sideOf(clientSocket, client);
    const serverSide = serverSocket && this.#sideOf(serverSocket, server);
    const byService = seesClient && this.#knowsServices && talk.listens;
    if (clientSide && serverSide && clientSeen && serverSeen && (!translated || told || byService)) {
      this.#expect(clientSide, serverSide, via, snat, clientSeen, serverSeen, byFlow);
      return;
    }
    // What nothing proves to be one may still be found out.
    const halves = this.tcp.length;
    if (clientSide && clientSeen) {
      const far = told ? server : dialled;
      const rests = first !== undefined || (second !== undefined && !translated);
      this.#expect(
        clientSide,
        this.#byAddress(far),
        told ? via : null,
        told ? snat : null,
        clientSeen,
        null,
        rests,
      );
    }
    if (serverSide && serverSeen) {
      const far = told ? client : seenAs;
      const rests = second !== undefined || first !== undefined;
      // A flow that is told and names the client's socket as well would have tied the two.
      this.#expect(
        this.#byAddress(far),
        serverSide,
        told ? via : null,
        told ? snat : null,
        null,
        serverSeen,
        rests,
      );
    }
    if (clientSide && serverSide && clientSeen && serverSeen) {
      const [one, two] = this.tcp.slice(halves);
      this.eitherWay.push({
        halves: [one!.ends, two!.ends],
        whole: endsText(clientSide, serverSide, via, snat),
      });
    }
    if (!clientSeen && !serverSeen) {
      if (first !== undefined)
        this.optional.push(endsText(this.#byAddress(client), this.#byAddress(server), via, snat));
      this.optional.push(endsText(this.#byAddress(seenAs), this.#byAddress(server), null, null));
    } else if (!told)
      this.optional.push(endsText(this.#byAddress(seenAs), this.#byAddress(server), null, null));
  }

  #addUdp(conversation: Conversation): void {
    const { talk, client, server, dialled, seenAs, serverPlace, clientSocket } = conversation;
    const clientSeen = isUnconnected(talk) ? null : this.#socketOf(clientSocket);
    if (clientSeen === null || clientSocket === null) return;
    const [first, second] = this.#flowsOf(conversation);
    const dialsServer = isSpot(dialled, server);
    const told = first !== undefined || dialsServer;
    const answering = told ? this.#listenerSide(serverPlace, server, talk.family) : this.#byAddress(dialled);
    this.#count(this.#sideOf(clientSocket, client), answering, told && !dialsServer ? dialled : null);
    if (first !== undefined) this.#explained.add(first);
    // The second node's entry is the client's socket's own where nothing is translated, else the first one's entry ties
    // the two.
    const isPlain = dialsServer && isSpot(seenAs, client);
    if (second !== undefined && (first !== undefined || isPlain)) this.#explained.add(second);
  }

  // Datagram conversations that only flows are known of.
  #addLoneFlows(conversations: readonly Conversation[]): void {
    for (const conversation of conversations) {
      const { talk, client, server, dialled, seenAs, flows, serverPlace } = conversation;
      if (talk.protocol !== "udp") continue;
      const [first, second] = this.#flowsOf(conversation);
      const flow = first ?? second;
      if (flow === undefined || flows.some((each) => this.#explained.has(each))) continue;
      for (const each of flows) this.#explained.add(each);
      const answering = this.#listenerSide(serverPlace, server, talk.family);
      const from = first === undefined ? seenAs : client;
      const via = first === undefined || isSpot(dialled, server) ? null : dialled;
      this.#countLone(conversation, this.#byAddress(from), answering, via);
    }
  }

  // A loopback address is its namespace's: the client may have the name of the program that is known there.
  #countLone({ talk, clientPlace }: Conversation, client: Side, server: Side, via: Spot | null): void {
    if (talk.way !== "loopback" || clientPlace === null) {
      this.#count(client, server, via);
      return;
    }
    const { spot } = client;
    increment(this.#named, { who: this.#whoOf(clientPlace, true), spot }, server, via);
    increment(this.#unnamed, { who: this.#whoOf(clientPlace, false), spot }, server, via);
  }

  // A conversation's flows as far as they were reported, each in its place.
  #flowsOf({ flows }: Conversation): (Flow | undefined)[] {
    return flows.map((flow) => (this.#witnesses.flows.has(flow) ? flow : undefined));
  }

  #count(client: Side, server: Side, via: Spot | null): void {
    increment(this.#named, client, server, via);
    increment(this.#unnamed, client, server, via);
  }

  #expect(
    client: Side,
    server: Side,
    via: Spot | null,
    snat: Spot | null,
    clientSeen: SocketWitness | null,
    serverSeen: SocketWitness | null,
    byFlow: boolean,
  ): void {
    const open = clientSeen?.isOpen === true || serverSeen?.isOpen === true;
    const evidence = `${clientSeen ? "c" : ""}${serverSeen ? "s" : ""}${byFlow ? "f" : ""}`;
    const details = `${evidence} ${open ? "open" : "closed"} ${bytesText(clientSeen, serverSeen)}`;
    this.tcp.push({ ends: endsText(client, server, via, snat), details });
  }

  #socketOf(socket: Socket | null): SocketWitness | null {
    return socket === null ? null : (this.#witnesses.sockets.get(socket) ?? null);
  }

  #sideOf(socket: Socket, spot: Spot): Side {
    return { who: this.#whoOf(socket.place, this.#socketOf(socket)?.held === true), spot };
  }

  // Of what is in a node's own namespace only a holder tells whose it is.
  #whoOf({ namespace, podUid, node, processName }: Place, held: boolean): string {
    if (namespace !== HOST_NAMESPACE) return podUid;
    if (!held) return `${node.name}/`;
    return podUid === "" ? `${node.name}/${processName}` : podUid;
  }

  #listenerSide(place: Place | null, server: Spot, family: 4 | 6): Side {
    if (place === null) return this.#byAddress(server);
    for (const [socket, { held }] of this.#witnesses.sockets) {
      const listens =
        socket.kind === "listener" &&
        socket.protocol === "udp" &&
        socket.family === family &&
        socket.place.node === place.node &&
        socket.place.namespace === place.namespace &&
        socket.local.port === server.port;
      if (listens) return { who: this.#whoOf(socket.place, held), spot: server };
    }
    return this.#byAddress(server);
  }

  #byAddress(spot: Spot): Side {
    return { who: this.#ownerOf(spot.address), spot };
  }

  #ownerOf({ text }: Address): string {
    const { pods, nodes, services } = this.#cluster;
    for (const family of [4, 6] as const) {
      if (text === loopback[family].text) return "unknown";
      const pod = pods.find(({ addresses }) => addresses[family].text === text);
      if (pod !== undefined) return pod.podUid;
      const node = nodes.find((each) =>
        [each.addresses, each.gateway].some((own) => own[family].text === text),
      );
      if (node !== undefined) return `node ${node.name}`;
      const service = services.find(({ addresses }) => addresses[family].text === text);
      if (service !== undefined && this.#knowsServices) return service.name;
    }
    return "outside";
  }
}

function endsText(client: Side, server: Side, via: Spot | null, snat: Spot | null): string {
  return `tcp ${sideText(client)} > ${sideText(server)} via ${spotText(via)} snat ${spotText(snat)}`;
}

function bytesText(client: SocketWitness | null, server: SocketWitness | null): string {
  const [a, b] = [client?.bytes ?? null, server?.bytes ?? null];
  if (a === null && b === null) return "-";
  const toServer = Math.max(a?.sent ?? 0, b?.received ?? 0);
  const toClient = Math.max(a?.received ?? 0, b?.sent ?? 0);
  return `${toServer}/${toClient}`;
}

function sideText({ who, spot }: Side): string {
  return `${who} ${spotText(spot)}`;
}

function spotText(spot: Spot | null): string {
  return spot === null ? "-" : `${spot.address.text}:${spot.port}`;
}

function increment(groups: Map<string, number>, client: Side, server: Side, via: Spot | null): void {
  const key = `udp ${client.who} > ${server.who}:${server.spot.port} via ${spotText(via)}`;
  groups.set(key, (groups.get(key) ?? 0) + 1);
}
