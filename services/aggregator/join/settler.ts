// What reports leave to think over for each connection that changed, until the next tick or query: is its other end known by now, who
// opened it, is it still there, which edge counts it, and what those who watch are told.

import { protocolWord } from "../../../lib/words.ts";
import { connectionBytes } from "../store/connection-bytes.ts";
import { ConnectionFlag, DirectionBy } from "../store/connection-store.ts";
import { FlowPlace } from "../store/flow-store.ts";
import { Family, isFamily, SocketFlag } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";
import { findDatagramServer, isDatagram } from "./datagram-servers.ts";
import type { EndFacts } from "./direction.ts";
import { decideDirection } from "./direction.ts";
import { EndpointKeys } from "./endpoint-keys.ts";
import type { Joiner } from "./joiner.ts";
import { isOpen } from "./socket-role.ts";

/** Settles connections that were marked dirty. */
export class Settler {
  readonly keys: EndpointKeys;
  readonly #tables: Tables;
  readonly #joiner: Joiner;

  constructor(tables: Tables, joiner: Joiner) {
    this.#tables = tables;
    this.#joiner = joiner;
    this.keys = new EndpointKeys(tables);
  }

  /** Settles everything that is dirty, at a time of the stream's clock. */
  settle(nowMs: number): void {
    const { dirty, connections } = this.#tables;
    this.keys.nowMs = nowMs;
    // Settling may mark more connections dirty: the list grows while it is walked.
    for (let at = 0; at < dirty.length; at++) {
      const connection = dirty[at]!;
      if (!connections.has(connection, ConnectionFlag.dirty)) continue;
      connections.clear(connection, ConnectionFlag.dirty);
      if (this.#complete(connection, nowMs)) continue;
      this.#direct(connection);
      this.#close(connection, nowMs);
      this.#countOnEdge(connection);
      this.#announce(connection);
    }
    dirty.length = 0;
  }

  // True where the connection may have become part of another one; whichever went on is dirty again.
  #complete(connection: number, nowMs: number): boolean {
    const { sockets, connections } = this.#tables;
    const { pairing } = this.#joiner;
    const slot = pairing.loneEnd(connection);
    const flow = this.#joiner.flows.link(connection);
    if (slot < 0) return false;
    if (pairing.waiting.has(connection) && pairing.retry(connection, nowMs)) return true;
    if (flow >= 0 && this.#joinByFlow(connection, slot, flow)) return true;
    const protocol = sockets.protocol[slot]!;
    if (isFamily(protocol) || isDatagram(protocol)) {
      this.#shareServer(connection, slot);
      return false;
    }
    const asServer = this.#listens(slot);
    const other = pairing.serviceEnds.match(slot, asServer);
    if (other < 0) return false;
    const kept = pairing.merge(connection, sockets.connection[other]!);
    const client = asServer ? other : slot;
    const server = asServer ? slot : other;
    connections.client[kept] = client;
    connections.server[kept] = server;
    connections.directionBy[kept] = DirectionBy.listener;
    connections.set(kept, ConnectionFlag.directionFinal);
    return true;
  }

  // A translated flow names the other end, wherever that is; true where the connection became part of its.
  #joinByFlow(connection: number, slot: number, flow: number): boolean {
    const { sockets, connections, flows } = this.#tables;
    const { pairing, flows: links } = this.#joiner;
    if (!flows.isTranslated(flow)) return false;
    const mate = links.mateOf(flow, slot);
    const other = mate < 0 ? -1 : sockets.connection[mate]!;
    if (other < 0 || other === connection || pairing.loneEnd(other) !== mate) return false;
    const kept = pairing.merge(connection, other);
    const isClient = links.isClientEnd(flow, slot);
    connections.client[kept] = isClient ? slot : mate;
    connections.server[kept] = isClient ? mate : slot;
    connections.directionBy[kept] = DirectionBy.flow;
    connections.set(kept, ConnectionFlag.directionFinal);
    return true;
  }

