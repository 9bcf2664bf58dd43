// Finds the empty tables of a network namespace by its socket counts: reading these takes microseconds, a walk
// through the kernel's hash takes milliseconds.

import { readText } from "../processes/small-file.ts";
import { emptyDatagramTables, emptyTcpTables, parseTcpSockets } from "../procfs/net-sockstat.ts";

/**
 * Returns the names of the empty tables in a directory like /proc/<pid>/net; null if its counts cannot be
 * read.
 */
export function readEmptyTables(directory: string): readonly string[] | null {
  const ipv4 = readText(`${directory}/sockstat`);
  const ipv6 = readText(`${directory}/sockstat6`);
  if (!("text" in ipv4)) return null;
  const text6 = "text" in ipv6 ? ipv6.text : "";
  const counts = parseTcpSockets(ipv4.text, text6);
  return [...(counts === null ? [] : emptyTcpTables(counts)), ...emptyDatagramTables(ipv4.text, text6)];
}
