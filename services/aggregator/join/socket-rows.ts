// Rows of reports against the socket store's columns: copying what changes, comparing what does not.

import type { FamilySocket } from "../../../lib/gen/whotalks/v1/report.ts";
import type { SocketTable } from "../../../lib/socket-table.ts";
import { Protocol } from "../../../lib/words.ts";
import type { SocketStore } from "../store/socket-store.ts";
import { isFamily } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";

/** Copies the changeable columns of an internet socket. */
export function writeColumns(sockets: SocketStore, slot: number, table: SocketTable, row: number): void {
  sockets.setState(slot, table.state[row]!);
  sockets.setInode(slot, table.inode[row]!);
  sockets.uid[slot] = table.uid[row]!;
  sockets.recvQueue[slot] = table.recvQueue[row]!;
  sockets.sendQueue[slot] = table.sendQueue[row]!;
  sockets.timer[slot] = table.timer[row]!;
  sockets.timerDeadline[slot] = table.timerDeadline[row]!;
  sockets.retransmits[slot] = table.retransmits[row]!;
  sockets.references[slot] = table.references[row]!;
  sockets.attempt[slot] = table.attempt[row]!;
  if (table.cookieLow[row] !== 0 || table.cookieHigh[row] !== 0) {
    sockets.cookieLow[slot] = table.cookieLow[row]!;
    sockets.cookieHigh[slot] = table.cookieHigh[row]!;
  }
  // TIME_WAIT entries are not counted, nor is anything by a reader that was not told: what was known last stays.
  if (table.counted[row] === 0) return;
  sockets.counted[slot] = 1;
  sockets.bytesSent[slot] = table.bytesSent[row]!;
  sockets.bytesReceived[slot] = table.bytesReceived[row]!;
  sockets.rttMicros[slot] = table.rttMicros[row]!;
  sockets.totalRetransmits[slot] = table.totalRetransmits[row]!;
}

/** Copies the changeable fields of a unix, netlink or packet socket. */
export function writeFamilyColumns(sockets: SocketStore, slot: number, socket: FamilySocket): void {
  sockets.setState(slot, socket.state);
  sockets.setInode(slot, socket.inode);
  sockets.uid[slot] = socket.uid;
  sockets.recvQueue[slot] = socket.recvQueue;
  sockets.sendQueue[slot] = socket.sendQueue;
  sockets.references[slot] = socket.references;
  sockets.timer[slot] = 0;
  sockets.timerDeadline[slot] = 0;
  sockets.retransmits[slot] = 0;
  sockets.attempt[slot] = 0;
  if (socket.path !== "") sockets.paths.set(slot, socket.path);
}

/** Whether a row and a socket in the store both have a cookie, and not the same: then they are two sockets. */
export function isOtherCookie(sockets: SocketStore, slot: number, table: SocketTable, row: number): boolean {
  const { cookieLow, cookieHigh } = sockets;
  const low = table.cookieLow[row]!;
  const high = table.cookieHigh[row]!;
  if ((low === 0 && high === 0) || (cookieLow[slot] === 0 && cookieHigh[slot] === 0)) return false;
  // What one file refers to is one socket: of an MPTCP one, readers may tell its own cookie or its subflow's.
  if (sockets.inode(slot) !== 0 && sockets.inode(slot) === table.inode[row]) return false;
  return cookieLow[slot] !== low || cookieHigh[slot] !== high;
}

/** Whether a row is of the same namespace, protocol and tuple as a socket in the store. */
export function isSameSocket(
  tables: Tables,
  slot: number,
  table: SocketTable,
  row: number,
  namespace: number,
): boolean {
  const { sockets, addresses } = tables;
  const protocol = table.protocol[row]!;
  if (sockets.namespace(slot) !== namespace || sockets.protocol(slot) !== protocol) return false;
  if (isFamily(protocol) || sockets.localPort(slot) !== table.localPort[row]) return false;
  const remotePort = table.remotePort[row]!;
  if (sockets.remotePort(slot) !== remotePort && protocol !== Protocol.raw) return false;
  const { words } = addresses;
  const local = sockets.localAddress(slot) * 4;
  const remote = sockets.remoteAddress(slot) * 4;
  for (let i = 0, at = row * 8; i < 4; i++, at++) {
    if (words[local + i] !== table.addresses[at] || words[remote + i] !== table.addresses[at + 4])
      return false;
  }
  return true;
}
