// Makes connections of ends and keeps them right: creates, joins, merges, splits and frees them. Each end belongs to
// exactly one connection; a connection has one end or two.

import { ConnectionFlag } from "../store/connection-store.ts";
import { isFamily, SocketFlag } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";
import { contenders, findMate, NO_MATE, SEVERAL_MATES, TAKEN_MATE } from "./mates.ts";
import { setConnectionUid } from "./connection-uid.ts";
import type { FlowLinks } from "./flow-links.ts";
import { uncountConnection } from "./edge-counts.ts";
import type { ServiceEnds } from "./service-ends.ts";
import type { TupleIndex } from "./tuple-index.ts";

/** Connections that wait for an end of another one at most; more stay one-sided. */
const WAITING_MAX = 2 ** 16;
/** Milliseconds after which an end whose mate is gone changes over to the connection that fits it. */
const CHANGE_OVER_MS = 5_000;

/** The connections' side of joining. */
export class Pairing {
  readonly tuples: TupleIndex;
  readonly serviceEnds: ServiceEnds;
  /** Connections with one end whose other end could not be had yet; looked at again by the sweep. */
  readonly waiting = new Set<number>();
  readonly #tables: Tables;
  readonly #flows: FlowLinks;

  constructor(tables: Tables, tuples: TupleIndex, serviceEnds: ServiceEnds, flows: FlowLinks) {
    this.#flows = flows;
    this.#tables = tables;
    this.tuples = tuples;
    this.serviceEnds = serviceEnds;
  }

