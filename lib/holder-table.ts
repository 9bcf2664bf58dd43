// Which process holds which socket, in columns, as observations keep it and reports carry it.
// lib/tables/holder.columns.ts describes the columns.

import { HolderColumns } from "./gen/tables/holder-columns.ts";

/**
 * Stands for a file descriptor whose number is not known: its process was seen opening or accepting, no more.
 */
export const UNKNOWN_FD = 2 ** 32 - 1;

/** One row per (socket, process, file descriptor); the rows of a socket are adjacent. */
export class HolderTable extends HolderColumns {}

/** Returns the first row of each socket, by socket id; -1, or beyond the end, for sockets without rows. */
export function firstRowsBySocket(table: HolderTable): Int32Array {
  let largest = 0;
  for (let row = 0; row < table.length; row++) largest = Math.max(largest, table.socket[row]!);
  const rows = new Int32Array(largest + 1).fill(-1);
  for (let row = table.length - 1; row >= 0; row--) rows[table.socket[row]!] = row;
  return rows;
}
