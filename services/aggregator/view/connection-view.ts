// Connections as answers show them: the two sides, each with its endpoint and its socket if one was seen, and
// what is known about the conversation. Read-only.

import { flowStateWord, SocketState, stateWord } from "../../../lib/vocabulary/states.ts";
import { TupleKind, tupleKind } from "../../../lib/conntrack/tuple-kind.ts";
import { isFamily, Protocol } from "../../../lib/vocabulary/protocols.ts";
import type { ConnectionCounters } from "../gen/connection-counters.ts";
import { countersOf } from "../gen/connection-counters.ts";
import { alignedFlow } from "../match/by-flow.ts";
import { isThroughService } from "../match/by-service.ts";
import type { ConnectionBytes } from "../model/connections/connection-bytes.ts";
import { connectionBytes, countedSocket, flowBytes } from "../model/connections/connection-bytes.ts";
import { Trait } from "../model/connections/connection-rows.ts";
import { uidText } from "../model/connections/connection-uid.ts";
import type { Place } from "../model/flows/flow-rows.ts";
import { FlowPlace } from "../model/flows/flow-rows.ts";
import type { ReadModel } from "../model/model.ts";
import { isOpen } from "../model/sockets/socket-role.ts";
import { lastSeenMs } from "../settle/last-seen.ts";
import { directionWord } from "../../../lib/vocabulary/direction.ts";
import { evidenceWords } from "../../../lib/vocabulary/evidence.ts";
import { outcomeWord } from "../../../lib/vocabulary/outcomes.ts";

/** ICMP types of echo requests (RFC 792, RFC 4443). */
const ICMP_ECHO = 8;
const ICMPV6_ECHO = 128;

/** One side of a connection. */
export interface Side {
  /** Slot of the socket; -1 if none was seen. */
  readonly socket: number;
  /** Id of the address; -1 for unix. */
  readonly address: number;
  readonly port: number;
  /** Number of the endpoint; -1 if the edge table had no room for the connection. */
  readonly endpoint: number;
}

/** An ICMP conversation. */
export interface IcmpConversation {
  readonly type: number;
  readonly code: number;
  readonly id: number;
}

/** Reads connections by slot. */
export class ConnectionView {
  readonly #model: ReadModel;

  constructor(model: ReadModel) {
    this.#model = model;
  }

  /** Every connection, by slot. */
  *slots(): Generator<number> {
    const { connections } = this.#model;
    for (let slot = 0; slot < connections.used; slot++) if (connections.exists(slot)) yield slot;
  }

  /** Whether the slot holds a connection. */
  exists(slot: number): boolean {
    return this.#model.connections.exists(slot);
  }

  /** Together with the slot, identifies the connection although the slot may be reused. */
  serial(slot: number): number {
    return this.#model.connections.serial[slot]!;
  }

  /** Orders connections by first sighting, then by their stable ids. */
  compare(a: number, b: number): number {
    const { firstSeenMs, uidHigh, uidLow } = this.#model.connections;
    return firstSeenMs[a]! - firstSeenMs[b]! || uidHigh[a]! - uidHigh[b]! || uidLow[a]! - uidLow[b]!;
  }

