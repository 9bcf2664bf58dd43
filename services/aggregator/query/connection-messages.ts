// Connections and listeners as the API shows them.

import type { Connection, Endpoint, Holder, Timer } from "../../../lib/gen/whotalks/v1/query.ts";
import { Connection as ConnectionMessage, Listener } from "../../../lib/gen/whotalks/v1/query.ts";
import { allProtocolWords, stateWord, timerWord } from "../../../lib/words.ts";
import { connectionUid } from "../join/connection-uid.ts";
import { Evidence, evidenceOf } from "../join/edge-counts.ts";
import type { Settler } from "../join/settler.ts";
import { countedSocket } from "../store/connection-bytes.ts";
import { ConnectionFlag, DirectionBy } from "../store/connection-store.ts";
import { TICK_MS } from "../store/node-record.ts";
import { Family, isFamily, storeProtocolWord } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";
import { ConnectionView } from "./connection-view.ts";
import type { Side } from "./connection-view.ts";
import { EndpointMessages } from "./endpoint-messages.ts";

/** Makes messages, for one answer at one time. */
export class ConnectionMessages {
  readonly endpoints: EndpointMessages;
  readonly view: ConnectionView;
  readonly #tables: Tables;
  readonly #settler: Settler;
  // Whether Services lead to a pod's port: asked once for each, as answers are long.
  readonly #behindService = new Map<string, boolean>();
  /** The time of the answer. */
  readonly nowMs: number;

  constructor(tables: Tables, settler: Settler, nowMs: number) {
    this.#tables = tables;
    this.#settler = settler;
    this.nowMs = nowMs;
    this.endpoints = new EndpointMessages(tables);
    this.view = new ConnectionView(tables, settler);
  }

  /** A connection by slot. */
  connection(slot: number): Connection {
    const { connections, sockets, addresses, identity } = this.#tables;
    const { view } = this;
    const protocol = view.protocol(slot);
    const word = storeProtocolWord(protocol);
    const client = view.client(slot);
    const server = view.server(slot);
    const firstSeenMs = connections.firstSeenMs[slot]!;
    const evidence = evidenceOf(this.#tables, slot);
    const message = ConnectionMessage.create({
      client: this.#endpoint(client),
      server: this.#endpoint(server),
      protocol: word,
      outcome: view.outcome(slot),
      state: view.state(slot),
      evidence: evidenceWords(
        (evidence & Evidence.client) !== 0,
        (evidence & Evidence.server) !== 0,
        (evidence & Evidence.flow) !== 0,
      ),
      firstSeenMs: Math.round(firstSeenMs),
      lastSeenMs: Math.round(view.lastSeenMs(slot)),
      closed: connections.has(slot, ConnectionFlag.closed),
      forwarded: connections.has(slot, ConnectionFlag.forwarded),
      count: connections.count(slot),
      directionBy: directionWord(connections.directionBy[slot]!),
      unixPath: view.path(slot),
      uid: connectionUid(this.#tables, slot),
    });
    const speaker = client.socket >= 0 ? client.socket : server.socket;
    if (speaker >= 0) {
      message.retransmits = sockets.retransmits[speaker]!;
      message.recvQueue = sockets.recvQueue[speaker]!;
      message.sendQueue = sockets.sendQueue[speaker]!;
    }
    this.#addCounters(message, slot);
    const via = view.via(slot);
    if (via !== null) {
      const ip = addresses.text(via.address);
      const front = identity.serviceFront(ip, via.port, word, firstSeenMs);
      const service = front === undefined ? undefined : { namespace: front.namespace, name: front.name };
      message.via = { ip, port: via.port, service };
    } else message.viaUnknown = !this.#showsDialled(slot) && this.#isBehindService(message.server, word);
    const seenAs = view.snat(slot);
    if (seenAs !== null) message.snat = { ip: addresses.text(seenAs.address), port: seenAs.port };
    const icmp = view.icmp(slot);
    if (icmp !== null) message.icmp = icmp;
    return message;
  }

  // A flow shows what was dialled where Services are translated by the kernel that has it: on nodes of which any flow was.
  #showsDialled(slot: number): boolean {
    const flow = this.#tables.connections.flow[slot]!;
    if (flow < 0) return false;
    const { namespaces, nodes, flows } = this.#tables;
    return nodes[namespaces.nodeOf(flows.namespace[flow]!)]!.translates;
  }

  #isBehindService(server: Endpoint | undefined, protocol: string): boolean {
    if (server === undefined || server.podUid === "" || server.port === 0) return false;
    const place = `${server.podUid} ${server.port} ${protocol}`;
    let behind = this.#behindService.get(place);
    if (behind === undefined) {
      const declaration = this.#tables.identity.declaration(server.podUid, server.port, protocol);
      behind = (declaration?.services.length ?? 0) > 0;
      this.#behindService.set(place, behind);
    }
    return behind;
  }

