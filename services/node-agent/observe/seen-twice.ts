// One pass reads a namespace at several moments: what files refer to, then its TCP tables, or what was read of
// those before. A connection that is accepted or closed between two of them shows twice, once with a file and
// once without.

import type { SocketTable } from "../../../lib/socket-table.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import { RowIndex } from "./row-index.ts";
import { sameTuple, tupleHash } from "./row-tuples.ts";

/**
 * Leaves out the rows of TCP connections without a file that another row has too, as a tuple is one
 * connection's in a network namespace: the row with a file is what is known best.
 */
export function leaveOutSeenTwice(table: SocketTable): void {
  const index = new RowIndex(table, tupleHash, (row) => isWithoutFile(table, row));
  if (index.size === 0) return;
  const leftOut = new Uint8Array(table.length);
  let any = false;
  for (let row = 0; row < table.length; row++) {
    if (table.protocol[row] !== Protocol.tcp || leftOut[row] !== 0) continue;
    for (let other = index.first(tupleHash(table, row)); other >= 0; other = index.after(other)) {
      if (other === row || leftOut[other] !== 0 || !sameTuple(table, row, table, other)) continue;
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

function isWithoutFile({ inode, protocol, state }: SocketTable, row: number): boolean {
  return inode[row] === 0 && protocol[row] === Protocol.tcp && state[row] !== SocketState.LISTEN;
}
