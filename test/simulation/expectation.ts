// The expected connections of a history, derived from what was reported.
//
// A conversation's packets have one source and destination before each translation and another after it.
// Knowledge reaches from the client's socket over all consecutive translations that were reported, and
// likewise back from the server's socket. If both reach the whole path, the two sockets are one connection.

import type { Address, Cluster, Place } from "./cluster.ts";
import { HOST_NAMESPACE, loopback } from "./cluster.ts";
import type { Conversation, Flow, Socket, Spot } from "./conversation.ts";
import { isPair, isSpot, isTranslation, isUnconnected, shareNamespace } from "./conversation.ts";
import type { SocketWitness, Witnesses } from "./witnesses.ts";

/** A connection as two lines: its ends; its evidence and bytes. */
export interface ExpectedConnection {
  readonly ends: string;
  readonly details: string;
}

/** The owner and address of an end. */
interface Side {
  readonly who: string;
  readonly spot: Spot;
}

/** A part of a conversation's path: source and destination at its start, and at its end. */
interface Stretch {
  readonly from: readonly [Spot, Spot];
  readonly to: readonly [Spot, Spot];
  readonly flows: readonly Flow[];
}

/** The expected connections. */
export class Expectation {
  readonly tcp: ExpectedConnection[] = [];
  /** Connections for which two halves are as acceptable as the whole. */
  readonly eitherWay: { readonly halves: readonly [string, string]; readonly whole: string }[] = [];
  /** Lines that may or may not be present. */
  readonly optional: string[] = [];
  readonly #datagrams = new Map<string, number>();
  readonly #unnamed = new Map<string, string>();
  readonly #cluster: Cluster;
  readonly #witnesses: Witnesses;
  readonly #knowsServices: boolean;
  // Flows of conversations that were added.
  readonly #explained = new Set<Flow>();

  constructor(cluster: Cluster, witnesses: Witnesses, knowsServices: boolean) {
    this.#cluster = cluster;
    this.#witnesses = witnesses;
    this.#knowsServices = knowsServices;
  }

  /** Adds all conversations. */
  add(conversations: readonly Conversation[]): void {
    for (const conversation of conversations) {
      if (conversation.talk.protocol === "tcp") this.#addStream(conversation);
      else this.#addDatagrams(conversation);
    }
    for (const conversation of conversations)
      if (conversation.talk.protocol === "udp") this.#addFlowsAlone(conversation);
  }

  /** The number of datagram conversations by edge. */
  get datagrams(): ReadonlyMap<string, number> {
    return this.#datagrams;
  }

  /**
   * Edges of datagram conversations whose client may be unnamed: maps the expected edge to the unnamed one.
   */
  get unnamed(): ReadonlyMap<string, string> {
    return this.#unnamed;
  }

  #addStream(conversation: Conversation): void {
    const { talk, client, server, seenAs, dialled, clientSocket, serverSocket } = conversation;
    const stretches = this.#stretchesOf(conversation);
    const [first] = stretches;
    const last = stretches.at(-1)!;
    const clientSeen = this.#witnessOf(clientSocket);
    const serverSeen = this.#witnessOf(serverSocket);
    const fromClient = clientSocket && clientSeen && { socket: clientSocket, seen: clientSeen };
    const toServer = serverSocket && serverSeen && { socket: serverSocket, seen: serverSeen };
    const whole: Stretch = { from: [client, dialled], to: [seenAs, server], flows: conversation.flows };
    const byService = isSpot(seenAs, client) && this.#knowsServices && talk.listens;
    if (fromClient && toServer && (stretches.length === 1 || byService)) {
      this.#expect(whole, fromClient, toServer);
      return;
    }
    if (fromClient) this.#expect(first!, fromClient, null);
    if (toServer) this.#expect(last, null, toServer);
    if (fromClient && toServer) {
      const [one, two] = this.tcp.slice(-2);
      const ends = this.#endsOf(whole, fromClient.socket, toServer.socket);
      this.eitherWay.push({ halves: [one!.ends, two!.ends], whole: ends });
    }
    // Flows without sockets may or may not be shown.
    for (const stretch of stretches) this.optional.push(this.#endsOf(stretch, null, null));
  }