  // RTT and retransmissions are the client's where its counters are known: it is who waits.
  #addCounters(message: Connection, slot: number): void {
    const { connections, sockets } = this.#tables;
    const bytes = this.view.bytes(slot);
    if (bytes !== null) {
      message.bytesToServer = bytes.toServer;
      message.bytesToClient = bytes.toClient;
    }
    const client = countedSocket(this.#tables, connections.client[slot]!);
    const teller = client >= 0 ? client : countedSocket(this.#tables, connections.server[slot]!);
    if (teller < 0) return;
    message.rttMicros = sockets.rttMicros[teller]!;
    message.retransmits = sockets.totalRetransmits[teller]!;
  }

  /** A listener by the slot of its socket. */
  listener(slot: number): Listener {
    const { sockets, addresses, identity } = this.#tables;
    const protocol = sockets.protocol(slot);
    const family = isFamily(protocol);
    const word = storeProtocolWord(protocol);
    const port = sockets.localPort(slot);
    const side: Side = {
      socket: slot,
      address: family ? -1 : sockets.localAddress(slot),
      port: family ? 0 : port,
      key: 0,
    };
    const endpoint = this.#endpoint(side);
    const declaration =
      endpoint.podUid === "" ? undefined : identity.declaration(endpoint.podUid, port, word);
    return Listener.create({
      endpoint,
      protocol: word,
      address: family ? this.#familyAddress(slot) : addresses.text(sockets.localAddress(slot)),
      port,
      declared: declaration?.declared,
      services: declaration?.services.map(({ namespace, name }) => ({ namespace, name })) ?? [],
      firstSeenMs: Math.round(sockets.sinceMs[slot]!),
    });
  }

  /** The endpoint of a listener without its socket's details, for filters. */
  listenerBase(slot: number): Endpoint {
    return this.endpoints.ofSocket(slot, this.#settler.keys);
  }

  #familyAddress(slot: number): string {
    const { sockets } = this.#tables;
    if (sockets.protocol(slot) === Family.unix) return sockets.paths.get(slot) ?? "";
    return String(sockets.localAddress(slot));
  }

  // The shared endpoint of the key, and what belongs to this socket alone.
  #endpoint(side: Side): Endpoint {
    const { addresses, sockets, processes, namespaces } = this.#tables;
    const slot = side.socket;
    const base =
      slot >= 0 ? this.endpoints.ofSocket(slot, this.#settler.keys) : this.endpoints.ofKey(side.key);
    const endpoint: Endpoint = { ...base };
    if (side.address >= 0) endpoint.ip = addresses.text(side.address);
    endpoint.port = side.port;
    if (slot < 0) return endpoint;
    const primary = this.#settler.keys.primaryProcess(slot);
    if (primary >= 0) {
      const { pid, name, exe, uid } = processes.row(primary);
      endpoint.process = { pid, name, exe, uid };
    }
    endpoint.inode = sockets.inode(slot);
    endpoint.timer = this.#timer(slot);
    endpoint.networkNamespace = namespaces.row(sockets.namespace(slot)).inode;
    endpoint.holders = this.#holders(slot);
    endpoint.recvQueue = sockets.recvQueue[slot]!;
    endpoint.sendQueue = sockets.sendQueue[slot]!;
    endpoint.retransmits = sockets.retransmits[slot]!;
    endpoint.socketUid = sockets.uid[slot]!;
    // Only /proc tells how often a socket is referred to; nothing that exists is referred to by nobody.
    if (sockets.references[slot] !== 0) endpoint.references = sockets.references[slot]!;
    endpoint.state = stateWord(sockets.state(slot));
    return endpoint;
  }

  #timer(slot: number): Timer | undefined {
    const { sockets } = this.#tables;
    const kind = timerWord(sockets.timer[slot]!);
    if (kind === "") return undefined;
    const node = this.#tables.nodeOfSocket(slot);
    const endsMs = node.observedMs + (sockets.timerDeadline[slot]! - node.ticks) * TICK_MS;
    return { kind, expiresMs: Math.max(0, Math.round(endsMs - this.nowMs)) };
  }

  #holders(slot: number): Holder[] {
    const { sockets, holders, processes } = this.#tables;
    const list: Holder[] = [];
    for (let link = sockets.holders(slot); link !== 0; link = holders.next(link - 1)) {
      const { pid, name } = processes.row(holders.process[link - 1]!);
      list.push({ pid, name, fd: holders.fd[link - 1]! });
    }
    return list;
  }
}

/** The words of what something rests on. */
export function evidenceWords(clientSocket: boolean, serverSocket: boolean, flow: boolean): string[] {
  return [
    ...(clientSocket ? ["client-socket"] : []),
    ...(serverSocket ? ["server-socket"] : []),
    ...(flow ? ["flow"] : []),
  ];
}

function directionWord(by: number): string {
  switch (by) {
    case DirectionBy.flow:
      return "flow";
    case DirectionBy.listener:
      return "listener";
    case DirectionBy.port:
      return "port";
    default:
      return "guess";
  }
}

/** Every word that a protocol filter may name, besides numbers. */
export const protocolWords: readonly string[] = [...allProtocolWords, "unix", "netlink", "packet"];
