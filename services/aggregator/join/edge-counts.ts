// Counts connections on their edges: one row of the edge store for each pair of endpoints, protocol, server port and
// dialled address. What a connection adds to its edge follows it as it changes.

import { TupleKind, tupleKind } from "../../../lib/conntrack/flow-words.ts";
import { readConnectionBytes } from "../store/connection-bytes.ts";
import { ConnectionFlag, Outcome } from "../store/connection-store.ts";
import type { EdgeKey, EdgeStore } from "../store/edge-store.ts";
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
  // Of the connection that is being counted.
  readonly #bytes = { toServer: 0, toClient: 0 };

  constructor(tables: Tables, flows: FlowLinks, keys: EndpointKeys) {
    this.#tables = tables;
    this.#flows = flows;
    this.#keys = keys;
  }

  /** Counts a connection on the edge that it belongs to by now. */
  count(connection: number): void {
    const { connections, edges } = this.#tables;
    const firstSeenMs = connections.firstSeenMs[connection]!;
    const key = this.#keyOf(connection);
    const before = connections.edge[connection]!;
    if (before >= 0 && edges.is(before, key)) {
      this.#recount(connection, before);
      return;
    }
    const edge = edges.intern(key, firstSeenMs);
    if (before >= 0) {
      uncountConnection(this.#tables, connection);
      connections.set(connection, ConnectionFlag.changed);
    }
    connections.edge[connection] = edge;
    if (edge < 0) {
      this.#tables.overflowed++;
      return;
    }
    edges.count(edge, firstSeenMs, connections.count(connection));
    this.#recount(connection, edge);
  }

  /** Brings what a connection's edge adds up of its bytes up to date. */
  countBytes(connection: number): void {
    const edge = this.#tables.connections.edge[connection]!;
    if (edge >= 0) this.#recountBytes(connection, edge);
  }

  /** Counts conversations more, or fewer, that a connection stands for. */
  add(connection: number, conversations: number): void {
    const { connections, edges } = this.#tables;
    const edge = connections.edge[connection]!;
    if (edge < 0) return;
    edges.connections[edge]! += conversations;
    const outcomes = outcomeColumn(edges, connections.countedOutcome[connection]!);
    if (outcomes !== null) outcomes[edge]! += conversations;
  }

  /**
   * The edge of a flow without sockets. `server` is the slot of the listener that answers it, or -1; `reversed` says
   * that its destination is the client.
   */
  keyOfFlow(flow: number, reversed: boolean, server: number, timeMs: number): EdgeKey {
    const { flows, addresses } = this.#tables;
    const last = reversed ? flow : flows.last(flow);
    const clientPlace = reversed ? FlowPlace.originalDestination : FlowPlace.originalSource;
    const serverPlace = reversed ? FlowPlace.originalSource : FlowPlace.replySource;
    const namespace = flows.namespace[flow]!;
    const protocol = flows.protocol[flow]!;
    const dialled = !reversed && flows.isDestinationTranslated(flow);
    const hasPorts = tupleKind(protocol) === TupleKind.ports;
    return {
      client: this.#keys.ofFlowAddress(flows.address(flow, clientPlace), namespace, timeMs),
      server:
        server >= 0
          ? this.#keys.ofSocket(server)
          : this.#keys.ofFlowAddress(flows.address(last, serverPlace), namespace, timeMs),
      protocol,
      port: hasPorts ? flows.port(last, serverPlace) : 0,
      viaIp: dialled ? addresses.text(flows.address(flow, FlowPlace.originalDestination)) : "",
      viaPort: dialled && hasPorts ? flows.port(flow, FlowPlace.originalDestination) : 0,
      path: "",
    };
  }

  #keyOf(connection: number): EdgeKey {
    const { connections, sockets, addresses } = this.#tables;
    const client = connections.client[connection]!;
    const server = connections.server[connection]!;
    const firstSeenMs = connections.firstSeenMs[connection]!;
    if (connections.has(connection, ConnectionFlag.lone)) {
      const reversed = connections.has(connection, ConnectionFlag.reversed);
      return this.keyOfFlow(connections.flow[connection]!, reversed, server, firstSeenMs);
    }
    const flow = this.#flows.ofConnection(connection);
    if (flow >= 0) return this.#keyWithFlow(connection, flow);
    const protocol = sockets.protocol(client >= 0 ? client : server);
    const dialled =
      client >= 0 &&
      server >= 0 &&
      !connections.has(connection, ConnectionFlag.sharedServer) &&
      !isFamily(protocol) &&
      isThroughService(this.#tables, client, server);
    const port = server >= 0 ? sockets.localPort(server) : sockets.remotePort(client);
    return {
      client: client >= 0 ? this.#keys.ofSocket(client) : this.#remoteKey(server, firstSeenMs),
      server: server >= 0 ? this.#keys.ofSocket(server) : this.#remoteKey(client, firstSeenMs),
      protocol,
      port: isFamily(protocol) ? 0 : port,
      viaIp: dialled ? addresses.text(sockets.remoteAddress(client)) : "",
      viaPort: dialled ? sockets.remotePort(client) : 0,
      path: sockets.paths.size === 0 ? "" : (sockets.paths.get(server) ?? sockets.paths.get(client) ?? ""),
    };
  }

  // Of a connection that sockets make and that rests on a flow: what has no socket, the flow tells.
  #keyWithFlow(connection: number, flow: number): EdgeKey {
    const { connections, sockets, addresses, flows } = this.#tables;
    const client = connections.client[connection]!;
    const server = connections.server[connection]!;
    const firstSeenMs = connections.firstSeenMs[connection]!;
    const last = flows.last(flow);
    const dialled = flows.isDestinationTranslated(flow);
    const ofAddress = (at: number, place: number): number =>
      this.#keys.ofAddress(flows.address(at, place), firstSeenMs);
    return {
      client: client >= 0 ? this.#keys.ofSocket(client) : ofAddress(flow, FlowPlace.originalSource),
      server: server >= 0 ? this.#keys.ofSocket(server) : ofAddress(last, FlowPlace.replySource),
      protocol: flows.protocol[flow]!,
      port: server >= 0 ? sockets.localPort(server) : flows.port(last, FlowPlace.replySource),
      viaIp: dialled ? addresses.text(flows.address(flow, FlowPlace.originalDestination)) : "",
      viaPort: dialled ? flows.port(flow, FlowPlace.originalDestination) : 0,
      path: "",
    };
  }

  #remoteKey(slot: number, timeMs: number): number {
    const { sockets, endpoints } = this.#tables;
    if (!isFamily(sockets.protocol(slot))) return this.#keys.ofAddress(sockets.remoteAddress(slot), timeMs);
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

  // Open, outcome and evidence counts of the edge follow the connection's.
  #recount(connection: number, edge: number): void {
    const { connections, edges } = this.#tables;
    const open = !connections.has(connection, ConnectionFlag.closed);
    edges.open[edge]! += step(this.#tables, connection, ConnectionFlag.countedOpen, open);
    recountOutcome(this.#tables, connection, edge, connections.outcome[connection]!);
    const evidence = evidenceOf(this.#tables, connection);
    const client = (evidence & Evidence.client) !== 0;
    const server = (evidence & Evidence.server) !== 0;
    const flow = (evidence & Evidence.flow) !== 0;
    edges.withClientSocket[edge]! += step(this.#tables, connection, ConnectionFlag.countedClient, client);
    edges.withServerSocket[edge]! += step(this.#tables, connection, ConnectionFlag.countedServer, server);
    edges.withFlow[edge]! += step(this.#tables, connection, ConnectionFlag.countedFlow, flow);
    this.#recountBytes(connection, edge);
    if (!open && connections.lastSeenMs[connection]! > edges.lastSeenMs[edge]!) {
      edges.lastSeenMs[edge] = connections.lastSeenMs[connection]!;
    }
  }

  // The edge keeps what a connection carried after it has gone: only what is new of it is added.
  #recountBytes(connection: number, edge: number): void {
    const { connections, edges } = this.#tables;
    const known = readConnectionBytes(this.#tables, connection, this.#bytes);
    edges.withBytes[edge]! += step(this.#tables, connection, ConnectionFlag.countedBytes, known);
    const { toServer, toClient } = this.#bytes;
    edges.bytesToServer[edge]! += toServer - connections.countedToServer[connection]!;
    edges.bytesToClient[edge]! += toClient - connections.countedToClient[connection]!;
    connections.countedToServer[connection] = toServer;
    connections.countedToClient[connection] = toClient;
  }
}

/** Bits of what a connection rests on. */
export const Evidence = { client: 1, server: 2, flow: 4 } as const;

/** What a connection rests on, with what was folded into it, as bits of Evidence. */
export function evidenceOf({ connections }: Tables, connection: number): number {
  const flags = connections.flags[connection]!;
  const { foldedClient, foldedServer, foldedFlow } = ConnectionFlag;
  let evidence = 0;
  if (connections.client[connection]! >= 0 || (flags & foldedClient) !== 0) evidence |= Evidence.client;
  if (connections.server[connection]! >= 0 || (flags & foldedServer) !== 0) evidence |= Evidence.server;
  if (connections.flow[connection]! >= 0 || (flags & foldedFlow) !== 0) evidence |= Evidence.flow;
  return evidence;
}

/** Takes back all that its edge counts of a connection, as if it had never been counted. */
export function uncountConnection(tables: Tables, connection: number): void {
  const { connections, edges } = tables;
  const edge = connections.edge[connection]!;
  if (edge < 0) return;
  edges.open[edge]! += step(tables, connection, ConnectionFlag.countedOpen, false);
  recountOutcome(tables, connection, edge, Outcome.none);
  edges.withClientSocket[edge]! += step(tables, connection, ConnectionFlag.countedClient, false);
  edges.withServerSocket[edge]! += step(tables, connection, ConnectionFlag.countedServer, false);
  edges.withBytes[edge]! += step(tables, connection, ConnectionFlag.countedBytes, false);
  edges.bytesToServer[edge]! -= connections.countedToServer[connection]!;
  edges.bytesToClient[edge]! -= connections.countedToClient[connection]!;
  connections.countedToServer[connection] = 0;
  connections.countedToClient[connection] = 0;
  edges.withFlow[edge]! += step(tables, connection, ConnectionFlag.countedFlow, false);
  if (edges.aggregate[edge] === connection) edges.aggregate[edge] = -1;
  edges.uncount(edge, connections.count(connection));
  connections.edge[connection] = -1;
}

function recountOutcome(tables: Tables, connection: number, edge: number, outcome: number): void {
  const { connections, edges } = tables;
  const counted = connections.countedOutcome[connection]!;
  if (counted === outcome) return;
  const conversations = connections.count(connection);
  const before = outcomeColumn(edges, counted);
  if (before !== null) before[edge]! -= conversations;
  const now = outcomeColumn(edges, outcome);
  if (now !== null) now[edge]! += conversations;
  connections.countedOutcome[connection] = outcome;
}

// Established ones are what is left of all.
function outcomeColumn({ refused, timedOut, pending }: EdgeStore, outcome: number): Float64Array | null {
  switch (outcome) {
    case Outcome.refused:
      return refused;
    case Outcome.timedOut:
      return timedOut;
    case Outcome.pending:
      return pending;
    default:
      return null;
  }
}

function step({ connections }: Tables, connection: number, flag: number, wanted: boolean): number {
  const counted = connections.has(connection, flag);
  if (wanted === counted) return 0;
  if (wanted) connections.set(connection, flag);
  else connections.clear(connection, flag);
  return wanted ? 1 : -1;
}