  #addDatagrams(conversation: Conversation): void {
    const { talk, clientSocket } = conversation;
    const seen = isUnconnected(talk) ? null : this.#witnessOf(clientSocket);
    if (seen === null || clientSocket === null) return;
    const [stretch] = this.#stretchesOf(conversation);
    const server = this.#receiverOf(conversation, stretch!);
    this.#count(this.#sideOf(clientSocket, stretch!.from[0]), server, viaOf(stretch!));
    for (const flow of stretch!.flows) this.#explained.add(flow);
  }

  // Datagram conversations, or parts of their path, of which only flows are known.
  #addFlowsAlone(conversation: Conversation): void {
    const { talk, clientPlace } = conversation;
    for (const stretch of this.#stretchesOf(conversation)) {
      const flows = stretch.flows.filter((flow) => this.#witnesses.flows.has(flow));
      if (flows.length === 0 || flows.some((flow) => this.#explained.has(flow))) continue;
      for (const flow of flows) this.#explained.add(flow);
      const server = this.#receiverOf(conversation, stretch);
      const via = viaOf(stretch);
      if (talk.way !== "loopback" || clientPlace === null) {
        this.#count(this.#byAddress(stretch.from[0]), server, via);
        continue;
      }
      // A loopback address belongs to its namespace: the client may have the name of the program that is known
      // there.
      const [spot] = stretch.from;
      const named = { who: this.#nameOf(clientPlace, true), spot };
      this.#count(named, server, via);
      const unnamed = { who: this.#nameOf(clientPlace, false), spot };
      this.#unnamed.set(datagramKey(named, server, via), datagramKey(unnamed, server, via));
    }
  }

  /** The parts of a conversation's path between unreported translations: one part if all were reported. */
  #stretchesOf({ client, dialled, seenAs, server, flows }: Conversation): Stretch[] {
    const stretches: Stretch[] = [];
    let from: readonly [Spot, Spot] = [client, dialled];
    let own: Flow[] = [];
    for (const flow of flows) {
      if (this.#witnesses.flows.has(flow) || !isTranslation(flow)) {
        own.push(flow);
        continue;
      }
      stretches.push({ from, to: flow.original, flows: own });
      from = [flow.reply[1], flow.reply[0]];
      own = [];
    }
    return [...stretches, { from, to: [seenAs, server], flows: own }];
  }

  #expect(
    stretch: Stretch,
    client: { readonly socket: Socket; readonly seen: SocketWitness } | null,
    server: { readonly socket: Socket; readonly seen: SocketWitness } | null,
  ): void {
    const ends = this.#endsOf(stretch, client?.socket ?? null, server?.socket ?? null);
    const open = client?.seen.isOpen === true || server?.seen.isOpen === true;
    const flow = stretch.flows.some(
      (each) =>
        this.#witnesses.flows.has(each) &&
        ((client !== null && isPair(each.original, [client.socket.local, client.socket.remote])) ||
          (server !== null && isPair(each.reply, [server.socket.local, server.socket.remote]))),
    );
    const evidence = `${client ? "c" : ""}${server ? "s" : ""}${flow ? "f" : ""}`;
    const bytes = bytesText(client?.seen ?? null, server?.seen ?? null);
    this.tcp.push({ ends, details: `${evidence} ${open ? "open" : "closed"} ${bytes}` });
  }

  #endsOf(stretch: Stretch, clientSocket: Socket | null, serverSocket: Socket | null): string {
    const [client] = stretch.from;
    const [seenAs, server] = stretch.to;
    const from = clientSocket === null ? this.#byAddress(client) : this.#sideOf(clientSocket, client);
    const to = serverSocket === null ? this.#byAddress(server) : this.#sideOf(serverSocket, server);
    const snat = isSpot(seenAs, client) ? null : seenAs;
    return `tcp ${sideText(from)} > ${sideText(to)} via ${spotText(viaOf(stretch))} snat ${spotText(snat)}`;
  }

  #count(client: Side, server: Side, via: Spot | null): void {
    const key = datagramKey(client, server, via);
    this.#datagrams.set(key, (this.#datagrams.get(key) ?? 0) + 1);
  }

  #witnessOf(socket: Socket | null): SocketWitness | null {
    return socket === null ? null : (this.#witnesses.sockets.get(socket) ?? null);
  }

  #sideOf(socket: Socket, spot: Spot): Side {
    return { who: this.#nameOf(socket.place, this.#witnessOf(socket)?.held === true), spot };
  }

  // In a node's own namespace only the holder identifies a socket's owner.
  #nameOf({ namespace, podUid, node, processName }: Place, held: boolean): string {
    if (namespace !== HOST_NAMESPACE) return podUid;
    if (!held) return `${node.name}/`;
    return podUid === "" ? `${node.name}/${processName}` : podUid;
  }

  // The listener at the end of a stretch, or the owner of the address if the stretch does not end at the
  // server or nothing listens there.
  #receiverOf({ serverPlace, server, talk }: Conversation, { to }: Stretch): Side {
    const [, destination] = to;
    if (serverPlace === null || !isSpot(destination, server)) return this.#byAddress(destination);
    for (const [socket, { held }] of this.#witnesses.sockets) {
      const receives =
        socket.kind === "listener" &&
        socket.protocol === "udp" &&
        socket.family === talk.family &&
        socket.local.port === server.port &&
        shareNamespace(socket.place, serverPlace);
      if (receives) return { who: this.#nameOf(socket.place, held), spot: server };
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

function viaOf({ from, to }: Stretch): Spot | null {
  return isSpot(from[1], to[1]) ? null : from[1];
}

function datagramKey(client: Side, server: Side, via: Spot | null): string {
  return `udp ${client.who} > ${server.who}:${server.spot.port} via ${spotText(via)}`;
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
