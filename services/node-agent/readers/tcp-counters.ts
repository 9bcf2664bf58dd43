// Reads the TCP counters of a network namespace through any of its processes: this takes some microseconds,
// however many sockets there are.

import { monotonicNs } from "../kernel/monotonic-clock.ts";
import type { NamespaceRecord, TcpCounters } from "../observation.ts";
import { withAnyPid } from "../processes/any-pid.ts";
import { readText } from "../processes/small-file.ts";
import { parseTcpCounters } from "../procfs/net-snmp.ts";

/** Returns the counters as a process sees them; null if they cannot be read. */
export function readTcpCounters(procRoot: string, pid: number): TcpCounters | null {
  const snmp = readText(`${procRoot}/${pid}/net/snmp`);
  return "text" in snmp ? parseTcpCounters(snmp.text, monotonicNs()) : null;
}

/** Returns the counters of a namespace; null if they can be read through none of its processes. */
export function readNamespaceCounters(procRoot: string, { pids }: NamespaceRecord): TcpCounters | null {
  return withAnyPid(pids, (pid) => readTcpCounters(procRoot, pid) ?? undefined) ?? null;
}
