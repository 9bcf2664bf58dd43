// Counts connections on their edges: one row of the edge store for each pair of endpoints, protocol, server port and
// dialled address. What a connection adds to its edge follows it as it changes.

import { connectionBytes } from "../store/connection-bytes.ts";
import { ConnectionFlag } from "../store/connection-store.ts";
import { FlowPlace } from "../store/flow-store.ts";
import { isFamily } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";
import type { EndpointKeys } from "./endpoint-keys.ts";
import type { FlowLinks } from "./flow-links.ts";
import { isThroughService } from "./service-ends.ts";

/** What edges count of connections. */
export class EdgeCounts {
  readonly #tables: Tables;
  readonly #flows: FlowLinks;
  readonly #keys: EndpointKeys;

  constructor(tables: Tables, flows: FlowLinks, keys: EndpointKeys) {
    this.#tables = tables;
    this.#flows = flows;
    this.#keys = keys;
  }

  /** Counts a connection on the edge that it belongs to by now. */
  count(connection: number): void {
    const { connections, edges, sockets, addresses, flows } = this.#tables;
    const client = connections.client[connection]!;
    const server = connections.server[connection]!;
    const either = client >= 0 ? client : server;
    const protocol = sockets.protocol[either]!;
    const firstSeenMs = connections.firstSeenMs[connection]!;
    const shared = connections.has(connection, ConnectionFlag.sharedServer);
    const flow = this.#flows.ofConnection(connection);
    const dialled =
      flow >= 0
        ? flows.isDestinationTranslated(flow)
        : client >= 0 &&
          server >= 0 &&
          !shared &&
          !isFamily(protocol) &&
          isThroughService(this.#tables, client, server);
    const dialledAt = (): { address: number; port: number } =>
      flow >= 0
        ? {
            address: flows.address(flow, FlowPlace.originalDestination),
            port: flows.port(flow, FlowPlace.originalDestination),
          }
        : { address: sockets.remoteAddress[client]!, port: sockets.remotePort[client]! };
    const remoteKey = (slot: number, place: number): number =>
      flow >= 0
        ? this.#keys.ofAddress(flows.address(flow, place), firstSeenMs)
        : this.#remoteKey(slot, firstSeenMs);
    const remotePort = (): number =>
      flow >= 0 ? flows.port(flow, FlowPlace.replySource) : sockets.remotePort[client]!;
    const key = {
      client: client >= 0 ? this.#keys.ofSocket(client) : remoteKey(server, FlowPlace.originalSource),
      server: server >= 0 ? this.#keys.ofSocket(server) : remoteKey(client, FlowPlace.replySource),
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

  #remoteKey(slot: number, timeMs: number): number {
    const { sockets, endpoints } = this.#tables;
    if (!isFamily(sockets.protocol[slot]!)) return this.#keys.ofAddress(sockets.remoteAddress[slot]!, timeMs);
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

  /** Takes back all that the edge counts of a connection. */
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
}
