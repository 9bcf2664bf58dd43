// Adds sockets to the tables and removes them: slot, place among listeners or ends, connection; and what
// remains of a socket once it is gone.

import type { FamilySocket } from "../../../lib/gen/whotalks/v1/report.ts";
import type { SocketTable as ReportSockets } from "../../../lib/socket-table.ts";
import { Attempt } from "../../../lib/vocabulary/outcomes.ts";
import { Trait } from "../model/connections/connection-rows.ts";
import type { Model } from "../model/model.ts";
import type { NodeRecord } from "../model/nodes/node-record.ts";
import { isHandshaking } from "../model/sockets/socket-role.ts";
import { isSynReceived } from "../../../lib/vocabulary/states.ts";
import { isFamily } from "../../../lib/vocabulary/protocols.ts";
import { SocketFlag, SocketKind } from "../model/sockets/socket-rows.ts";
import type { SocketIdentity } from "../model/sockets/socket-table.ts";
import { SocketChange } from "../model/sockets/socket-table.ts";
import type { Connector } from "./connector.ts";
import type { News } from "./news.ts";
import type { SettleQueue } from "./settle-queue.ts";

/** Listeners of all families: those of a thousand nodes with 256 each. */
const LISTENERS_MAX = 2 ** 18;

/** A new socket. Its addresses are interned already; it takes over the references. */
export interface NewSocket extends SocketIdentity {
  /** When it was first seen by its agent's clock, in milliseconds since 1970. */
  readonly birthMs: number;
}

/** Adds and removes sockets. */
export class SocketLife {
  readonly #model: Model;
  readonly #connector: Connector;
  readonly #queue: SettleQueue;
  readonly #news: News;
  #listeners = 0;

  constructor(model: Model, connector: Connector, queue: SettleQueue, news: News) {
    this.#model = model;
    this.#connector = connector;
    this.#queue = queue;
    this.#news = news;
  }

  /** Number of listeners. */
  get listeners(): number {
    return this.#listeners;
  }

  /** Adds an internet socket. Without room, counts it as overflow and releases its addresses. */
  add(node: NodeRecord, socket: NewSocket, table: ReportSockets, row: number): void {
    const slot = this.#insert(node, socket);
    if (slot < 0) return;
    this.#model.sockets.update(slot, table, row);
    this.#enter(node, slot, socket);
  }

  /** Adds a unix, netlink or packet socket. Counts it as overflow if there is no room. */
  addFamily(node: NodeRecord, socket: NewSocket, source: FamilySocket): void {
    const slot = this.#insert(node, socket);
    if (slot < 0) return;
    this.#model.sockets.updateFamily(slot, source);
    this.#enter(node, slot, socket);
  }

  /** Copies a row of a known, unchanged socket and applies the consequences. */
  update(slot: number, table: ReportSockets, row: number): void {
    const { sockets } = this.#model;
    const changed = sockets.update(slot, table, row);
    if (sockets.kind(slot) !== SocketKind.end) return;
    const connection = sockets.connection(slot);
    // The edge adds up what its connections carry; bytes alone do not notify watchers.
    if ((changed & SocketChange.bytes) !== 0) this.#queue.addBytes(connection);
    if ((changed & SocketChange.state) === 0) return;
    this.#noteState(slot);
    this.#connector.touch(connection);
  }

