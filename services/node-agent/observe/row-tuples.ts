// Compares and hashes rows of socket tables: by cookies, tuples, and single ends of tuples.

import { isSynReceived, isTimeWaitState, SocketState } from "../../../lib/vocabulary/states.ts";
import { mixWord, mixWords } from "../../../lib/hash.ts";
import type { SocketTable } from "../../../lib/socket-table.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";

/** Whether a row is the TIME_WAIT entry that the kernel keeps of a connection whose socket is destroyed. */
export function isTimeWait(table: SocketTable, row: number): boolean {
  return table.inode[row] === 0 && table.protocol[row] === Protocol.tcp && isTimeWaitState(table.state[row]!);
}

/** Whether a row is a TCP connection that no file refers to: half-open, not yet accepted, or closing. */
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
  return isSynReceived(table.state[row]!);
}

/** Whether two rows of one protocol have the same cookie. */
export function sameCookie(a: SocketTable, rowA: number, b: SocketTable, rowB: number): boolean {
  return (
    a.cookieLow[rowA] === b.cookieLow[rowB] &&
    a.cookieHigh[rowA] === b.cookieHigh[rowB] &&
    a.protocol[rowA] === b.protocol[rowB]
  );
}

/** Whether a row's cookie is known: procfs prints none. */
export function hasCookie({ cookieLow, cookieHigh }: SocketTable, row: number): boolean {
  return cookieLow[row] !== 0 || cookieHigh[row] !== 0;
}

/** Whether two rows have the same namespace, protocol, addresses and ports. */
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

/**
 * Whether an address of one row is an address of another: four words each, the local one at 0, the remote one
 * at 4.
 */
// oxlint-disable-next-line max-params -- hot: no object for each row
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

/** A hash of what sameCookie() compares. */
export function cookieHash(table: SocketTable, row: number): number {
  return mixWord(mixWord(0, table.cookieHigh[row]!), table.cookieLow[row]!);
}

/** A hash of what sameTuple() compares. */
export function tupleHash(table: SocketTable, row: number): number {
  const { localPort, remotePort, namespace, protocol, addresses } = table;
  const rest = (localPort[row]! << 16) ^ remotePort[row]! ^ (namespace[row]! << 8) ^ protocol[row]!;
  return mixWords(rest, addresses, row * 8, row * 8 + 8);
}

/** A hash of namespace and local port. */
export function localPortHash(table: SocketTable, row: number): number {
  return mixWord(table.localPort[row]! << 12, table.namespace[row]!);
}

/** A hash of one address of a row and a port. */
export function endHash(table: SocketTable, row: number, place: number, port: number): number {
  const at = row * 8 + place;
  return mixWords(port, table.addresses, at, at + 4);
}

/** Returns the ports that sockets listen on, as portKey() returns them. */
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
