// The counters of a network namespace as bytes to compare: of /proc/<pid>/net/snmp the lines of TCP and UDP,
// of sockstat and sockstat6 the numbers of sockets. Equal bytes mean that nothing came, went, opened or
// closed; where they differ TCP's counters tell how much.

import type { TcpSockets } from "./net-sockstat.ts";
import { parseTcpSockets } from "./net-sockstat.ts";

/** TCP's counters that move with connections, not with the data in them. */
const CONNECTION_COUNTERS = ["ActiveOpens", "PassiveOpens", "AttemptFails", "EstabResets", "CurrEstab"];

/**
 * What moves with every segment and datagram: the values of TCP and UDP in a snmp file's text; "" where it has
 * none.
 */
export function trafficCounters(snmp: string): string {
  const first = snmp.indexOf("\nTcp: ");
  const values = first < 0 ? -1 : snmp.indexOf("\nTcp: ", first + 1);
  if (values < 0) return "";
  const udp = snmp.indexOf("\nUdpLite: ", values);
  return snmp.slice(values + 1, udp < 0 ? snmp.length : udp);
}

/** The values of TCP's counters of connections in a snmp file's text; "" where it does not tell them. */
export function connectionCounters(snmp: string): string {
  const [names, values] = snmp
    .split("\n")
    .filter((line) => line.startsWith("Tcp: "))
    .map((line) => line.split(" "));
  if (names === undefined || values === undefined) return "";
  return CONNECTION_COUNTERS.map((name) => values[names.indexOf(name)] ?? "").join(" ");
}

/** The numbers of TCP sockets in the texts of sockstat and sockstat6; null where they do not tell. */
export function tcpSocketCounts(sockstat: string, sockstat6: string): TcpSockets | null {
  // Without IPv6 there is no sockstat6.
  return parseTcpSockets(sockstat, sockstat6 === "" ? "TCP6: inuse 0\n" : sockstat6);
}

/** The numbers of datagram and raw sockets in the texts of both files, to be compared. */
export function datagramSocketCounts(sockstat: string, sockstat6: string): string {
  const counts = [...`${sockstat}${sockstat6}`.matchAll(/^(?:UDP|UDPLITE|RAW)6?: inuse (\d+)/gm)];
  return counts.map(([, count]) => count).join(" ");
}