  /**
   * Gives a new end (in the tuple index already) its connection: its mate's, or one of its own. birthMs is when it was
   * made by its agent's clock, which makes the connection's stable id. False where there is no room.
   */
  place(slot: number, birthMs: number): boolean {
    const { sockets, connections } = this.#tables;
    const mate = findMate(this.#tables, this.tuples, slot);
    if (mate >= 0) {
      this.#join(sockets.connection(mate), slot);
      return true;
    }
    if (this.#create(slot, birthMs) < 0) return false;
    this.#note(slot, mate);
    if (this.#isSelfConnected(slot)) connections.server[sockets.connection(slot)] = slot;
    return true;
  }

  /** Has the other end of a connection looked for when it is settled, and with every sweep until it is found. */
  waitForMate(connection: number): void {
    if (this.waiting.size < WAITING_MAX) this.waiting.add(connection);
  }

  /** Looks again for the other end of a connection that has one end only; whether it was found. */
  retry(connection: number, nowMs: number): boolean {
    const slot = this.loneEnd(connection);
    if (slot < 0) return false;
    const mate = findMate(this.#tables, this.tuples, slot);
    if (mate >= 0) {
      this.merge(connection, this.#tables.sockets.connection(mate));
      return true;
    }
    if (mate === TAKEN_MATE && this.#changesOver(slot, nowMs)) return true;
    this.#note(slot, mate);
    return false;
  }

  /** The only end of a connection; -1 where it has two. */
  loneEnd(connection: number): number {
    const { connections } = this.#tables;
    const client = connections.client[connection]!;
    const server = connections.has(connection, ConnectionFlag.sharedServer)
      ? -1
      : connections.server[connection]!;
    if (client >= 0 && server >= 0) return -1;
    return client >= 0 ? client : server;
  }

  /** Makes one connection of two that have one end each. The one seen first goes on; gives it. */
  merge(a: number, b: number): number {
    const { connections } = this.#tables;
    const firstMs = connections.firstSeenMs;
    const aFirst =
      firstMs[a]! < firstMs[b]! ||
      (firstMs[a] === firstMs[b] && connections.serial[a]! < connections.serial[b]!);
    const kept = aFirst ? a : b;
    const given = aFirst ? b : a;
    const slot = this.loneEnd(given);
    if (connections.has(given, ConnectionFlag.established)) connections.set(kept, ConnectionFlag.established);
    // As if it had never been counted.
    uncountConnection(this.#tables, given);
    this.#forget(given);
    this.#join(kept, slot);
    return kept;
  }

  /** Makes a listener the server of a connection that has a client only. */
  shareServer(connection: number, listener: number): void {
    const { sockets, connections } = this.#tables;
    this.#dropSharedServer(connection);
    connections.server[connection] = listener;
    connections.set(connection, ConnectionFlag.sharedServer);
    sockets.setConnection(listener, sockets.connection(listener) + 1);
    sockets.set(listener, SocketFlag.shared);
    this.#tables.markDirty(connection, true);
  }

  /** Takes a listener that is gone away from a connection that has no other end of its own. */
  dropGoneServer(connection: number): void {
    const { sockets, connections } = this.#tables;
    if (!connections.has(connection, ConnectionFlag.sharedServer)) return;
    if (!sockets.isLive(connections.server[connection]!)) this.#dropSharedServer(connection);
  }

  /** Frees a connection and its ends. */
  free(connection: number): void {
    const { connections, edges } = this.#tables;
    const edge = connections.edge[connection]!;
    if (edge >= 0) {
      if (connections.has(connection, ConnectionFlag.countedOpen)) edges.open[edge]!--;
      if (edges.aggregate[edge] === connection) edges.aggregate[edge] = -1;
      edges.retained[edge]!--;
    }
    this.#freeLone(connection);
    this.#dropSharedServer(connection);
    this.#flows.release(connection);
    const client = connections.client[connection]!;
    const server = connections.server[connection]!;
    if (client >= 0) this.#freeEnd(client);
    if (server >= 0 && server !== client) this.#freeEnd(server);
    this.waiting.delete(connection);
    connections.free(connection);
  }

  /** Frees a socket that is in no index any more. */
  freeSocket(slot: number): void {
    const { sockets, addresses, holders, namespaces } = this.#tables;
    holders.free(sockets.holders(slot));
    if (!isFamily(sockets.protocol(slot))) {
      addresses.release(sockets.localAddress(slot));
      addresses.release(sockets.remoteAddress(slot));
    }
    namespaces.release(sockets.namespace(slot));
    sockets.free(slot);
  }

  /** Forgets that an end is ambiguous. */
  clearAmbiguous(slot: number): void {
    const { sockets } = this.#tables;
    if (!sockets.has(slot, SocketFlag.ambiguous)) return;
    sockets.clear(slot, SocketFlag.ambiguous);
    this.#tables.ambiguousEnds--;
  }

  #note(slot: number, mate: number): void {
    const connection = this.#tables.sockets.connection(slot);
    if (mate === SEVERAL_MATES) this.#keepApart(slot);
    else this.clearAmbiguous(slot);
    if (mate === NO_MATE) this.waiting.delete(connection);
    else this.waitForMate(connection);
  }

  // Several could be the other end of each other: what was joined on less knowledge is taken apart again.
  #keepApart(slot: number): void {
    const { sockets, connections } = this.#tables;
    for (const other of contenders(this.#tables, this.tuples, slot)) {
      const connection = sockets.connection(other);
      if (this.loneEnd(connection) < 0 && connections.client[connection] !== connections.server[connection]) {
        this.#split(connection);
      }
      if (!sockets.has(other, SocketFlag.ambiguous)) this.#tables.ambiguousEnds++;
      sockets.set(other, SocketFlag.ambiguous);
      this.waitForMate(connection);
    }
  }

  #split(connection: number): void {
    const { connections } = this.#tables;
    const server = connections.server[connection]!;
    connections.server[connection] = -1;
    this.#tables.markDirty(connection, true);
    const created = this.#create(server, connections.firstSeenMs[connection]!);
    // Without room for the second connection its end stays where it was: better one too few than an end of none.
    if (created < 0) connections.server[connection] = server;
    else connections.firstSeenMs[created] = connections.firstSeenMs[connection]!;
  }

  // An end that lives while its mate has long gone changes over to the living end that mirrors it.
  #changesOver(slot: number, nowMs: number): boolean {
    const { sockets, connections } = this.#tables;
    for (let other = this.tuples.firstLike(slot); other >= 0; other = this.tuples.after(other)) {
      if (!sockets.isLive(other) || !this.tuples.mirrors(slot, other)) continue;
      const connection = sockets.connection(other);
      const isServer = connections.server[connection] === other;
      const partner = isServer ? connections.client[connection]! : connections.server[connection]!;
      if (partner < 0 || sockets.isLive(partner) || nowMs - sockets.sinceMs[partner]! < CHANGE_OVER_MS)
        continue;
      if (isServer) connections.server[connection] = -1;
      else connections.client[connection] = -1;
      this.#tables.markDirty(connection, true);
      this.#join(sockets.connection(slot), other);
      return true;
    }
    return false;
  }

  #create(slot: number, birthMs: number): number {
    const { sockets, connections } = this.#tables;
    const connection = connections.allocate();
    if (connection < 0) return -1;
    connections.client[connection] = slot;
    connections.firstSeenMs[connection] = sockets.sinceMs[slot]!;
    sockets.setConnection(slot, connection);
    this.#identify(connection, slot, birthMs);
    this.#tables.markDirty(connection, true);
    return connection;
  }

  #join(connection: number, slot: number): void {
    const { sockets, connections } = this.#tables;
    if (connections.client[connection]! < 0) {
      connections.client[connection] = slot;
    } else {
      this.#dropSharedServer(connection);
      connections.server[connection] = slot;
    }
    sockets.setConnection(slot, connection);
    const sinceMs = sockets.sinceMs[slot]!;
    if (sinceMs < connections.firstSeenMs[connection]!) connections.firstSeenMs[connection] = sinceMs;
    this.#clearLone(connections.client[connection]!);
    this.#clearLone(connections.server[connection]!);
    this.waiting.delete(connection);
    this.#tables.markDirty(connection, true);
  }

  #clearLone(slot: number): void {
    this.clearAmbiguous(slot);
    this.serviceEnds.remove(slot);
  }

  /** Forgets a connection that has no end of its own: flows told of it and sockets tell it better. */
  discard(connection: number): void {
    uncountConnection(this.#tables, connection);
    this.#forget(connection);
  }

  /** Frees a connection that has been folded into another one. */
  absorb(connection: number): void {
    uncountConnection(this.#tables, connection);
    this.free(connection);
  }

  #freeLone(connection: number): void {
    if (this.#tables.connections.has(connection, ConnectionFlag.lone)) this.#tables.loneCount--;
  }

  #forget(connection: number): void {
    const { connections } = this.#tables;
    const announced = ConnectionFlag.announced;
    if (
      connections.has(connection, announced) &&
      !connections.has(connection, ConnectionFlag.closeAnnounced)
    ) {
      this.#tables.watcher?.("closed", connection);
    }
    this.#freeLone(connection);
    this.#dropSharedServer(connection);
    this.#flows.release(connection);
    this.waiting.delete(connection);
    connections.free(connection);
  }

  #dropSharedServer(connection: number): void {
    const { sockets, connections } = this.#tables;
    if (!connections.has(connection, ConnectionFlag.sharedServer)) return;
    const listener = connections.server[connection]!;
    connections.clear(connection, ConnectionFlag.sharedServer);
    connections.server[connection] = -1;
    sockets.setConnection(listener, sockets.connection(listener) - 1);
    if (sockets.connection(listener) > 0) return;
    sockets.clear(listener, SocketFlag.shared);
    if (sockets.has(listener, SocketFlag.gone)) this.freeSocket(listener);
  }

  #freeEnd(slot: number): void {
    this.clearAmbiguous(slot);
    this.serviceEnds.remove(slot);
    this.tuples.remove(slot);
    this.freeSocket(slot);
  }

  #isSelfConnected(slot: number): boolean {
    const { sockets } = this.#tables;
    return (
      !isFamily(sockets.protocol(slot)) &&
      sockets.localPort(slot) === sockets.remotePort(slot) &&
      sockets.localAddress(slot) === sockets.remoteAddress(slot)
    );
  }

  #identify(connection: number, slot: number, birthMs: number): void {
    const { sockets, namespaces } = this.#tables;
    const protocol = sockets.protocol(slot);
    const local =
      this.tuples.isNamespaceScoped(slot) || isFamily(protocol) || sockets.has(slot, SocketFlag.ambiguous);
    setConnectionUid(
      this.#tables,
      connection,
      local ? namespaces.row(sockets.namespace(slot)).inode : 0,
      birthMs,
      protocol,
      sockets.localAddress(slot),
      sockets.localPort(slot),
      sockets.remoteAddress(slot),
      sockets.remotePort(slot),
    );
  }
}
