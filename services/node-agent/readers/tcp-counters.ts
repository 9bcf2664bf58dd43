// The TCP counters of a network namespace, by any of its processes: some microseconds, whatever the number of
// sockets.

import type { NamespaceRecord, TcpCounters } from "../observation.ts";
import { withAnyPid } from "../processes/any-pid.ts";
import { readText } from "../processes/small-file.ts";
import { parseTcpCounters } from "../procfs/net-snmp.ts";

/** The counters as a process sees them; null where they cannot be read. */
export function readTcpCounters(procRoot: string, pid: number): TcpCounters | null {
  const snmp = readText(`${procRoot}/${pid}/net/snmp`);
  return "text" in snmp ? parseTcpCounters(snmp.text) : null;
}

/** The counters of a namespace; null where none of its processes lets them be read. */
export function readNamespaceCounters(procRoot: string, { pids }: NamespaceRecord): TcpCounters | null {
  return withAnyPid(pids, (pid) => readTcpCounters(procRoot, pid) ?? undefined) ?? null;
}
