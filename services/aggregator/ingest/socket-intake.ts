// Socket rows of reports: updates known sockets, continues sockets under a new id, adds new ones. A row costs
// a few lookups on integers; the expensive work (directions, edges, watchers) is left to settling.

import type { FamilySocket } from "../../../lib/gen/whotalks/v1/report.ts";
import type { SocketTable as ReportSockets } from "../../../lib/socket-table.ts";
import { Family, isFamily, Protocol } from "../../../lib/vocabulary/protocols.ts";
import type { NewSocket, SocketLife } from "../apply/socket-life.ts";
import { LAG_MS } from "../match/lag.ts";
import type { Model } from "../model/model.ts";
import type { NodeRecord } from "../model/nodes/node-record.ts";
import { familyKind, familyNumber, familyProtocol } from "../model/sockets/family-sockets.ts";
import { continues, kindOf, pairedRemotePort } from "../model/sockets/socket-role.ts";
import { isSynReceived, isTcpEnd } from "../../../lib/vocabulary/states.ts";
import { SocketKind } from "../model/sockets/socket-rows.ts";
import type { SocketIdentity } from "../model/sockets/socket-table.ts";

/** When and where a socket was seen. */
export interface Sighting {
  /** Slot of the network namespace. */
  namespace: number;
  /** When it was first seen: by the stream's clock, and by its agent's, in milliseconds since 1970. */
  sinceMs: number;
  birthMs: number;
  /** When it entered TIME_WAIT, by the stream's clock; NaN if that is not known. */
  timeWaitMs: number;
}

/**
 * Milliseconds by which a socket may enter TIME_WAIT after it was last reported, beside the interval of its
 * agent's passes: the kernel's timers have a resolution of up to half a second, and a slow pass blurs them.
 */
const TIME_WAIT_BLUR_MS = 1_000;

/** Applies socket rows. */
export class SocketIntake {
  readonly #model: Model;
  readonly #life: SocketLife;

  constructor(model: Model, life: SocketLife) {
    this.#model = model;
    this.#life = life;
  }

  /** Adds or updates an internet socket. */
  put(node: NodeRecord, sighting: Sighting, table: ReportSockets, row: number): void {
    const { addresses } = this.#model;
    const { namespace } = sighting;
    const id = table.id[row]!;
    const known = node.ids.sockets.get(id);
    if (known >= 0) {
      if (this.#isSame(known, namespace, table, row)) {
        this.#refresh(node, known, sighting, table, row);
        return;
      }
      this.#life.retire(known);
    }
    const protocol = table.protocol[row]!;
    const localPort = table.localPort[row]!;
    const remotePort = table.remotePort[row]!;
    const localAddress = addresses.intern(table.addresses, row * 8);
    const remoteAddress = addresses.intern(table.addresses, row * 8 + 4);
    const kind = kindOf(protocol, table.state[row]!, addresses.isWildcard(remoteAddress), remotePort);
    const isEnd = kind === SocketKind.end;
    const socket = {
      id,
      namespace,
      protocol,
      localAddress,
      remoteAddress,
      localPort,
      remotePort: isEnd ? pairedRemotePort(protocol, localPort, remotePort) : remotePort,
      kind,
      sinceMs: sighting.sinceMs,
      birthMs: sighting.birthMs,
    };
    const before = this.#continued(node, socket, sighting.timeWaitMs, table, row);
    if (before < 0) {
      this.#add(node, socket, table, row);
      return;
    }
    addresses.release(localAddress);
    addresses.release(remoteAddress);
    this.#countHandshake(before, table, row);
    this.#life.adopt(node, before, id, sighting.sinceMs);
    this.#life.update(before, table, row);
  }

  /** Copies the changeable columns of a known socket; returns false if the id is unknown. */
  change(node: NodeRecord, sighting: Sighting, table: ReportSockets, row: number): boolean {
    const slot = node.ids.sockets.get(table.id[row]!);
    if (slot < 0) return false;
    this.#refresh(node, slot, sighting, table, row);
    return true;
  }

