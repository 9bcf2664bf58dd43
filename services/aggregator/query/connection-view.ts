// A connection as queries look at it: its two sides, each with its endpoint's key and its socket, if any was seen.

import { flowStateWord, TupleKind, tupleKind } from "../../../lib/conntrack/flow-words.ts";
import { Protocol, SocketState, stateWord } from "../../../lib/words.ts";
import { outcomeWord } from "../join/outcomes.ts";
import { isThroughService } from "../join/service-ends.ts";
import type { Settler } from "../join/settler.ts";
import { isOpen } from "../join/socket-role.ts";
import type { ConnectionBytes } from "../store/connection-bytes.ts";
import { connectionBytes, flowBytes } from "../store/connection-bytes.ts";
import { ConnectionFlag } from "../store/connection-store.ts";
import { FlowPlace } from "../store/flow-store.ts";
import { isFamily } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";

/** Echo requests (RFC 792, RFC 4443). */
const ICMP_ECHO = 8;
const ICMPV6_ECHO = 128;

/** One side of a connection. */
export interface Side {
  /** Slot of the socket; -1 where none was seen. */
  readonly socket: number;
  /** Number of the address; -1 for unix. */
  readonly address: number;
  readonly port: number;
  /** Number of the endpoint key. */
  readonly key: number;
}

/** Answers about connections by slot. */
export class ConnectionView {
  readonly #tables: Tables;
  readonly #settler: Settler;

  constructor(tables: Tables, settler: Settler) {
    this.#tables = tables;
    this.#settler = settler;
  }

