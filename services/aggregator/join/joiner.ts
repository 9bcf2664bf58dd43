// Sockets as reports tell of them, made into ends of connections and listeners. One row costs a few look-ups on
// integers; what must be thought over (directions, edges, watchers) is left to the settler.

import { Protocol } from "../../../lib/words.ts";
import type { FamilySocket } from "../../../lib/gen/whotalks/v1/report.ts";
import type { SocketTable } from "../../../lib/socket-table.ts";
import type { NodeRecord } from "../store/node-record.ts";
import { Family, isFamily, SocketKind } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";
import { Conversations } from "./conversations.ts";
import { FlowIndex } from "./flow-index.ts";
import { FlowLife } from "./flow-life.ts";
import { FlowLinks } from "./flow-links.ts";
import { FamilyListeners } from "./family-listeners.ts";
import { familyKind, familyNumber, familyProtocol } from "./family-sockets.ts";
import { ListenerIndex } from "./listener-index.ts";
import { LAG_MS } from "./mates.ts";
import { Pairing } from "./pairing.ts";
import { ServiceEnds } from "./service-ends.ts";
import type { NewSocket } from "./socket-life.ts";
import { SocketLife } from "./socket-life.ts";
import { continues, kindOf, pairedRemotePort } from "./socket-role.ts";
import { isOtherCookie, isSameSocket, writeColumns, writeFamilyColumns } from "./socket-rows.ts";
import { TupleIndex } from "./tuple-index.ts";

/** Applies rows of reports to the tables. */
export class Joiner {
  readonly listeners: ListenerIndex;
  readonly familyListeners: FamilyListeners;
  readonly pairing: Pairing;
  readonly flows: FlowLinks;
  readonly flowLife: FlowLife;
  readonly conversations: Conversations;
  readonly #tables: Tables;
  readonly #tuples: TupleIndex;
  readonly #life: SocketLife;

