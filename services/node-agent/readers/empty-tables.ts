// Which tables of a network namespace hold nothing, by their counts: these take microseconds, a walk through
// the kernel's hash milliseconds.

import { readText } from "../processes/small-file.ts";
import { emptyDatagramTables, emptyTcpTables, parseTcpSockets } from "../procfs/net-sockstat.ts";

/** Names of the empty tables below a directory like /proc/<pid>/net; null if its counts cannot be read. */
export function readEmptyTables(directory: string): readonly string[] | null {
  const ipv4 = readText(`${directory}/sockstat`);
  const ipv6 = readText(`${directory}/sockstat6`);
  if (!("text" in ipv4)) return null;
  const text6 = "text" in ipv6 ? ipv6.text : "";
  const counts = parseTcpSockets(ipv4.text, text6);
  return [...(counts === null ? [] : emptyTcpTables(counts)), ...emptyDatagramTables(ipv4.text, text6)];
}