  #shareServer(connection: number, slot: number): void {
    const { sockets, connections, flows } = this.#tables;
    const shared = connections.has(connection, ConnectionFlag.sharedServer);
    const flow = connections.flow[connection]!;
    const translated =
      flow >= 0 && flows.isDestinationTranslated(flow) && this.#joiner.flows.isClientEnd(flow, slot);
    const target = translated
      ? { address: flows.address(flow, FlowPlace.replySource), port: flows.port(flow, FlowPlace.replySource) }
      : null;
    if (shared && target === null && sockets.isLive(connections.server[connection]!)) return;
    if (this.#listens(slot) || !sockets.isLive(slot)) return;
    const { listeners, familyListeners } = this.#joiner;
    const parts = { tables: this.#tables, listeners, familyListeners, keys: this.keys };
    const server = findDatagramServer(parts, slot, target);
    if (server < 0 || (shared && server === connections.server[connection])) return;
    if (connections.client[connection] !== slot) {
      connections.client[connection] = slot;
      connections.server[connection] = -1;
    }
    this.#joiner.pairing.shareServer(connection, server);
    connections.directionBy[connection] = DirectionBy.listener;
    connections.clear(connection, ConnectionFlag.dirty);
  }

  #direct(connection: number): void {
    const { connections, sockets } = this.#tables;
    const client = connections.client[connection]!;
    const server = connections.server[connection]!;
    if (connections.has(connection, ConnectionFlag.directionFinal | ConnectionFlag.sharedServer)) return;
    if (client === server) return;
    const slot = client >= 0 ? client : server;
    const flow = connections.flow[connection]!;
    const flowSaysSwapped = flow >= 0 && this.#joiner.flows.isClientEnd(flow, slot) !== client >= 0;
    if (flow >= 0 && this.#tables.flows.isTranslated(flow)) {
      connections.set(connection, ConnectionFlag.directionFinal);
      this.#setDirection(connection, flowSaysSwapped, DirectionBy.flow);
      return;
    }
    if (sockets.protocol[slot] === Family.unix) {
      this.#directUnix(connection, client, server);
      return;
    }
    const first = this.#facts(client, server);
    const second = this.#facts(server, client);
    const told = decideDirection(first, second);
    const { final } = told;
    let { firstIsServer, by } = told;
    // An entry that was made in the middle of a conversation may have it the wrong way round: against ports it is not
    // believed, and listeners know better in any case.
    if (
      flow >= 0 &&
      (by === DirectionBy.guess || (by === DirectionBy.port && firstIsServer === flowSaysSwapped))
    ) {
      firstIsServer = flowSaysSwapped;
      by = DirectionBy.flow;
    }
    // What listened once and does so no longer still tells more than ports.
    if (by < connections.directionBy[connection]!) return;
    if (final) connections.set(connection, ConnectionFlag.directionFinal);
    this.#setDirection(connection, firstIsServer, by);
  }

