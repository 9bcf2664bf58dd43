// Creates, merges, splits and frees connections, as the rules (match/) answer. Each end belongs to exactly one
// connection; a connection has one end or two, or only a flow.

import type { Answer, OneSided } from "../match/answer.ts";
import { contendersOf, NO_PEER, peerByTuple, SEVERAL_PEERS } from "../match/by-tuple.ts";
import { DirectionBy } from "../../../lib/vocabulary/direction.ts";
import { isFamily } from "../../../lib/vocabulary/protocols.ts";
import { Trait } from "../model/connections/connection-rows.ts";
import type { ConnectionIdentity } from "../model/connections/connection-uid.ts";
import { uidHighOf, uidLowOf } from "../model/connections/connection-uid.ts";
import { FlowFlag } from "../model/flows/flow-rows.ts";
import type { Model } from "../model/model.ts";
import { SocketFlag } from "../model/sockets/socket-rows.ts";
import type { Writable } from "../model/storage/column.ts";
import type { ChangeFeed } from "./change-feed.ts";
import type { SettleQueue } from "./settle-queue.ts";

/**
 * Connections whose match is retried at most; others are matched again only when something about them changes.
 */
export const RETRIES_MAX = 2 ** 16;

/** The writer of connections' ends. */
export class Connector {
  readonly #model: Model;
  readonly #queue: SettleQueue;
  readonly #feed: ChangeFeed;
  readonly #retries = new Set<number>();
  // Number of connections for which the other tables have reserved room.
  #reserved = 0;
  // The identity of the connection being created: one reused object.
  readonly #identity: Writable<ConnectionIdentity> = {
    network: 0,
    birthMs: 0,
    protocol: 0,
    addressA: 0,
    portA: 0,
    addressB: 0,
    portB: 0,
  };

  constructor(model: Model, queue: SettleQueue, feed: ChangeFeed) {
    this.#model = model;
    this.#queue = queue;
    this.#feed = feed;
  }

  /** One-ended connections whose match every sweep retries. */
  get retries(): ReadonlySet<number> {
    return this.#retries;
  }

  /** Queues a connection about which something became known. */
  recheck(connection: number): void {
    this.#queue.add(connection);
  }

  /** Queues a connection that visibly changed. */
  touch(connection: number): void {
    this.#feed.note(connection);
    this.#queue.add(connection);
  }

  /**
   * Connects a new end, which is already in the index: to its peer's connection, or to a new one. `birthMs` is
   * when its agent's clock first saw it, which determines the connection's stable id. Returns false if there
   * is no room.
   */
  place(slot: number, birthMs: number): boolean {
    const { sockets, connections } = this.#model;
    const peer = peerByTuple(this.#model, slot);
    if (peer >= 0) {
      this.#join(sockets.connection(peer), slot);
      return true;
    }
    const connection = this.#createFor(slot, birthMs);
    if (connection < 0) return false;
    if (peer === SEVERAL_PEERS) this.#keepApart(contendersOf(this.#model, slot));
    if (peer !== NO_PEER) this.retry(connection);
    if (this.#isSelfConnected(slot)) connections.setServer(connection, slot);
    return true;
  }

  /** Creates a connection from a flow without sockets; returns its slot, or -1 if there is no room. */
  createLone(firstSeenMs: number): number {
    const connection = this.#create(firstSeenMs);
    if (connection >= 0) this.#model.connections.addTraits(connection, Trait.lone);
    return connection;
  }

  /** Queues a one-ended connection; sweeps retry it until its peer is found. */
  retry(connection: number): void {
    const { connections, overflow } = this.#model;
    if (this.#retries.has(connection)) return;
    if (this.#retries.size < RETRIES_MAX) {
      this.#retries.add(connection);
      connections.removeTraits(connection, Trait.retryRefused);
    } else if (!connections.has(connection, Trait.retryRefused)) {
      connections.addTraits(connection, Trait.retryRefused);
      overflow.add("retries");
    }
  }

  /** Applies a rule's answer to a one-sided connection; returns true if it was merged with another. */
  take({ connection, end }: OneSided, answer: Answer): boolean {
    const { sockets } = this.#model;
    switch (answer.kind) {
      case "peer": {
        const kept = this.#merge(connection, sockets.connection(answer.peer));
        if (answer.client === null) return true;
        const { end: client, by } = answer.client;
        this.#setEnds(kept, client, client === end ? answer.peer : end, by);
        return true;
      }
      case "change-over":
        this.#changeOver(connection, answer.peer);
        return true;
      case "ambiguous":
        this.#keepApart(answer.contenders);
        this.retry(connection);
        return false;
      case "later":
        sockets.setAmbiguous(end, false);
        this.retry(connection);
        return false;
      case "none":
        sockets.setAmbiguous(end, false);
        this.#retries.delete(connection);
        return false;
      case "listener":
        this.#serveByListener(connection, end, answer.listener);
        return false;
      case "service-end":
        if (answer.role === null) this.#model.serviceEnds.remove(end);
        else this.#model.serviceEnds.put(end, answer.role);
        if (answer.retry === true) this.retry(connection);
        return false;
    }
  }

  /** Attaches a flow to a connection. */
  restOn(connection: number, flow: number): void {
    this.#model.flows.retain(flow);
    this.#releaseFlow(connection);
    this.#model.connections.setFlow(connection, flow);
    this.#feed.note(connection);
  }

  /** Makes a listener the server of a connection. */
  shareServer(connection: number, listener: number): void {
    const { sockets, connections } = this.#model;
    this.#dropSharedServer(connection);
    connections.setServer(connection, listener);
    connections.addTraits(connection, Trait.sharedServer);
    sockets.share(listener);
    this.#feed.note(connection);
  }

  /** Detaches the server of a connection if it is a listener that is gone. */
  dropGoneServer(connection: number): void {
    const { sockets, connections } = this.#model;
    if (!connections.has(connection, Trait.sharedServer)) return;
    if (!sockets.isLive(connections.server[connection]!)) this.#dropSharedServer(connection);
  }

  /** Frees an ended connection and its ends; its edge keeps what it counted. */
  expire(connection: number): void {
    this.#model.edges.forget(connection);
    this.#free(connection);
  }

  /** Frees a connection that was merged into another; its edge no longer counts it. */
  absorb(connection: number): void {
    this.#model.edges.uncount(connection);
    this.#free(connection);
  }

  /** Withdraws a connection without ends: sockets, or a better flow, now represent its conversation. */
  withdraw(connection: number): void {
    this.#model.edges.uncount(connection);
    this.#feed.withdraw(connection);
    this.#remove(connection);
  }

  // Merges two one-ended connections; the one seen first stays.
  #merge(a: number, b: number): number {
    const { connections } = this.#model;
    const { firstSeenMs, serial } = connections;
    const isFirst =
      firstSeenMs[a]! < firstSeenMs[b]! || (firstSeenMs[a] === firstSeenMs[b] && serial[a]! < serial[b]!);
    const kept = isFirst ? a : b;
    const given = isFirst ? b : a;
    const slot = connections.onlyEnd(given);
    if (connections.has(given, Trait.established)) connections.addTraits(kept, Trait.established);
    this.withdraw(given);
    this.#join(kept, slot);
    return kept;
  }

  #setEnds(connection: number, client: number, server: number, by: number): void {
    const { connections } = this.#model;
    connections.setClient(connection, client);
    connections.setServer(connection, server);
    connections.setDirectionBy(connection, by);
    connections.addTraits(connection, Trait.directionFinal);
  }

  #serveByListener(connection: number, end: number, listener: number): void {
    const { connections } = this.#model;
    if (connections.client[connection] !== end) {
      connections.setClient(connection, end);
      connections.setServer(connection, -1);
    }
    this.shareServer(connection, listener);
    connections.setDirectionBy(connection, DirectionBy.listener);
  }

  // Each of the ends could match several others: splits connections that were made with less knowledge.
  #keepApart(contenders: readonly number[]): void {
    const { sockets, connections } = this.#model;
    for (const slot of contenders) {
      const connection = sockets.connection(slot);
      const isPair = connections.client[connection] !== connections.server[connection];
      if (connections.onlyEnd(connection) < 0 && isPair) this.#split(connection);
      sockets.setAmbiguous(slot, true);
      this.retry(sockets.connection(slot));
    }
  }

  #split(connection: number): void {
    const { connections } = this.#model;
    const server = connections.server[connection]!;
    const firstSeenMs = connections.firstSeenMs[connection]!;
    connections.setServer(connection, -1);
    this.touch(connection);
    const created = this.#createFor(server, firstSeenMs);
    // Without room for a second connection, keep the end where it was: one connection too few is better than a
    // lost end.
    if (created < 0) connections.setServer(connection, server);
    else connections.seenSince(created, firstSeenMs);
  }

  #changeOver(connection: number, peer: number): void {
    const { sockets, connections } = this.#model;
    const left = sockets.connection(peer);
    if (connections.server[left] === peer) connections.setServer(left, -1);
    else connections.setClient(left, -1);
    this.touch(left);
    this.#join(connection, peer);
  }

  #createFor(slot: number, birthMs: number): number {
    const { sockets, connections, addresses } = this.#model;
    const connection = this.#create(sockets.sinceMs[slot]!);
    if (connection < 0) return -1;
    connections.setClient(connection, slot);
    sockets.attach(slot, connection);
    const identity = this.#identity;
    identity.network = this.#networkOf(slot);
    identity.birthMs = birthMs;
    identity.protocol = sockets.protocol(slot);
    identity.addressA = sockets.localAddress(slot);
    identity.portA = sockets.localPort(slot);
    identity.addressB = sockets.remoteAddress(slot);
    identity.portB = sockets.remotePort(slot);
    connections.setUid(connection, uidHighOf(addresses, identity), uidLowOf(addresses, identity));
    this.touch(connection);
    return connection;
  }

  #create(firstSeenMs: number): number {
    const { connections, edges } = this.#model;
    const connection = connections.add(firstSeenMs);
    if (connection >= this.#reserved) {
      edges.reserve(connection);
      this.#queue.reserve(connection);
      this.#feed.reserve(connection);
      this.#reserved = connection + 1;
    }
    return connection;
  }

  #join(connection: number, slot: number): void {
    const { sockets, connections } = this.#model;
    if (connections.client[connection]! < 0) {
      connections.setClient(connection, slot);
    } else {
      this.#dropSharedServer(connection);
      connections.setServer(connection, slot);
    }
    sockets.attach(slot, connection);
    connections.seenSince(connection, sockets.sinceMs[slot]!);
    this.#hasPeer(connections.client[connection]!);
    this.#hasPeer(connections.server[connection]!);
    this.#retries.delete(connection);
    this.touch(connection);
  }

  #hasPeer(slot: number): void {
    const { sockets, serviceEnds } = this.#model;
    if (!sockets.has(slot, SocketFlag.ambiguous | SocketFlag.serviceClient | SocketFlag.loneServer)) return;
    sockets.setAmbiguous(slot, false);
    serviceEnds.remove(slot);
  }

  #free(connection: number): void {
    const { connections } = this.#model;
    this.#dropSharedServer(connection);
    const client = connections.client[connection]!;
    const server = connections.server[connection]!;
    this.#remove(connection);
    if (client >= 0) this.#freeEnd(client);
    if (server >= 0 && server !== client) this.#freeEnd(server);
  }

  #remove(connection: number): void {
    this.#dropSharedServer(connection);
    this.#releaseFlow(connection);
    this.#retries.delete(connection);
    this.#queue.take(connection);
    this.#feed.forget(connection);
    this.#model.connections.remove(connection);
  }

  #freeEnd(slot: number): void {
    const { ends, serviceEnds } = this.#model;
    serviceEnds.remove(slot);
    ends.remove(slot);
    this.#model.freeSocket(slot);
  }

  #releaseFlow(connection: number): void {
    const { connections, flows } = this.#model;
    const flow = connections.flow[connection]!;
    if (flow < 0) return;
    connections.setFlow(connection, -1);
    if (flows.connection[flow] === connection && !flows.has(flow, FlowFlag.shown))
      flows.setConnection(flow, -1);
    flows.release(flow);
  }

  #dropSharedServer(connection: number): void {
    const { sockets, connections } = this.#model;
    if (!connections.has(connection, Trait.sharedServer)) return;
    const listener = connections.server[connection]!;
    connections.removeTraits(connection, Trait.sharedServer);
    connections.setServer(connection, -1);
    if (sockets.unshare(listener) === 0 && sockets.has(listener, SocketFlag.gone))
      this.#model.freeSocket(listener);
  }

  #isSelfConnected(slot: number): boolean {
    const { sockets } = this.#model;
    return (
      !isFamily(sockets.protocol(slot)) &&
      sockets.localPort(slot) === sockets.remotePort(slot) &&
      sockets.localAddress(slot) === sockets.remoteAddress(slot)
    );
  }

  // Inode of the namespace within which the connection's id is unique; 0 if its addresses make it unique
  // everywhere.
  #networkOf(slot: number): number {
    const { sockets, ends, namespaces } = this.#model;
    const isLocal =
      ends.isNamespaceScoped(slot) ||
      isFamily(sockets.protocol(slot)) ||
      sockets.has(slot, SocketFlag.ambiguous);
    return isLocal ? namespaces.row(sockets.namespace(slot)).inode : 0;
  }
}
