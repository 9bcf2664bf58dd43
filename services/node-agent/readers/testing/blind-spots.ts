// What each reader has no way to see: where the test that compares readers lets them differ.

import { socketTable } from "../../../../lib/tables/socket.columns.ts";
import type { ReaderName } from "../../../../lib/vocabulary/reader-names.ts";

/** Columns of internet sockets that a reader leaves 0. */
export const columnsUnseen: Readonly<Record<ReaderName, readonly string[]>> = {
  procfs: columnsOf("cookie", "counters"),
  "sock-diag": ["references"],
  // What it tells itself (TCP sockets that a file refers to) it tells whole; the others it takes from a reader
  // within.
  "bpf-iter": [],
};

/**
 * Unix sockets that unix_diag leaves out: those without an inode, which are connections that wait for
 * accept(). The client's end of them is there.
 */
export function isSeenByUnixDiag(socket: { readonly inode: number }): boolean {
  return socket.inode !== 0;
}

function columnsOf(...groups: readonly string[]): string[] {
  return socketTable.columns.filter(({ group = "" }) => groups.includes(group)).map(({ name }) => name);
}
