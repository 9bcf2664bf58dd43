// Lists what each reader cannot see, so that the test that compares readers allows these differences.

import { socketTable } from "../../../../lib/tables/socket.columns.ts";
import type { ReaderName } from "../../../../lib/vocabulary/reader-names.ts";

/** Columns of internet sockets that a reader leaves at 0. */
export const columnsUnseen: Readonly<Record<ReaderName, readonly string[]>> = {
  procfs: columnsOf("cookie", "counters"),
  "sock-diag": ["references"],
  // Its own rows (TCP sockets that a file refers to) are complete; the others come from the readers that it
  // wraps.
  "bpf-iter": [],
};

/**
 * Returns false for unix sockets that unix_diag leaves out: those without an inode, which are connections that
 * wait for accept(). The client's end of them is reported.
 */
export function isSeenByUnixDiag(socket: { readonly inode: number }): boolean {
  return socket.inode !== 0;
}

function columnsOf(...groups: readonly string[]): string[] {
  return socketTable.columns.filter(({ group = "" }) => groups.includes(group)).map(({ name }) => name);
}
