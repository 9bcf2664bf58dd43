// A socket's way into the tables and out of them: its slot, its place among listeners or ends, its connection; and what
// remains of it once it is gone.

import type { FamilySocket } from "../../../lib/gen/whotalks/v1/report.ts";
import type { SocketTable } from "../../../lib/socket-table.ts";
import { Attempt } from "../../../lib/words.ts";
import { ConnectionFlag } from "../store/connection-store.ts";
import type { NodeRecord } from "../store/node-record.ts";
import { isFamily, SocketFlag, SocketKind } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";
import type { FamilyListeners } from "./family-listeners.ts";
import { LISTENERS_MAX } from "./listener-index.ts";
import type { ListenerIndex } from "./listener-index.ts";
import type { Pairing } from "./pairing.ts";
import { isPending, isSynReceived } from "./socket-role.ts";
import { writeColumns, writeFamilyColumns } from "./socket-rows.ts";
import type { TupleIndex } from "./tuple-index.ts";

/** What a new socket is, as numbers; addresses are interned already and owned by it. */
export interface NewSocket {
  readonly id: number;
  readonly namespace: number;
  readonly protocol: number;
  readonly localAddress: number;
  readonly remoteAddress: number;
  readonly localPort: number;
  readonly remotePort: number;
  readonly kind: number;
  readonly sinceMs: number;
  /** When it was first seen by its agent's clock. */
  readonly birthMs: number;
}

/** Where sockets are found. */
export interface SocketIndexes {
  readonly tuples: TupleIndex;
  readonly listeners: ListenerIndex;
  readonly familyListeners: FamilyListeners;
  readonly pairing: Pairing;
}

/** Adds sockets and takes them away. */
export class SocketLife {
  readonly #tables: Tables;
  readonly #indexes: SocketIndexes;

  constructor(tables: Tables, indexes: SocketIndexes) {
    this.#tables = tables;
    this.#indexes = indexes;
  }