  /**
   * Retires a socket that no longer exists: removes a listener; an end stays with its connection in its last
   * state.
   */
  retire(slot: number): void {
    const { sockets, localAddresses, connections } = this.#model;
    const node = this.#model.nodeOfSocket(slot);
    const id = sockets.id[slot]!;
    if (node.ids.sockets.get(id) === slot) node.ids.sockets.delete(id);
    if (this.#hasTellingAddress(slot))
      localAddresses.release(sockets.localAddress(slot), sockets.namespace(slot));
    const kind = sockets.kind(slot);
    if (kind === SocketKind.end) {
      sockets.retire(slot, node.observedMs);
      sockets.setAmbiguous(slot, false);
      const connection = sockets.connection(slot);
      if (!connections.isEnded(connection)) this.#connector.touch(connection);
      return;
    }
    if (kind === SocketKind.listener) {
      this.#unlist(slot);
      if (sockets.connection(slot) > 0) {
        sockets.retire(slot, 0);
        this.#news.ownersChanged(node.index);
        return;
      }
    }
    this.#model.freeSocket(slot);
  }

  /**
   * Ends the connections of a node that has been silent for too long. Its ids stay valid, as its agent may go
   * on where it was: see recover().
   */
  lose(node: NodeRecord): void {
    const { sockets } = this.#model;
    for (const slot of node.ids.sockets.slots()) {
      if (sockets.kind(slot) !== SocketKind.end) continue;
      const id = sockets.id[slot]!;
      this.retire(slot);
      node.ids.sockets.set(id, slot);
    }
  }

  /** Continues the connections of a lost node whose agent goes on where it was. */
  recover(node: NodeRecord): void {
    const { sockets } = this.#model;
    for (const slot of node.ids.sockets.slots())
      if (sockets.kind(slot) === SocketKind.end && !sockets.isLive(slot))
        this.adopt(node, slot, sockets.id[slot]!, sockets.sinceMs[slot]!);
  }

  /** Continues a known socket under another id of its agent. */
  adopt(node: NodeRecord, slot: number, id: number, sinceMs: number): void {
    const { sockets, localAddresses } = this.#model;
    const oldId = sockets.id[slot]!;
    if (node.ids.sockets.get(oldId) === slot) node.ids.sockets.delete(oldId);
    sockets.rename(slot, id, node.stream.keyframe);
    node.ids.sockets.set(id, slot);
    if (sockets.isLive(slot)) return;
    sockets.revive(slot, sinceMs);
    if (this.#hasTellingAddress(slot))
      localAddresses.retain(sockets.localAddress(slot), sockets.namespace(slot));
    this.#connector.touch(sockets.connection(slot));
  }

  /** Sets the peer of a unix socket, known since the server accepted: the same end gets another tuple. */
  learnPeer(slot: number, peerInode: number): void {
    const { sockets, ends } = this.#model;
    ends.remove(slot);
    sockets.setPeerInode(slot, peerInode);
    ends.add(slot);
    const connection = sockets.connection(slot);
    this.#connector.retry(connection);
    this.#connector.touch(connection);
  }

  #insert(node: NodeRecord, socket: NewSocket): number {
    const { sockets, addresses, namespaces, localAddresses, overflow } = this.#model;
    const hasRoom = socket.kind !== SocketKind.listener || this.#listeners < LISTENERS_MAX;
    const slot = hasRoom
      ? sockets.add(socket, node.times.lackedMs(socket.sinceMs), node.stream.keyframe)
      : -1;
    if (slot >= 0 && node.ids.sockets.set(socket.id, slot)) {
      namespaces.retain(socket.namespace);
      if (this.#hasTellingAddress(slot)) localAddresses.retain(socket.localAddress, socket.namespace);
      return slot;
    }
    if (slot >= 0) sockets.remove(slot);
    if (!isFamily(socket.protocol)) {
      addresses.release(socket.localAddress);
      addresses.release(socket.remoteAddress);
    }
    overflow.add(hasRoom ? "sockets" : "listeners");
    return -1;
  }

  // Lists a listener, connects an end.
  #enter(node: NodeRecord, slot: number, socket: NewSocket): void {
    if (socket.kind === SocketKind.listener) this.#list(slot);
    else if (socket.kind === SocketKind.end) this.#connect(node, slot, socket);
  }

  #connect(node: NodeRecord, slot: number, socket: NewSocket): void {
    const { ends, localAddresses, overflow } = this.#model;
    ends.add(slot);
    if (this.#connector.place(slot, socket.birthMs)) {
      this.#noteState(slot);
      return;
    }
    ends.remove(slot);
    node.ids.sockets.delete(socket.id);
    if (this.#hasTellingAddress(slot)) localAddresses.release(socket.localAddress, socket.namespace);
    this.#model.freeSocket(slot);
    overflow.add("connections");
  }

  // Applies the state of an end to its connection.
  #noteState(slot: number): void {
    const { sockets, connections } = this.#model;
    const state = sockets.state(slot);
    if (isHandshaking(sockets.protocol(slot), state)) {
      sockets.noteHandshake(slot, isSynReceived(state) ? SocketFlag.accepting : SocketFlag.opening);
    } else if (sockets.attempt[slot] !== Attempt.none) {
      sockets.noteHandshake(slot, SocketFlag.opening);
    } else {
      connections.addTraits(sockets.connection(slot), Trait.established);
    }
  }

  #list(slot: number): void {
    const { sockets, listeners, unixListeners } = this.#model;
    this.#listeners++;
    if (isFamily(sockets.protocol(slot))) {
      unixListeners.add(slot);
      return;
    }
    listeners.add(slot);
    this.#news.listening(sockets.localPort(slot));
  }

  #unlist(slot: number): void {
    const { sockets, listeners, unixListeners } = this.#model;
    this.#listeners--;
    if (isFamily(sockets.protocol(slot))) unixListeners.remove(slot);
    else listeners.remove(slot);
  }

  // Whether the socket's local address identifies its namespace.
  #hasTellingAddress(slot: number): boolean {
    const { sockets, addresses } = this.#model;
    if (isFamily(sockets.protocol(slot))) return false;
    const address = sockets.localAddress(slot);
    return !addresses.isLoopback(address) && !addresses.isWildcard(address);
  }
}
