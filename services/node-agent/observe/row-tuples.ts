// What rows of socket tables are compared and found by: cookies, tuples, and single ends of tuples.

import type { SocketTable } from "../../../lib/socket-table.ts";
import { Protocol, SocketState } from "../../../lib/words.ts";

/**
 * Whether a row is what the kernel keeps of a connection whose socket is destroyed: the rest of FIN_WAIT2 is an entry
 * like TIME_WAIT's.
 */
export function isTimeWait(table: SocketTable, row: number): boolean {
  const state = table.state[row]!;
  return (
    table.inode[row] === 0 &&
    table.protocol[row] === Protocol.tcp &&
    (state === SocketState.TIME_WAIT || state === SocketState.FIN_WAIT2)
  );
}

/** Whether a row is a TCP connection that no file refers to: half-open, not yet accepted, or on its way to the end. */
export function isUnheld(table: SocketTable, row: number): boolean {
  return (
    table.inode[row] === 0 &&
    table.protocol[row] === Protocol.tcp &&
    table.state[row] !== SocketState.LISTEN &&
    !isTimeWait(table, row)
  );
}

/** Whether a row is a connection whose handshake is not over. */
export function isHalfOpen(table: SocketTable, row: number): boolean {
  const state = table.state[row]!;
  return state === SocketState.SYN_RECV || state === SocketState.NEW_SYN_RECV;
}

/** Whether two rows of one protocol have the same cookie. */
export function sameCookie(a: SocketTable, rowA: number, b: SocketTable, rowB: number): boolean {
  return (
    a.cookieLow[rowA] === b.cookieLow[rowB] &&
    a.cookieHigh[rowA] === b.cookieHigh[rowB] &&
    a.protocol[rowA] === b.protocol[rowB]
  );
}

/** Whether two rows are of the same namespace, protocol, addresses and ports. */
export function sameTuple(a: SocketTable, rowA: number, b: SocketTable, rowB: number): boolean {
  return (
    a.localPort[rowA] === b.localPort[rowB] &&
    a.remotePort[rowA] === b.remotePort[rowB] &&
    a.namespace[rowA] === b.namespace[rowB] &&
    a.protocol[rowA] === b.protocol[rowB] &&
    sameAddress(a, rowA, 0, b, rowB, 0) &&
    sameAddress(a, rowA, 4, b, rowB, 4)
  );
}

/** Whether an address of one row is an address of another: four words each, the local one at 0, the remote one at 4. */
export function sameAddress(
  a: SocketTable,
  rowA: number,
  placeA: number,
  b: SocketTable,
  rowB: number,
  placeB: number,
) {
  const atA = rowA * 8 + placeA;
  const atB = rowB * 8 + placeB;
  for (let i = 0; i < 4; i++) if (a.addresses[atA + i] !== b.addresses[atB + i]) return false;
  return true;
}

/** Whether an address of a row is the wildcard. */
export function isUnset({ addresses, family }: SocketTable, row: number, place: number): boolean {
  const at = row * 8 + place;
  if (addresses[at] !== 0 || addresses[at + 1] !== 0 || addresses[at + 3] !== 0) return false;
  return addresses[at + 2] === 0 || (family[row] === 4 && addresses[at + 2] === 0xffff);
}

/** Whether the remote address of a row is a loopback one. */
export function isLoopback({ addresses, family }: SocketTable, row: number): boolean {
  const at = row * 8 + 4;
  if (family[row] === 4) return addresses[at + 3]! >>> 24 === 127;
  return addresses[at] === 0 && addresses[at + 1] === 0 && addresses[at + 2] === 0 && addresses[at + 3] === 1;
}

/** A hash of what sameCookie() compares. */
export function cookieHash(table: SocketTable, row: number): number {
  return Math.imul(table.cookieLow[row]! ^ Math.imul(table.cookieHigh[row]!, 31), 0x9e3779b1);
}

/** A hash of what sameTuple() compares. */
export function tupleHash(table: SocketTable, row: number): number {
  let hash = (table.localPort[row]! << 16) ^ table.remotePort[row]! ^ (table.namespace[row]! << 8);
  for (let i = 0, at = row * 8; i < 8; i++) hash = Math.imul(hash ^ table.addresses[at + i]!, 0x9e3779b1);
  return hash;
}

/** A hash of namespace and local port. */
export function localPortHash(table: SocketTable, row: number): number {
  return Math.imul((table.localPort[row]! << 12) ^ table.namespace[row]!, 0x9e3779b1);
}

/** A hash of one address of a row and a port. */
export function endHash(table: SocketTable, row: number, place: number, port: number): number {
  let hash = port;
  for (let i = 0, at = row * 8 + place; i < 4; i++)
    hash = Math.imul(hash ^ table.addresses[at + i]!, 0x9e3779b1);
  return hash;
}

/** The ports that something listens on, as portKey() has them. */
export function listeningPorts(table: SocketTable): Set<number> {
  const listeners = new Set<number>();
  for (let row = 0; row < table.length; row++)
    if (table.state[row] === SocketState.LISTEN) listeners.add(portKey(table, row));
  return listeners;
}

/** A row's namespace and local port as one number. */
export function portKey(table: SocketTable, row: number): number {
  return table.namespace[row]! * 65_536 + table.localPort[row]!;
}