  uid(connection: number): string {
    return uidText(this.#model.connections, connection);
  }

  /** Milliseconds since 1970 by the stream's clock. */
  firstSeenMs(connection: number): number {
    return this.#model.connections.firstSeenMs[connection]!;
  }

  /** When the connection was last seen; while it is open, the time of its nodes' latest passes. */
  lastSeenMs(connection: number): number {
    const { connections } = this.#model;
    return connections.isClosed(connection)
      ? connections.lastSeenMs[connection]!
      : lastSeenMs(this.#model, connection);
  }

  isClosed(connection: number): boolean {
    return this.#model.connections.isClosed(connection);
  }

  /** Whether none of the nodes that saw it has one of its ends. */
  isForwarded(connection: number): boolean {
    return this.#model.connections.has(connection, Trait.forwarded);
  }

  /** How many conversations it represents. */
  count(connection: number): number {
    return this.#model.connections.count(connection);
  }

  /** The basis of its direction, in words. */
  directionBy(connection: number): string {
    return directionWord(this.#model.connections.directionBy[connection]!);
  }

  /** Its evidence, as bits of Evidence. */
  evidence(connection: number): number {
    return this.#model.connections.evidence(connection);
  }

  /** Its evidence, in words. */
  evidenceWords(connection: number): string[] {
    return evidenceWords(this.evidence(connection));
  }

  /** As Outcome. */
  outcome(connection: number): number {
    return this.#model.connections.outcome[connection]!;
  }

  /** established, refused, timed-out or pending. */
  outcomeWord(connection: number): string {
    return outcomeWord(this.outcome(connection));
  }

  /** The client's side. */
  client(connection: number): Side {
    const { connections, edges, flows } = this.#model;
    const slot = connections.client[connection]!;
    const edge = edges.edgeOf(connection);
    const endpoint = edge >= 0 ? edges.client[edge]! : -1;
    if (slot >= 0) return this.#ofSocket(slot, endpoint);
    const flow = alignedFlow(this.#model, connection);
    if (flow < 0) return { socket: -1, ...this.#dialledBy(connections.server[connection]!), endpoint };
    const isReversed = connections.has(connection, Trait.reversed);
    const place = isReversed ? FlowPlace.originalDestination : FlowPlace.originalSource;
    return { socket: -1, ...this.#shownPlace(flows.at(flow, place), flow), endpoint };
  }

  /**
   * The server's side. A listener that serves several clients is shown with the address that this one dialled.
   */
  server(connection: number): Side {
    const { connections, edges, flows } = this.#model;
    const slot = connections.server[connection]!;
    const edge = edges.edgeOf(connection);
    const endpoint = edge >= 0 ? edges.server[edge]! : -1;
    if (connections.serverEnd(connection) >= 0) return this.#ofSocket(slot, endpoint);
    const flow = alignedFlow(this.#model, connection);
    if (flow < 0) {
      const dialled = this.#dialledBy(connections.client[connection]!);
      return { socket: slot, ...dialled, port: this.#isFamily(connection) ? 0 : dialled.port, endpoint };
    }
    const place = connections.has(connection, Trait.reversed)
      ? flows.at(flow, FlowPlace.originalSource)
      : flows.at(flows.last(flow), FlowPlace.replySource);
    return { socket: slot, ...this.#shownPlace(place, flow), endpoint };
  }

  /** The place that the client dialled, if it is not the server's own; else null. */
  via(connection: number): Place | null {
    const { connections, sockets, flows } = this.#model;
    const client = connections.client[connection]!;
    const server = connections.serverEnd(connection);
    const flow = alignedFlow(this.#model, connection);
    if (flow >= 0) {
      if (connections.has(connection, Trait.reversed) || !flows.isDestinationTranslated(flow)) return null;
      return this.#shownPlace(flows.at(flow, FlowPlace.originalDestination), flow);
    }
    if (client < 0 || server < 0) return null;
    if (isFamily(sockets.protocol(client)) || !isThroughService(this.#model, client, server)) return null;
    return { address: sockets.remoteAddress(client), port: sockets.remotePort(client) };
  }

  /** Whether a flow shows what was dialled: it does on nodes whose kernel translates Services. */
  showsDialled(connection: number): boolean {
    const flow = this.#model.connections.flow[connection]!;
    return flow >= 0 && this.#model.nodeOfFlow(flow).translates;
  }

  /** The client's address and port as the server saw them, if they are not its own; else null. */
  snat(connection: number): Place | null {
    const { connections, sockets, flows } = this.#model;
    const flow = alignedFlow(this.#model, connection);
    if (flow >= 0) {
      if (connections.has(connection, Trait.reversed) || !flows.isSourceTranslated(flow)) return null;
      return this.#shownPlace(flows.at(flows.last(flow), FlowPlace.replyDestination), flow);
    }
    const client = connections.client[connection]!;
    const server = connections.serverEnd(connection);
    if (client < 0 || server < 0 || isFamily(sockets.protocol(client))) return null;
    const address = sockets.remoteAddress(server);
    const port = sockets.remotePort(server);
    const isSame = address === sockets.localAddress(client) && port === sockets.localPort(client);
    return isSame ? null : { address, port };
  }

  /** Bytes counted by its sockets, else by conntrack; null if neither is known. */
  bytes(connection: number): ConnectionBytes | null {
    const bytes = connectionBytes(this.#model, connection);
    if (bytes !== null) return bytes;
    const flow = alignedFlow(this.#model, connection);
    return flow < 0 ? null : flowBytes(this.#model.flows.counters, flow);
  }

  /** Bytes as its edge counts them: from sockets, or from a flow without sockets; null if unknown. */
  countedBytes(connection: number): ConnectionBytes | null {
    return connectionBytes(this.#model, connection);
  }

  /** The kernel's counters of a TCP socket; null if none of its sockets has them. */
  counters(connection: number): ConnectionCounters | null {
    const { connections, sockets } = this.#model;
    const client = countedSocket(this.#model, connections.client[connection]!);
    const slot = client >= 0 ? client : countedSocket(this.#model, connections.serverEnd(connection));
    if (slot < 0) return null;
    return countersOf(sockets, slot);
  }

  /** Number in the protocol column. */
  protocol(connection: number): number {
    const { connections, flows, sockets } = this.#model;
    return connections.has(connection, Trait.lone)
      ? flows.protocol[connections.flow[connection]!]!
      : sockets.protocol(connections.anySocket(connection));
  }

  /** Details of an ICMP conversation; null for other protocols. Ping sockets send only echo requests. */
  icmp(connection: number): IcmpConversation | null {
    const { connections, flows } = this.#model;
    const protocol = this.protocol(connection);
    if (protocol !== Protocol.icmp && protocol !== Protocol.icmpv6) return null;
    const flow = connections.flow[connection]!;
    if (flow >= 0) {
      const typeAndCode = flows.port(flow, FlowPlace.originalDestination);
      const id = flows.port(flow, FlowPlace.originalSource);
      return { type: typeAndCode >> 8, code: typeAndCode & 255, id };
    }
    const type = protocol === Protocol.icmp ? ICMP_ECHO : ICMPV6_ECHO;
    return { type, code: 0, id: this.client(connection).port };
  }

  /** Path of a unix connection: the server's, else the client's; empty if neither has one. */
  path(connection: number): string {
    const { connections, sockets } = this.#model;
    if (sockets.paths.size === 0) return "";
    return (
      sockets.paths.get(connections.server[connection]!) ??
      sockets.paths.get(connections.client[connection]!) ??
      ""
    );
  }

  /**
   * The word for the state of the most informative socket: an open one, the client's before the server's;
   * CLOSE once all are gone. Without sockets, conntrack's word, which is empty for protocols without states.
   */
  state(connection: number): string {
    const { connections, sockets, flows } = this.#model;
    if (connections.has(connection, Trait.lone)) {
      const flow = connections.flow[connection]!;
      return flowStateWord(flows.protocol[flow]!, flows.state[flow]!);
    }
    const ends = [connections.client[connection]!, connections.serverEnd(connection)];
    const live = ends.filter((slot) => sockets.isLive(slot));
    const open = live.find((slot) => isOpen(sockets.protocol(slot), sockets.state(slot)));
    const chosen = open ?? live[0];
    return stateWord(chosen === undefined ? SocketState.CLOSE : sockets.state(chosen));
  }

  /** The words for the connection's state and for the states of its live sockets. */
  stateWords(connection: number): string[] {
    const { connections, sockets } = this.#model;
    const words = [this.state(connection)];
    for (const slot of [connections.client[connection]!, connections.server[connection]!])
      if (sockets.isLive(slot)) words.push(stateWord(sockets.state(slot)));
    return words;
  }

  #isFamily(connection: number): boolean {
    return isFamily(this.protocol(connection));
  }

  #ofSocket(slot: number, endpoint: number): Side {
    const { sockets } = this.#model;
    const address = isFamily(sockets.protocol(slot)) ? -1 : sockets.localAddress(slot);
    return { socket: slot, address, port: sockets.localPort(slot), endpoint };
  }

  // The remote place of a socket.
  #dialledBy(slot: number): Place {
    const { sockets } = this.#model;
    const address = isFamily(sockets.protocol(slot)) ? -1 : sockets.remoteAddress(slot);
    return { address, port: sockets.remotePort(slot) };
  }

  // For protocols without ports, the port column has other values that distinguish flows.
  #shownPlace(place: Place, flow: number): Place {
    const hasPorts = tupleKind(this.#model.flows.protocol[flow]!) === TupleKind.ports;
    return hasPorts ? place : { address: place.address, port: 0 };
  }
}