  /** Adds or updates a unix, netlink or packet socket. */
  putFamily(node: NodeRecord, { namespace, sinceMs, birthMs }: Sighting, source: FamilySocket): void {
    const { sockets } = this.#model;
    const protocol = familyProtocol(source.family);
    const { id } = source;
    const isUnix = protocol === Family.unix;
    const socket = {
      id,
      namespace,
      protocol,
      localAddress: familyNumber(source),
      remoteAddress: isUnix ? source.peerInode >>> 0 : 0,
      localPort: isUnix ? 0 : source.number & 0xffff,
      remotePort: 0,
      kind: familyKind(source),
      sinceMs,
      birthMs,
    };
    const known = node.ids.sockets.get(id);
    if (known >= 0) {
      if (this.#isSameFamily(known, socket, source) || this.#learnsPeer(known, socket, source)) {
        sockets.updateFamily(known, source);
        sockets.name(known, node.stream.keyframe);
        return;
      }
      this.#life.retire(known);
    }
    const before = this.#continuedUnix(node, socket, source);
    if (before < 0) {
      this.#life.addFamily(node, socket, source);
      return;
    }
    this.#life.adopt(node, before, id, sinceMs);
    sockets.updateFamily(before, source);
  }

  // Returns the socket that a new row continues under another id, or -1 if it is new. Retires a socket that
  // the row shows to be gone.
  #continued(
    node: NodeRecord,
    socket: SocketIdentity,
    timeWaitMs: number,
    table: ReportSockets,
    row: number,
  ): number {
    const { sockets, ends, listeners } = this.#model;
    const { protocol, namespace, localAddress: address, localPort: port, kind } = socket;
    if (kind === SocketKind.listener)
      return listeners.findSame({ namespace, protocol, address, port }, table.inode[row]!);
    if (kind !== SocketKind.end) return -1;
    const before = ends.findSame(socket, table.cookieLow[row], table.cookieHigh[row]);
    if (before < 0) return -1;
    const isOther = this.#hasOtherCookie(before, table, row);
    if (!isOther && this.#continues(node, before, socket.sinceMs, timeWaitMs, table, row)) return before;
    if ((isOther || protocol === Protocol.tcp) && sockets.isLive(before)) this.#life.retire(before);
    return -1;
  }

  #continuedUnix(node: NodeRecord, socket: SocketIdentity, { inode }: FamilySocket): number {
    const { ends, unixListeners } = this.#model;
    if (socket.protocol !== Family.unix || inode === 0 || socket.kind === SocketKind.idle) return -1;
    return socket.kind === SocketKind.end ? ends.findSame(socket) : unixListeners.find(node.index, inode);
  }

  #isSameFamily(slot: number, socket: SocketIdentity, { peerInode }: FamilySocket): boolean {
    const { sockets } = this.#model;
    return (
      sockets.protocol(slot) === socket.protocol &&
      sockets.kind(slot) === socket.kind &&
      sockets.localAddress(slot) === socket.localAddress &&
      (sockets.remoteAddress(slot) === peerInode >>> 0 || peerInode === 0)
    );
  }

  // The peer of a unix socket becomes visible once it is accepted: the same end gets another tuple.
  #learnsPeer(slot: number, socket: SocketIdentity, { inode, peerInode }: FamilySocket): boolean {
    const { sockets } = this.#model;
    const isUnixEnd =
      sockets.protocol(slot) === Family.unix &&
      socket.kind === SocketKind.end &&
      sockets.kind(slot) === socket.kind;
    if (!isUnixEnd) return false;
    if (sockets.localAddress(slot) !== inode || sockets.remoteAddress(slot) !== 0) return false;
    this.#life.learnPeer(slot, peerInode);
    return true;
  }

  // The agent's id is known, but the row's state may show that the port was reused by another socket.
  #refresh(node: NodeRecord, slot: number, sighting: Sighting, table: ReportSockets, row: number): void {
    const { sockets, addresses } = this.#model;
    sockets.name(slot, node.stream.keyframe);
    const protocol = sockets.protocol(slot);
    if (isFamily(protocol)) return;
    const state = table.state[row]!;
    const isWildcard = addresses.isWildcard(sockets.remoteAddress(slot));
    const kind = kindOf(protocol, state, isWildcard, sockets.remotePort(slot));
    const isReused =
      kind !== sockets.kind(slot) ||
      (kind === SocketKind.end &&
        protocol === Protocol.tcp &&
        !this.#hasSameCookie(slot, table, row) &&
        !this.#continuesState(slot, table, row));
    if (!isReused) {
      this.#countHandshake(slot, table, row);
      this.#life.update(slot, table, row);
      return;
    }
    const socket = {
      id: sockets.id[slot]!,
      namespace: sockets.namespace(slot),
      protocol,
      localAddress: sockets.localAddress(slot),
      remoteAddress: sockets.remoteAddress(slot),
      localPort: sockets.localPort(slot),
      remotePort: sockets.remotePort(slot),
      kind,
      sinceMs: sighting.sinceMs,
      birthMs: sighting.birthMs,
    };
    addresses.retain(socket.localAddress);
    addresses.retain(socket.remoteAddress);
    this.#life.retire(slot);
    this.#add(node, socket, table, row);
  }

  #add(node: NodeRecord, socket: NewSocket, table: ReportSockets, row: number): void {
    this.#life.add(node, socket, table, row);
    if (isTcpEnd(socket.protocol, table.state[row]!)) this.#model.accounts.addEnd(socket.namespace);
  }

  // Counts a known socket as an end once its handshake is over.
  #countHandshake(slot: number, table: ReportSockets, row: number): void {
    const { sockets, accounts } = this.#model;
    const protocol = sockets.protocol(slot);
    if (isTcpEnd(protocol, table.state[row]!) && isSynReceived(sockets.state(slot)))
      accounts.addEnd(sockets.namespace(slot));
  }

  // oxlint-disable-next-line max-params -- hot: no object for each row
  #continues(
    node: NodeRecord,
    before: number,
    nowMs: number,
    timeWaitMs: number,
    table: ReportSockets,
    row: number,
  ): boolean {
    const { sockets } = this.#model;
    if (this.#hasSameCookie(before, table, row)) return true;
    if (!this.#continuesState(before, table, row)) return false;
    if (sockets.isLive(before)) return true;
    const inode = table.inode[row]!;
    if (inode !== 0 && inode === sockets.inode(before)) return true;
    const lastMs = sockets.sinceMs[before]!;
    if (!Number.isNaN(timeWaitMs)) return timeWaitMs <= lastMs + node.intervalMs + TIME_WAIT_BLUR_MS;
    return nowMs - lastMs <= LAG_MS;
  }

  #continuesState(slot: number, table: ReportSockets, row: number): boolean {
    const { sockets } = this.#model;
    return continues(
      sockets.protocol(slot),
      sockets.state(slot),
      sockets.inode(slot),
      table.state[row]!,
      table.inode[row]!,
    );
  }

  // Whether a row and a socket have different cookies, which makes them two sockets.
  #hasOtherCookie(slot: number, table: ReportSockets, row: number): boolean {
    const { sockets } = this.#model;
    const { cookieLow, cookieHigh } = sockets;
    const low = table.cookieLow[row]!;
    const high = table.cookieHigh[row]!;
    if ((low === 0 && high === 0) || (cookieLow[slot] === 0 && cookieHigh[slot] === 0)) return false;
    // Rows with the same inode are one socket: for an MPTCP socket, readers may report its own cookie or its
    // subflow's.
    if (sockets.inode(slot) !== 0 && sockets.inode(slot) === table.inode[row]) return false;
    return cookieLow[slot] !== low || cookieHigh[slot] !== high;
  }

  // Whether a row and a socket have the same cookie: then they are one socket, whatever its state and file.
  #hasSameCookie(slot: number, table: ReportSockets, row: number): boolean {
    const { cookieLow, cookieHigh } = this.#model.sockets;
    const low = table.cookieLow[row]!;
    const high = table.cookieHigh[row]!;
    return (low !== 0 || high !== 0) && cookieLow[slot] === low && cookieHigh[slot] === high;
  }

  // Whether a row is about the same namespace, protocol and tuple as a known socket.
  #isSame(slot: number, namespace: number, table: ReportSockets, row: number): boolean {
    const { sockets, addresses } = this.#model;
    const protocol = table.protocol[row]!;
    if (sockets.namespace(slot) !== namespace || sockets.protocol(slot) !== protocol) return false;
    if (isFamily(protocol) || sockets.localPort(slot) !== table.localPort[row]) return false;
    if (sockets.remotePort(slot) !== table.remotePort[row] && protocol !== Protocol.raw) return false;
    const { words } = addresses;
    const local = sockets.localAddress(slot) * 4;
    const remote = sockets.remoteAddress(slot) * 4;
    for (let i = 0, at = row * 8; i < 4; i++, at++) {
      if (words[local + i] !== table.addresses[at] || words[remote + i] !== table.addresses[at + 4])
        return false;
    }
    return true;
  }
}
