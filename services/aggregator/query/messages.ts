// Connections and listeners as the API shows them.

import type { Connection, Endpoint, Holder } from "../../../lib/gen/whotalks/v1/query.ts";
import { Connection as ConnectionMessage, Listener } from "../../../lib/gen/whotalks/v1/query.ts";
import { writeCounters } from "../gen/connection-counters.ts";
import type { Side } from "../view/connection-view.ts";
import type { View } from "../view/view.ts";
import { storeProtocolWord } from "../../../lib/vocabulary/protocols.ts";

/** Builds the messages of one answer. */
export class Messages {
  readonly view: View;
  // Whether Services lead to a pod's port: cached, since answers are long.
  readonly #behindService = new Map<string, boolean>();

  constructor(view: View) {
    this.view = view;
  }

  /** Returns a connection by slot. */
  connection(slot: number): Connection {
    const { connections, sockets, addresses, identity } = this.view;
    const word = storeProtocolWord(connections.protocol(slot));
    const client = connections.client(slot);
    const server = connections.server(slot);
    const firstSeenMs = connections.firstSeenMs(slot);
    const message = ConnectionMessage.create({
      client: this.#endpoint(client, firstSeenMs),
      server: this.#endpoint(server, firstSeenMs),
      protocol: word,
      outcome: connections.outcomeWord(slot),
      state: connections.state(slot),
      evidence: connections.evidenceWords(slot),
      firstSeenMs: Math.round(firstSeenMs),
      lastSeenMs: Math.round(connections.lastSeenMs(slot)),
      closed: connections.isClosed(slot),
      forwarded: connections.isForwarded(slot),
      count: connections.count(slot),
      directionBy: connections.directionBy(slot),
      unixPath: connections.path(slot),
      uid: connections.uid(slot),
    });
    const socket = client.socket >= 0 ? client.socket : server.socket;
    if (socket >= 0) {
      message.retransmits = sockets.retransmits(socket);
      message.recvQueue = sockets.recvQueue(socket);
      message.sendQueue = sockets.sendQueue(socket);
    }
    this.#addCounters(message, slot);
    const via = connections.via(slot);
    if (via !== null) {
      const ip = addresses.text(via.address);
      const front = identity.serviceFront(ip, via.port, word, firstSeenMs);
      const service = front === undefined ? undefined : { namespace: front.namespace, name: front.name };
      message.via = { ip, port: via.port, service };
    } else {
      message.viaUnknown = !connections.showsDialled(slot) && this.#isBehindService(message.server, word);
    }
    const seenAs = connections.snat(slot);
    if (seenAs !== null) message.snat = { ip: addresses.text(seenAs.address), port: seenAs.port };
    const icmp = connections.icmp(slot);
    if (icmp !== null) message.icmp = icmp;
    return message;
  }

  /** Returns a listener by the slot of its socket. */
  listener(slot: number): Listener {
    const { sockets, identity } = this.view;
    const word = storeProtocolWord(sockets.protocol(slot));
    const port = sockets.localPort(slot);
    const endpoint = this.#ofSocket(slot, { ...this.view.endpoints.ofSocket(slot) });
    const address = sockets.localAddress(slot);
    if (address >= 0) endpoint.ip = this.view.addresses.text(address);
    endpoint.port = address >= 0 ? port : 0;
    const declaration =
      endpoint.podUid === "" ? undefined : identity.declaration(endpoint.podUid, port, word);
    return Listener.create({
      endpoint,
      protocol: word,
      address: sockets.boundTo(slot),
      port,
      declared: declaration?.declared,
      services: declaration?.services.map(({ namespace, name }) => ({ namespace, name })) ?? [],
      firstSeenMs: Math.round(sockets.sinceMs(slot)),
    });
  }

  #addCounters(message: Connection, slot: number): void {
    const { connections } = this.view;
    const bytes = connections.bytes(slot);
    if (bytes !== null) {
      message.bytesToServer = bytes.toServer;
      message.bytesToClient = bytes.toClient;
    }
    const counters = connections.counters(slot);
    if (counters !== null) writeCounters(message, counters);
  }

  #isBehindService(server: Endpoint | undefined, protocol: string): boolean {
    if (server === undefined || server.podUid === "" || server.port === 0) return false;
    const place = `${server.podUid} ${server.port} ${protocol}`;
    let behind = this.#behindService.get(place);
    if (behind === undefined) {
      const declaration = this.view.identity.declaration(server.podUid, server.port, protocol);
      behind = (declaration?.services.length ?? 0) > 0;
      this.#behindService.set(place, behind);
    }
    return behind;
  }

  // The shared endpoint, and fields specific to this side.
  #endpoint(side: Side, timeMs: number): Endpoint {
    const { addresses, endpoints } = this.view;
    const { socket } = side;
    const endpoint = { ...(socket >= 0 ? endpoints.ofSocket(socket) : endpoints.ofSide(side, timeMs)) };
    if (side.address >= 0) endpoint.ip = addresses.text(side.address);
    endpoint.port = side.port;
    return socket < 0 ? endpoint : this.#ofSocket(socket, endpoint);
  }

  // Adds the fields specific to one socket.
  #ofSocket(slot: number, endpoint: Endpoint): Endpoint {
    const { sockets, nowMs } = this.view;
    const process = sockets.process(slot);
    if (process !== null) {
      const { pid, name, exe, uid } = process;
      endpoint.process = { pid, name, exe, uid };
    }
    endpoint.inode = sockets.inode(slot);
    endpoint.timer = sockets.timer(slot, nowMs) ?? undefined;
    endpoint.networkNamespace = sockets.namespaceInode(slot);
    endpoint.holders = this.#holders(slot);
    endpoint.recvQueue = sockets.recvQueue(slot);
    endpoint.sendQueue = sockets.sendQueue(slot);
    endpoint.retransmits = sockets.retransmits(slot);
    endpoint.socketUid = sockets.uid(slot);
    // Only /proc shows a socket's reference count; 0 means unknown, since a socket that exists is referenced.
    const references = sockets.references(slot);
    if (references !== 0) endpoint.references = references;
    endpoint.state = sockets.stateWord(slot);
    return endpoint;
  }

  #holders(slot: number): Holder[] {
    return [...this.view.sockets.holders(slot)].map(({ process: { pid, name }, fd }) => ({ pid, name, fd }));
  }
}
