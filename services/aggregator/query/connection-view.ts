// A connection as queries look at it: its two sides, each with its endpoint's key and its socket, if any was seen.

import { SocketState, stateWord } from "../../../lib/words.ts";
import { isThroughService } from "../join/service-ends.ts";
import type { Settler } from "../join/settler.ts";
import { isOpen } from "../join/socket-role.ts";
import { ConnectionFlag } from "../store/connection-store.ts";
import { FlowPlace } from "../store/flow-store.ts";
import { isFamily } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";

/** Milliseconds that an attempt lasted at least to count as timed out and not as refused. */
const TIMED_OUT_MS = 20_000;

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
        address: family ? -1 : sockets.localAddress[slot]!,
        port: sockets.localPort[slot]!,
        key,
      };
    }
    const flow = this.#settler.flows.ofConnection(connection);
    if (flow >= 0) return { socket: -1, ...this.#place(flow, FlowPlace.originalSource), key };
    return {
      socket: -1,
      address: family ? -1 : sockets.remoteAddress[other]!,
      port: sockets.remotePort[other]!,
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
        address: family ? -1 : sockets.localAddress[slot]!,
        port: sockets.localPort[slot]!,
        key,
      };
    }
    const flow = this.#settler.flows.ofConnection(connection);
    if (flow >= 0) return { socket: slot, ...this.#place(flow, FlowPlace.replySource), key };
    const address = family ? -1 : sockets.remoteAddress[other]!;
    return { socket: slot, address, port: family ? 0 : sockets.remotePort[other]!, key };
  }

  /** What the client dialled where that is not the server's own address; null else. */
  via(connection: number): { readonly address: number; readonly port: number } | null {
    const { connections, sockets } = this.#tables;
    const client = connections.client[connection]!;
    const server = connections.server[connection]!;
    const flow = this.#settler.flows.ofConnection(connection);
    if (flow >= 0) {
      const dialled = this.#tables.flows.isDestinationTranslated(flow);
      return dialled ? this.#place(flow, FlowPlace.originalDestination) : null;
    }
    if (client < 0 || server < 0 || connections.has(connection, ConnectionFlag.sharedServer)) return null;
    if (isFamily(sockets.protocol[client]!) || !isThroughService(this.#tables, client, server)) return null;
    return { address: sockets.remoteAddress[client]!, port: sockets.remotePort[client]! };
  }

  /** The address and port that the server saw where they are not the client's own; null else. */
  snat(connection: number): { readonly address: number; readonly port: number } | null {
    const { connections, sockets, flows } = this.#tables;
    const flow = this.#settler.flows.ofConnection(connection);
    if (flow >= 0)
      return flows.isSourceTranslated(flow) ? this.#place(flow, FlowPlace.replyDestination) : null;
    const client = connections.client[connection]!;
    const server = connections.server[connection]!;
    if (client < 0 || server < 0 || connections.has(connection, ConnectionFlag.sharedServer)) return null;
    if (isFamily(sockets.protocol[client]!)) return null;
    const address = sockets.remoteAddress[server]!;
    const port = sockets.remotePort[server]!;
    const same = address === sockets.localAddress[client] && port === sockets.localPort[client];
    return same ? null : { address, port };
  }

  /** Bytes that conntrack counted (IP headers included); null where it counts none or there is no flow. */
  flowBytes(connection: number): { readonly toServer: number; readonly toClient: number } | null {
    const flow = this.#settler.flows.ofConnection(connection);
    if (flow < 0) return null;
    const { counters } = this.#tables.flows;
    // A connection without one packet there is none: zeros say that nf_conntrack_acct is off.
    if (counters[flow * 4] === 0) return null;
    return { toServer: counters[flow * 4 + 1]!, toClient: counters[flow * 4 + 3]! };
  }

  protocol(connection: number): number {
    return this.#tables.sockets.protocol[this.#anySocket(connection)]!;
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
    const { connections } = this.#tables;
    if (connections.has(connection, ConnectionFlag.established)) return "established";
    if (!connections.has(connection, ConnectionFlag.closed)) return "pending";
    const livedMs = connections.lastSeenMs[connection]! - connections.firstSeenMs[connection]!;
    return livedMs >= TIMED_OUT_MS ? "timed-out" : "refused";
  }

  /** State of the socket that says most: one that is open, the client's before the server's; CLOSE once all are gone. */
  state(connection: number): number {
    const { connections, sockets } = this.#tables;
    const client = connections.client[connection]!;
    const server = connections.has(connection, ConnectionFlag.sharedServer)
      ? -1
      : connections.server[connection]!;
    const live = [client, server].filter((slot) => sockets.isLive(slot));
    const open = live.find((slot) => isOpen(sockets.protocol[slot]!, sockets.state[slot]!));
    const chosen = open ?? live[0];
    return chosen === undefined ? SocketState.CLOSE : sockets.state[chosen]!;
  }

  /** The words of the connection's state and of its living sockets' states. */
  stateWords(connection: number): string[] {
    const { connections, sockets } = this.#tables;
    const words = [stateWord(this.state(connection))];
    for (const slot of [connections.client[connection]!, connections.server[connection]!]) {
      if (sockets.isLive(slot)) words.push(stateWord(sockets.state[slot]!));
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
    return { address: flows.address(flow, place), port: flows.port(flow, place) };
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
      this.#tables.sockets.remoteAddress[other]!,
      this.#tables.connections.firstSeenMs[connection]!,
    );
  }
}
