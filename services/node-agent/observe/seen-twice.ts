// A pass may read a socket twice. It reads a namespace at several moments: sockets that files refer to, then
// its TCP tables, so a connection that is accepted or closed in between appears once with a file and once
// without. And a dump that takes several system calls continues at a position in a hash bucket: when a socket
// leaves the bucket or enters it, the next call repeats a socket (tcp_seek_last_pos() in net/ipv4/tcp_ipv4.c,
// inet_diag_dump_icsk() in net/ipv4/inet_diag.c).

import type { SocketTable } from "../../../lib/socket-table.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import { RowIndex } from "./row-index.ts";
import { hasCookie, sameCookie, sameTuple, tupleHash } from "./row-tuples.ts";

/**
 * Removes duplicate rows of sockets. A TCP connection's tuple is unique in a network namespace, so a row
 * without a file yields to any other; of two rows with one inode, the first stays.
 */
export function leaveOutSeenTwice(table: SocketTable): void {
  const index = new RowIndex(table, tupleHash, (row) => table.inode[row] !== 0 || isWithoutFile(table, row));
  const leftOut = new Uint8Array(table.length);
  let any = false;
  for (let row = 0; row < table.length; row++) {
    if (leftOut[row] !== 0) continue;
    for (let other = index.first(tupleHash(table, row)); other >= 0; other = index.after(other)) {
      if (other === row || leftOut[other] !== 0 || !isRepeated(table, row, other)) continue;
      leftOut[other] = 1;
      any = true;
    }
  }
  if (!any) return;
  let length = 0;
  for (let row = 0; row < table.length; row++) {
    if (leftOut[row] !== 0) continue;
    if (length < row) table.copyRow(length, table, row);
    length++;
  }
  table.length = length;
}

// Whether `other` is a duplicate of `row`.
function isRepeated(table: SocketTable, row: number, other: number): boolean {
  if (!sameTuple(table, row, table, other)) return false;
  if (isWithoutFile(table, other)) return true;
  // Subflows of one MPTCP connection share an inode but have different cookies.
  const [known, otherKnown] = [hasCookie(table, row), hasCookie(table, other)];
  if (known && otherKnown && !sameCookie(table, row, table, other)) return false;
  return row < other && table.inode[row] === table.inode[other];
}

function isWithoutFile({ inode, protocol, state }: SocketTable, row: number): boolean {
  return inode[row] === 0 && protocol[row] === Protocol.tcp && state[row] !== SocketState.LISTEN;
}
