// Internet sockets in columns, as readers fill them, observations keep them and reports carry them.
// lib/tables/socket.columns.ts describes the columns.

import { SocketColumns } from "./gen/tables/socket-columns.ts";

/** The columns of sockets. */
type SocketColumn = {
  [Name in keyof SocketColumns]: SocketColumns[Name] extends ArrayBufferView ? Name : never;
}[keyof SocketColumns];

/** Internet sockets (tcp, udp, udplite, raw, icmp), one element per row in each column. */
export class SocketTable extends SocketColumns {
  /**
   * Whether another table has equal rows in the named columns. Compares memory: 100k rows of every column take
   * a millisecond.
   */
  equals(other: SocketTable, names: readonly SocketColumn[]): boolean {
    if (this.length !== other.length) return false;
    return names.every((name) => {
      const elements = (this.length * this[name].length) / this.capacity;
      const theirs = other[name].subarray(0, elements);
      return Buffer.compare(asBytes(this[name].subarray(0, elements)), asBytes(theirs)) === 0;
    });
  }
}

/** Leaves out the rows of a table for which `isGone`; the others keep their order. */
export function removeRows(table: SocketTable, isGone: (row: number) => boolean): void {
  let length = 0;
  for (let row = 0; row < table.length; row++) {
    if (isGone(row)) continue;
    if (length < row) table.copyRow(length, table, row);
    length++;
  }
  table.length = length;
}

function asBytes(column: ArrayBufferView): Uint8Array {
  return new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
}