  constructor(tables: Tables) {
    this.#tables = tables;
    this.#tuples = new TupleIndex(tables);
    this.listeners = new ListenerIndex(tables);
    this.familyListeners = new FamilyListeners(tables);
    const index = new FlowIndex(tables);
    const tuples = this.#tuples;
    this.conversations = new Conversations(tables, index);
    this.flowLife = new FlowLife(tables, tuples, index, this.conversations);
    const { conversations, flowLife } = this;
    this.flows = new FlowLinks(tables, { tuples, index, conversations, life: flowLife });
    this.pairing = new Pairing(tables, this.#tuples, new ServiceEnds(tables), this.flows);
    const { listeners, familyListeners, pairing } = this;
    this.#life = new SocketLife(tables, { tuples: this.#tuples, listeners, familyListeners, pairing });
  }

  /** Adds an internet socket, or brings a known one up to date. False where there was no room for it. */
  put(
    node: NodeRecord,
    table: SocketTable,
    row: number,
    namespace: number,
    sinceMs: number,
    birthMs: number,
  ): boolean {
    const { addresses, sockets } = this.#tables;
    const id = table.id[row]!;
    const known = node.sockets.get(id);
    if (known >= 0) {
      if (isSameSocket(this.#tables, known, table, row, namespace)) {
        this.#refresh(node, known, table, row, sinceMs, birthMs);
        return true;
      }
      this.#life.retire(known);
    }
    const protocol = table.protocol[row]!;
    const localPort = table.localPort[row]!;
    const localAddress = addresses.intern(table.addresses, row * 8);
    const remoteAddress = addresses.intern(table.addresses, row * 8 + 4);
    const kind = kindOf(
      protocol,
      table.state[row]!,
      addresses.isWildcard(remoteAddress),
      table.remotePort[row]!,
    );
    let remotePort = table.remotePort[row]!;
    if (kind === SocketKind.end) {
      remotePort = pairedRemotePort(protocol, localPort, remotePort);
      const before = this.#tuples.findSame(
        namespace,
        protocol,
        localAddress,
        localPort,
        remoteAddress,
        remotePort,
      );
      if (before >= 0) {
        const other = isOtherCookie(sockets, before, table, row);
        if (!other && this.#goesOn(before, table.state[row]!, table.inode[row]!, sinceMs)) {
          addresses.release(localAddress);
          addresses.release(remoteAddress);
          this.#life.adopt(node, before, id, sinceMs);
          this.#write(before, table, row);
          return true;
        }
        if ((other || protocol === Protocol.tcp) && sockets.isLive(before)) this.#life.retire(before);
      }
    } else if (kind === SocketKind.listener) {
      const inode = table.inode[row]!;
      const before = this.listeners.findSame(namespace, protocol, localAddress, localPort, inode);
      if (before >= 0) {
        addresses.release(localAddress);
        addresses.release(remoteAddress);
        this.#life.adopt(node, before, id, sinceMs);
        writeColumns(this.#tables.sockets, before, table, row);
        return true;
      }
    }
    return this.#life.insert(
      node,
      { id, namespace, protocol, localAddress, remoteAddress, localPort, remotePort, kind, sinceMs, birthMs },
      table,
      row,
    );
  }

  /** Takes over the changeable columns of a known socket; false where the id is not known. */
  change(node: NodeRecord, table: SocketTable, row: number, observedMs: number, birthMs: number): boolean {
    const slot = node.sockets.get(table.id[row]!);
    if (slot < 0) return false;
    this.#refresh(node, slot, table, row, observedMs, birthMs);
    return true;
  }

  /** Adds a unix, netlink or packet socket, or brings a known one up to date. False where there was no room. */
  putFamily(
    node: NodeRecord,
    socket: FamilySocket,
    namespace: number,
    sinceMs: number,
    birthMs: number,
  ): boolean {
    const { sockets } = this.#tables;
    const protocol = familyProtocol(socket.family);
    const { id, inode } = socket;
    const known = node.sockets.get(id);
    const kind = familyKind(socket);
    const own = familyNumber(socket);
    if (known >= 0) {
      const same =
        sockets.protocol(known) === protocol &&
        sockets.kind(known) === kind &&
        sockets.localAddress(known) === own &&
        (sockets.remoteAddress(known) === socket.peerInode >>> 0 || socket.peerInode === 0);
      if (same || this.#learnsPeer(known, socket, kind)) {
        writeFamilyColumns(this.#tables.sockets, known, socket);
        sockets.keyframe[known] = node.keyframe;
        return true;
      }
      this.#life.retire(known);
    }
    const localPort = protocol === Family.unix ? 0 : socket.number & 0xffff;
    const remoteAddress = protocol === Family.unix ? socket.peerInode >>> 0 : 0;
    if (protocol === Family.unix && inode !== 0 && kind !== SocketKind.idle) {
      const before =
        kind === SocketKind.end
          ? this.#tuples.findSame(namespace, protocol, own, localPort, remoteAddress, 0)
          : this.familyListeners.find(node.index, inode);
      if (before >= 0) {
        this.#life.adopt(node, before, id, sinceMs);
        writeFamilyColumns(this.#tables.sockets, before, socket);
        return true;
      }
    }
    return this.#life.insert(
      node,
      {
        id,
        namespace,
        protocol,
        localAddress: own,
        remoteAddress,
        localPort,
        remotePort: 0,
        kind,
        sinceMs,
        birthMs,
      },
      null,
      socket,
    );
  }

  /** A socket is there no more: a listener goes, an end stays with its connection as what was last known. */
  retire(slot: number): void {
    this.#life.retire(slot);
  }

  // The peer of a unix socket shows once it is accepted: the same end under another tuple.
  #learnsPeer(slot: number, socket: FamilySocket, kind: number): boolean {
    const { sockets } = this.#tables;
    if (sockets.protocol(slot) !== Family.unix || kind !== SocketKind.end || sockets.kind(slot) !== kind)
      return false;
    if (sockets.localAddress(slot) !== socket.inode || sockets.remoteAddress(slot) !== 0) return false;
    this.#tuples.remove(slot);
    sockets.setRemoteAddress(slot, socket.peerInode);
    this.#tuples.add(slot);
    this.pairing.waitForMate(sockets.connection(slot));
    this.#tables.markDirty(sockets.connection(slot), true);
    return true;
  }

  #refresh(
    node: NodeRecord,
    slot: number,
    table: SocketTable,
    row: number,
    sinceMs: number,
    birthMs: number,
  ): void {
    const { sockets, addresses } = this.#tables;
    sockets.keyframe[slot] = node.keyframe;
    const protocol = sockets.protocol(slot);
    const state = table.state[row]!;
    const inode = table.inode[row]!;
    if (isFamily(protocol)) return;
    const wildcard = addresses.isWildcard(sockets.remoteAddress(slot));
    const kind = kindOf(protocol, state, wildcard, sockets.remotePort(slot));
    const wasKind = sockets.kind(slot);
    const other =
      kind !== wasKind ||
      (kind === SocketKind.end &&
        !continues(protocol, sockets.state(slot), sockets.inode(slot), state, inode) &&
        protocol === Protocol.tcp);
    if (!other) {
      this.#write(slot, table, row);
      return;
    }
    const localAddress = sockets.localAddress(slot);
    const remoteAddress = sockets.remoteAddress(slot);
    addresses.retain(localAddress);
    addresses.retain(remoteAddress);
    const made: NewSocket = {
      id: sockets.id[slot]!,
      namespace: sockets.namespace(slot),
      protocol,
      localAddress,
      remoteAddress,
      localPort: sockets.localPort(slot),
      remotePort: sockets.remotePort(slot),
      kind,
      sinceMs,
      birthMs,
    };
    this.#life.retire(slot);
    this.#life.insert(node, made, table, row);
  }

  // Columns, and what follows from a state that became another.
  #write(slot: number, table: SocketTable, row: number): void {
    const { sockets } = this.#tables;
    const changed = sockets.state(slot) !== table.state[row];
    const carried =
      table.counted[row] === 1 &&
      (sockets.counted[slot] === 0 ||
        sockets.bytesSent[slot] !== table.bytesSent[row] ||
        sockets.bytesReceived[slot] !== table.bytesReceived[row]);
    writeColumns(this.#tables.sockets, slot, table, row);
    // The edge adds up what its connections carry; watchers are not told of that alone.
    if (carried && sockets.kind(slot) === SocketKind.end) this.#tables.markCarried(sockets.connection(slot));
    if (changed && sockets.kind(slot) === SocketKind.end) {
      this.#life.noteState(slot);
      this.#tables.markDirty(sockets.connection(slot), true);
    }
  }

  #goesOn(before: number, state: number, inode: number, nowMs: number): boolean {
    const { sockets } = this.#tables;
    if (!continues(sockets.protocol(before), sockets.state(before), sockets.inode(before), state, inode))
      return false;
    if (sockets.isLive(before)) return true;
    return (inode !== 0 && inode === sockets.inode(before)) || nowMs - sockets.sinceMs[before]! <= LAG_MS;
  }
}
