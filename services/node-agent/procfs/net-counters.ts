// Extracts a network namespace's counters as text to compare: the lines of TCP and UDP in
// /proc/<pid>/net/snmp, the socket counts in sockstat and sockstat6. Equal texts mean that no socket opened or
// closed and no data moved; if they differ, TCP's counters show what moved.

import type { TcpSockets } from "./net-sockstat.ts";
import { parseTcpSockets } from "./net-sockstat.ts";

/** TCP's counters that change with connections, not with the data in them. */
const CONNECTION_COUNTERS = ["ActiveOpens", "PassiveOpens", "AttemptFails", "EstabResets", "CurrEstab"];

/**
 * Returns what changes with every segment and datagram: the values of TCP and UDP in the text of a snmp file;
 * "" if it has none.
 */
export function trafficCounters(snmp: string): string {
  const first = snmp.indexOf("\nTcp: ");
  const values = first < 0 ? -1 : snmp.indexOf("\nTcp: ", first + 1);
  if (values < 0) return "";
  const udp = snmp.indexOf("\nUdpLite: ", values);
  return snmp.slice(values + 1, udp < 0 ? snmp.length : udp);
}

/** Returns the values of TCP's connection counters in the text of a snmp file; "" if it has none. */
export function connectionCounters(snmp: string): string {
  const [names, values] = snmp
    .split("\n")
    .filter((line) => line.startsWith("Tcp: "))
    .map((line) => line.split(" "));
  if (names === undefined || values === undefined) return "";
  return CONNECTION_COUNTERS.map((name) => values[names.indexOf(name)] ?? "").join(" ");
}

/** Returns the numbers of TCP sockets in the texts of sockstat and sockstat6; null if they are missing. */
export function tcpSocketCounts(sockstat: string, sockstat6: string): TcpSockets | null {
  // Without IPv6 there is no sockstat6.
  return parseTcpSockets(sockstat, sockstat6 === "" ? "TCP6: inuse 0\n" : sockstat6);
}

/** Returns the numbers of datagram and raw sockets in the texts of both files, as text to compare. */
export function datagramSocketCounts(sockstat: string, sockstat6: string): string {
  const counts = [...`${sockstat}${sockstat6}`.matchAll(/^(?:UDP|UDPLITE|RAW)6?: inuse (\d+)/gm)];
  return counts.map(([, count]) => count).join(" ");
}