  /** Adds a socket from a row of a table, or from a family socket. False where there was no room for it. */
  insert(
    node: NodeRecord,
    made: NewSocket,
    table: SocketTable | null,
    source: number | FamilySocket,
  ): boolean {
    const { sockets, addresses, namespaces, localAddresses } = this.#tables;
    const slot = this.#hasRoom(made.kind) ? sockets.allocate() : -1;
    if (slot < 0 || !node.sockets.set(made.id, slot)) {
      if (slot >= 0) sockets.free(slot);
      if (!isFamily(made.protocol)) {
        addresses.release(made.localAddress);
        addresses.release(made.remoteAddress);
      }
      this.#tables.overflowed++;
      return false;
    }
    namespaces.retain(made.namespace);
    sockets.setKind(slot, made.kind);
    sockets.id[slot] = made.id;
    sockets.setNamespace(slot, made.namespace);
    sockets.setProtocol(slot, made.protocol);
    sockets.setLocalAddress(slot, made.localAddress);
    sockets.setRemoteAddress(slot, made.remoteAddress);
    sockets.setLocalPort(slot, made.localPort);
    sockets.setRemotePort(slot, made.remotePort);
    sockets.sinceMs[slot] = made.sinceMs;
    sockets.keyframe[slot] = node.keyframe;
    if (this.#hasLocalAddress(slot)) localAddresses.retain(made.localAddress, made.namespace);
    if (typeof source === "number") writeColumns(this.#tables.sockets, slot, table!, source);
    else writeFamilyColumns(this.#tables.sockets, slot, source);
    if (made.kind === SocketKind.listener) this.#list(slot);
    if (made.kind !== SocketKind.end) return true;
    this.#indexes.tuples.add(slot);
    if (this.#indexes.pairing.place(slot, made.birthMs)) {
      this.noteState(slot);
      return true;
    }
    this.#indexes.tuples.remove(slot);
    node.sockets.delete(made.id);
    if (this.#hasLocalAddress(slot)) localAddresses.release(made.localAddress, made.namespace);
    this.#indexes.pairing.freeSocket(slot);
    this.#tables.overflowed++;
    return false;
  }

  /** A socket is there no more: a listener goes, an end stays with its connection as what was last known. */
  retire(slot: number): void {
    const { sockets, localAddresses, connections } = this.#tables;
    const node = this.#tables.nodeOfSocket(slot);
    const id = sockets.id[slot]!;
    if (node.sockets.get(id) === slot) node.sockets.delete(id);
    if (this.#hasLocalAddress(slot))
      localAddresses.release(sockets.localAddress(slot), sockets.namespace(slot));
    if (sockets.kind(slot) === SocketKind.end) {
      sockets.set(slot, SocketFlag.gone);
      sockets.sinceMs[slot] = Math.max(sockets.sinceMs[slot]!, node.observedMs);
      this.#indexes.pairing.clearAmbiguous(slot);
      const connection = sockets.connection(slot);
      if (!connections.has(connection, ConnectionFlag.ended)) this.#tables.markDirty(connection, true);
      return;
    }
    if (sockets.kind(slot) === SocketKind.listener) {
      this.#unlist(slot);
      if (sockets.connection(slot) > 0) {
        sockets.set(slot, SocketFlag.gone);
        this.#tables.staleNodes.add(node.index);
        return;
      }
    }
    this.#indexes.pairing.freeSocket(slot);
  }

  /** A known end goes on under another id of its agent's. */
  adopt(node: NodeRecord, slot: number, id: number, sinceMs: number): void {
    const { sockets, localAddresses } = this.#tables;
    const oldId = sockets.id[slot]!;
    if (node.sockets.get(oldId) === slot) node.sockets.delete(oldId);
    sockets.id[slot] = id;
    sockets.keyframe[slot] = node.keyframe;
    node.sockets.set(id, slot);
    if (!sockets.isLive(slot)) {
      sockets.clear(slot, SocketFlag.gone);
      sockets.sinceMs[slot] = sinceMs;
      if (this.#hasLocalAddress(slot))
        localAddresses.retain(sockets.localAddress(slot), sockets.namespace(slot));
      this.#tables.markDirty(sockets.connection(slot), true);
    }
  }

  /** Notes what the state of an end tells of its connection. */
  noteState(slot: number): void {
    const { sockets, connections } = this.#tables;
    const state = sockets.state(slot);
    const protocol = sockets.protocol(slot);
    if (isPending(protocol, state)) {
      sockets.set(slot, isSynReceived(state) ? SocketFlag.accepting : SocketFlag.opening);
    } else if (sockets.attempt[slot] !== Attempt.none) {
      sockets.set(slot, SocketFlag.opening);
    } else {
      connections.set(sockets.connection(slot), ConnectionFlag.established);
    }
  }

  #list(slot: number): void {
    const { sockets } = this.#tables;
    this.#tables.listenerCount++;
    if (isFamily(sockets.protocol(slot))) {
      this.#indexes.familyListeners.add(slot);
      return;
    }
    this.#indexes.listeners.add(slot);
    this.#tables.newListenerPorts.add(sockets.localPort(slot));
  }

  #unlist(slot: number): void {
    this.#tables.listenerCount--;
    if (isFamily(this.#tables.sockets.protocol(slot))) this.#indexes.familyListeners.remove(slot);
    else this.#indexes.listeners.remove(slot);
  }

  #hasRoom(kind: number): boolean {
    return kind !== SocketKind.listener || this.#tables.listenerCount < LISTENERS_MAX;
  }

  // Whether the socket's local address says something about its namespace.
  #hasLocalAddress(slot: number): boolean {
    const { sockets, addresses } = this.#tables;
    if (isFamily(sockets.protocol(slot))) return false;
    const address = sockets.localAddress(slot);
    return !addresses.isLoopback(address) && !addresses.isWildcard(address);
  }
}