  // An accepted unix socket carries its listener's path; without a path on one side alone the lower inode, which is
  // the older one, is taken for the client.
  #directUnix(connection: number, client: number, server: number): void {
    const { sockets } = this.#tables;
    const clientHasPath = client >= 0 && sockets.paths.has(client);
    const serverHasPath = server >= 0 && sockets.paths.has(server);
    if (clientHasPath !== serverHasPath) this.#setDirection(connection, clientHasPath, DirectionBy.listener);
    else if (client >= 0 && server >= 0) {
      this.#setDirection(connection, sockets.inode[client]! > sockets.inode[server]!, DirectionBy.guess);
    }
  }

  #setDirection(connection: number, swapped: boolean, by: number): void {
    const { connections } = this.#tables;
    if (swapped) {
      const client = connections.client[connection]!;
      connections.client[connection] = connections.server[connection]!;
      connections.server[connection] = client;
    }
    if (swapped || connections.directionBy[connection] !== by)
      connections.set(connection, ConnectionFlag.changed);
    connections.directionBy[connection] = by;
  }

  #facts(slot: number, other: number): EndFacts {
    const { sockets } = this.#tables;
    if (slot < 0) {
      return {
        port: sockets.remotePort[other]!,
        seen: false,
        listens: false,
        opening: false,
        accepting: false,
      };
    }
    return {
      port: sockets.localPort[slot]!,
      seen: true,
      listens: this.#listens(slot),
      opening: sockets.has(slot, SocketFlag.opening),
      accepting: sockets.has(slot, SocketFlag.accepting),
    };
  }

  // Whether something listens on the port of an end, in its namespace.
  #listens(slot: number): boolean {
    const { sockets } = this.#tables;
    if (isFamily(sockets.protocol[slot]!)) return sockets.paths.has(slot);
    return this.#joiner.listeners.listens(
      sockets.namespace[slot]!,
      sockets.protocol[slot]!,
      sockets.localAddress[slot]!,
      sockets.localPort[slot]!,
    );
  }

  #close(connection: number, nowMs: number): void {
    const { connections } = this.#tables;
    const client = connections.client[connection]!;
    const server = connections.has(connection, ConnectionFlag.sharedServer)
      ? -1
      : connections.server[connection]!;
    const live = this.#isLiveEnd(client) || this.#isLiveEnd(server);
    const open = this.#isOpenEnd(client) || this.#isOpenEnd(server);
    const closed = connections.has(connection, ConnectionFlag.closed);
    if (!open && !closed) {
      connections.set(connection, ConnectionFlag.closed);
      connections.lastSeenMs[connection] = this.lastSeenMs(connection);
    } else if (open && closed) {
      connections.clear(connection, ConnectionFlag.closed);
      connections.clear(connection, ConnectionFlag.closeAnnounced);
    }
    const ended = connections.has(connection, ConnectionFlag.ended);
    if (!live && !ended) connections.end(connection, nowMs);
    else if (live && ended) connections.revive(connection);
  }

  /** When an end of a connection was last found to be there: never before it was first seen. */
  lastSeenMs(connection: number): number {
    const { connections } = this.#tables;
    const server = connections.has(connection, ConnectionFlag.sharedServer)
      ? -1
      : connections.server[connection]!;
    return Math.max(
      connections.firstSeenMs[connection]!,
      this.#endSeenMs(connections.client[connection]!),
      this.#endSeenMs(server),
    );
  }

  #endSeenMs(slot: number): number {
    if (slot < 0) return 0;
    const { sockets } = this.#tables;
    return sockets.isLive(slot) ? this.#tables.nodeOfSocket(slot).observedMs : sockets.sinceMs[slot]!;
  }

  #isLiveEnd(slot: number): boolean {
    return this.#tables.sockets.isLive(slot);
  }

  #isOpenEnd(slot: number): boolean {
    const { sockets } = this.#tables;
    return sockets.isLive(slot) && isOpen(sockets.protocol[slot]!, sockets.state[slot]!);
  }

  /** The flow that a connection rests on, where its client is the flow's too; -1 where there is none. */
  flowOf(connection: number): number {
    const { connections } = this.#tables;
    const flow = connections.flow[connection]!;
    if (flow < 0) return -1;
    const client = connections.client[connection]!;
    const end = client >= 0 ? client : connections.server[connection]!;
    return this.#joiner.flows.isClientEnd(flow, end) === client >= 0 ? flow : -1;
  }

  #countOnEdge(connection: number): void {
    const { connections, edges, sockets, addresses, flows } = this.#tables;
    const client = connections.client[connection]!;
    const server = connections.server[connection]!;
    const either = client >= 0 ? client : server;
    const protocol = sockets.protocol[either]!;
    const firstSeenMs = connections.firstSeenMs[connection]!;
    const shared = connections.has(connection, ConnectionFlag.sharedServer);
    const flow = this.flowOf(connection);
    const dialled =
      flow >= 0
        ? flows.isDestinationTranslated(flow)
        : client >= 0 &&
          server >= 0 &&
          !shared &&
          !isFamily(protocol) &&
          this.isThroughService(client, server);
    const dialledAt = (): { address: number; port: number } =>
      flow >= 0
        ? {
            address: flows.address(flow, FlowPlace.originalDestination),
            port: flows.port(flow, FlowPlace.originalDestination),
          }
        : { address: sockets.remoteAddress[client]!, port: sockets.remotePort[client]! };
    const remoteKey = (slot: number, place: number): number =>
      flow >= 0
        ? this.keys.ofAddress(flows.address(flow, place), firstSeenMs)
        : this.#remoteKey(slot, firstSeenMs);
    const remotePort = (): number =>
      flow >= 0 ? flows.port(flow, FlowPlace.replySource) : sockets.remotePort[client]!;
    const key = {
      client: client >= 0 ? this.keys.ofSocket(client) : remoteKey(server, FlowPlace.originalSource),
      server: server >= 0 ? this.keys.ofSocket(server) : remoteKey(client, FlowPlace.replySource),
      protocol,
      port: isFamily(protocol) ? 0 : server >= 0 ? sockets.localPort[server]! : remotePort(),
      viaIp: dialled ? addresses.text(dialledAt().address) : "",
      viaPort: dialled ? dialledAt().port : 0,
      path: sockets.paths.size === 0 ? "" : (sockets.paths.get(server) ?? sockets.paths.get(client) ?? ""),
    };
    const before = connections.edge[connection]!;
    if (before >= 0 && edges.is(before, key)) {
      this.#recount(connection, before);
      return;
    }
    const edge = edges.intern(key, firstSeenMs);
    if (before >= 0) {
      this.#uncount(connection, before);
      connections.set(connection, ConnectionFlag.changed);
    }
    connections.edge[connection] = edge;
    if (edge < 0) {
      this.#tables.overflowed++;
      return;
    }
    edges.count(edge, firstSeenMs);
    this.#recount(connection, edge);
  }

  /** Whether what the client dialled is another address or port than the server's own. */
  isThroughService(client: number, server: number): boolean {
    const { sockets } = this.#tables;
    return (
      sockets.remoteAddress[client] !== sockets.localAddress[server] ||
      sockets.remotePort[client] !== sockets.localPort[server]
    );
  }

  #remoteKey(slot: number, timeMs: number): number {
    const { sockets, endpoints } = this.#tables;
    if (!isFamily(sockets.protocol[slot]!)) return this.keys.ofAddress(sockets.remoteAddress[slot]!, timeMs);
    // The unknown peer of a unix socket: somebody on the same node.
    return endpoints.intern("unknown", () => ({
      kind: "address",
      ip: "",
      owner: { kind: "unknown" },
      ownerVersion: 0,
      askedForMs: timeMs,
      timeMs,
    }));
  }

  // Open and evidence counts of the edge follow the connection's flags.
  #recount(connection: number, edge: number): void {
    const { connections, edges } = this.#tables;
    const open = !connections.has(connection, ConnectionFlag.closed);
    edges.open[edge]! += this.#step(connection, ConnectionFlag.countedOpen, open);
    const byClient = connections.client[connection]! >= 0;
    edges.withClientSocket[edge]! += this.#step(connection, ConnectionFlag.countedClient, byClient);
    const byServer = connections.server[connection]! >= 0;
    edges.withServerSocket[edge]! += this.#step(connection, ConnectionFlag.countedServer, byServer);
    this.#recountBytes(connection, edge);
    const byFlow = connections.flow[connection]! >= 0;
    edges.withFlow[edge]! += this.#step(connection, ConnectionFlag.countedFlow, byFlow);
    if (!open && connections.lastSeenMs[connection]! > edges.lastSeenMs[edge]!) {
      edges.lastSeenMs[edge] = connections.lastSeenMs[connection]!;
    }
  }

  // The edge keeps what a connection carried after it has gone: only what is new of it is added.
  #recountBytes(connection: number, edge: number): void {
    const { connections, edges } = this.#tables;
    const bytes = connectionBytes(this.#tables, connection);
    edges.withBytes[edge]! += this.#step(connection, ConnectionFlag.countedBytes, bytes !== null);
    const toServer = bytes?.toServer ?? 0;
    const toClient = bytes?.toClient ?? 0;
    edges.bytesToServer[edge]! += toServer - connections.countedToServer[connection]!;
    edges.bytesToClient[edge]! += toClient - connections.countedToClient[connection]!;
    connections.countedToServer[connection] = toServer;
    connections.countedToClient[connection] = toClient;
  }

  #step(connection: number, flag: number, wanted: boolean): number {
    const { connections } = this.#tables;
    const counted = connections.has(connection, flag);
    if (wanted === counted) return 0;
    if (wanted) connections.set(connection, flag);
    else connections.clear(connection, flag);
    return wanted ? 1 : -1;
  }

  #uncount(connection: number, edge: number): void {
    const { connections, edges } = this.#tables;
    edges.open[edge]! += this.#step(connection, ConnectionFlag.countedOpen, false);
    edges.withClientSocket[edge]! += this.#step(connection, ConnectionFlag.countedClient, false);
    edges.withServerSocket[edge]! += this.#step(connection, ConnectionFlag.countedServer, false);
    edges.withBytes[edge]! += this.#step(connection, ConnectionFlag.countedBytes, false);
    edges.bytesToServer[edge]! -= connections.countedToServer[connection]!;
    edges.bytesToClient[edge]! -= connections.countedToClient[connection]!;
    connections.countedToServer[connection] = 0;
    connections.countedToClient[connection] = 0;
    edges.withFlow[edge]! += this.#step(connection, ConnectionFlag.countedFlow, false);
    edges.uncount(edge);
  }

  #announce(connection: number): void {
    const { connections, watcher } = this.#tables;
    const announced = connections.has(connection, ConnectionFlag.announced);
    const changed = connections.has(connection, ConnectionFlag.changed);
    connections.clear(connection, ConnectionFlag.changed);
    connections.set(connection, ConnectionFlag.announced);
    const closes =
      connections.has(connection, ConnectionFlag.closed) &&
      !connections.has(connection, ConnectionFlag.closeAnnounced);
    if (closes) connections.set(connection, ConnectionFlag.closeAnnounced);
    if (watcher === null) return;
    if (!announced) watcher("opened", connection);
    else if (changed && !closes) watcher("changed", connection);
    if (closes) watcher("closed", connection);
  }
}

/** The word for a protocol number of the socket store. */
export function storeProtocolWord(protocol: number): string {
  switch (protocol) {
    case Family.unix:
      return "unix";
    case Family.netlink:
      return "netlink";
    case Family.packet:
      return "packet";
    default:
      return protocolWord(protocol);
  }
}