  /** The client's side. */
  client(connection: number): Side {
    const { connections, sockets, edges } = this.#tables;
    const slot = connections.client[connection]!;
    const other = connections.server[connection]!;
    const edge = connections.edge[connection]!;
    const key = edge >= 0 ? edges.client[edge]! : this.#keyOf(slot, other, connection);
    const family = isFamily(this.protocol(connection));
    if (slot >= 0) {
      return {
        socket: slot,
        address: family ? -1 : sockets.localAddress(slot),
        port: sockets.localPort(slot),
        key,
      };
    }
    const flow = this.#settler.flows.ofConnection(connection);
    if (flow >= 0) {
      const reversed = connections.has(connection, ConnectionFlag.reversed);
      const place = reversed ? FlowPlace.originalDestination : FlowPlace.originalSource;
      return { socket: -1, ...this.#place(flow, place), key };
    }
    return {
      socket: -1,
      address: family ? -1 : sockets.remoteAddress(other),
      port: sockets.remotePort(other),
      key,
    };
  }

  /** The server's side. A listener that serves several clients has the address that this one dialled. */
  server(connection: number): Side {
    const { connections, sockets, edges } = this.#tables;
    const slot = connections.server[connection]!;
    const other = connections.client[connection]!;
    const edge = connections.edge[connection]!;
    const key = edge >= 0 ? edges.server[edge]! : this.#keyOf(slot, other, connection);
    const family = isFamily(this.protocol(connection));
    if (slot >= 0 && !connections.has(connection, ConnectionFlag.sharedServer)) {
      return {
        socket: slot,
        address: family ? -1 : sockets.localAddress(slot),
        port: sockets.localPort(slot),
        key,
      };
    }
    const flow = this.#settler.flows.ofConnection(connection);
    if (flow >= 0) {
      const reversed = connections.has(connection, ConnectionFlag.reversed);
      const last = this.#tables.flows.last(flow);
      return reversed
        ? { socket: slot, ...this.#place(flow, FlowPlace.originalSource), key }
        : { socket: slot, ...this.#place(last, FlowPlace.replySource), key };
    }
    const address = family ? -1 : sockets.remoteAddress(other);
    return { socket: slot, address, port: family ? 0 : sockets.remotePort(other), key };
  }

  /** What the client dialled where that is not the server's own address; null else. */
  via(connection: number): { readonly address: number; readonly port: number } | null {
    const { connections, sockets } = this.#tables;
    const client = connections.client[connection]!;
    const server = connections.server[connection]!;
    const flow = this.#settler.flows.ofConnection(connection);
    if (flow >= 0) {
      if (connections.has(connection, ConnectionFlag.reversed)) return null;
      const dialled = this.#tables.flows.isDestinationTranslated(flow);
      return dialled ? this.#place(flow, FlowPlace.originalDestination) : null;
    }
    if (client < 0 || server < 0 || connections.has(connection, ConnectionFlag.sharedServer)) return null;
    if (isFamily(sockets.protocol(client)) || !isThroughService(this.#tables, client, server)) return null;
    return { address: sockets.remoteAddress(client), port: sockets.remotePort(client) };
  }

  /** The address and port that the server saw where they are not the client's own; null else. */
  snat(connection: number): { readonly address: number; readonly port: number } | null {
    const { connections, sockets, flows } = this.#tables;
    const flow = this.#settler.flows.ofConnection(connection);
    if (flow >= 0) {
      const translated =
        !connections.has(connection, ConnectionFlag.reversed) && flows.isSourceTranslated(flow);
      return translated ? this.#place(flows.last(flow), FlowPlace.replyDestination) : null;
    }
    const client = connections.client[connection]!;
    const server = connections.server[connection]!;
    if (client < 0 || server < 0 || connections.has(connection, ConnectionFlag.sharedServer)) return null;
    if (isFamily(sockets.protocol(client))) return null;
    const address = sockets.remoteAddress(server);
    const port = sockets.remotePort(server);
    const same = address === sockets.localAddress(client) && port === sockets.localPort(client);
    return same ? null : { address, port };
  }

  /** Bytes of its sockets, else those that conntrack counted; null where neither tells. */
  bytes(connection: number): ConnectionBytes | null {
    const bytes = connectionBytes(this.#tables, connection);
    if (bytes !== null) return bytes;
    const flow = this.#settler.flows.ofConnection(connection);
    return flow < 0 ? null : flowBytes(this.#tables.flows.counters, flow);
  }

  protocol(connection: number): number {
    const { connections, flows, sockets } = this.#tables;
    if (connections.has(connection, ConnectionFlag.lone))
      return flows.protocol[connections.flow[connection]!]!;
    return sockets.protocol(this.#anySocket(connection));
  }

  /** What an ICMP conversation is about; null for other protocols. Ping sockets send echo requests only. */
  icmp(connection: number): { readonly type: number; readonly code: number; readonly id: number } | null {
    const { connections, flows } = this.#tables;
    const protocol = this.protocol(connection);
    if (protocol !== Protocol.icmp && protocol !== Protocol.icmpv6) return null;
    const flow = connections.flow[connection]!;
    if (flow >= 0) {
      const typeAndCode = flows.port(flow, FlowPlace.originalDestination);
      return {
        type: typeAndCode >> 8,
        code: typeAndCode & 255,
        id: flows.port(flow, FlowPlace.originalSource),
      };
    }
    const type = protocol === Protocol.icmp ? ICMP_ECHO : ICMPV6_ECHO;
    return { type, code: 0, id: this.client(connection).port };
  }

  /** Path of a unix connection: the server's, else the client's; empty where neither has one. */
  path(connection: number): string {
    const { connections, sockets } = this.#tables;
    if (sockets.paths.size === 0) return "";
    return (
      sockets.paths.get(connections.server[connection]!) ??
      sockets.paths.get(connections.client[connection]!) ??
      ""
    );
  }

  /** established, refused, timed-out or pending. */
  outcome(connection: number): string {
    return outcomeWord(this.#tables.connections.outcome[connection]!);
  }

  /**
   * The word for the state of the socket that says most: one that is open, the client's before the server's; CLOSE once
   * all are gone. Where no socket is known conntrack's word, empty for protocols without states.
   */
  state(connection: number): string {
    const { connections, sockets, flows } = this.#tables;
    if (connections.has(connection, ConnectionFlag.lone)) {
      const flow = connections.flow[connection]!;
      return flowStateWord(flows.protocol[flow]!, flows.state[flow]!);
    }
    const client = connections.client[connection]!;
    const server = connections.has(connection, ConnectionFlag.sharedServer)
      ? -1
      : connections.server[connection]!;
    const live = [client, server].filter((slot) => sockets.isLive(slot));
    const open = live.find((slot) => isOpen(sockets.protocol(slot), sockets.state(slot)));
    const chosen = open ?? live[0];
    return stateWord(chosen === undefined ? SocketState.CLOSE : sockets.state(chosen));
  }

  /** The words of the connection's state and of its living sockets' states. */
  stateWords(connection: number): string[] {
    const { connections, sockets } = this.#tables;
    const words = [this.state(connection)];
    for (const slot of [connections.client[connection]!, connections.server[connection]!]) {
      if (sockets.isLive(slot)) words.push(stateWord(sockets.state(slot)));
    }
    return words;
  }

  /** When the connection was last seen: now as far as its nodes have looked, while it is open. */
  lastSeenMs(connection: number): number {
    const { connections } = this.#tables;
    return connections.has(connection, ConnectionFlag.closed)
      ? connections.lastSeenMs[connection]!
      : this.#settler.lastSeenMs(connection);
  }

  #place(flow: number, place: number): { address: number; port: number } {
    const { flows } = this.#tables;
    // Of protocols without ports the column has what else tells one flow from another.
    const hasPorts = tupleKind(flows.protocol[flow]!) === TupleKind.ports;
    return { address: flows.address(flow, place), port: hasPorts ? flows.port(flow, place) : 0 };
  }

  #anySocket(connection: number): number {
    const { connections } = this.#tables;
    const client = connections.client[connection]!;
    return client >= 0 ? client : connections.server[connection]!;
  }

  // Only where the edge store had no room for the connection.
  #keyOf(slot: number, other: number, connection: number): number {
    const { keys } = this.#settler;
    if (slot >= 0) return keys.ofSocket(slot);
    return keys.ofAddress(
      this.#tables.sockets.remoteAddress(other),
      this.#tables.connections.firstSeenMs[connection]!,
    );
  }
}
