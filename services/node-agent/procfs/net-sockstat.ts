// Parses /proc/<pid>/net/sockstat and sockstat6 (net/ipv4/proc.c sockstat_seq_show, net/ipv6/proc.c
// sockstat6_seq_show): the number of sockets of each protocol in a network namespace. To read a TCP table the
// kernel walks a hash of all sockets of the node, which takes milliseconds even if the namespace has none;
// these counts take microseconds.

/** Numbers of a namespace's TCP sockets. */
export interface TcpSockets {
  /** Hashed IPv4 sockets: listeners and connections, including orphans. */
  readonly ipv4: number;
  /** The same for IPv6. */
  readonly ipv6: number;
  /** TIME_WAIT entries of both; of the whole node on kernels before 4.10. */
  readonly timeWait: number;
}

/** Parses the counts from the texts of both files; null if one of them is missing. */
export function parseTcpSockets(sockstat: string, sockstat6: string): TcpSockets | null {
  const [, ipv4, timeWait] = /^TCP: inuse (\d{1,10}) orphan \d+ tw (\d{1,10}) /m.exec(sockstat) ?? [];
  const [, ipv6] = /^TCP6: inuse (\d{1,10})$/m.exec(sockstat6) ?? [];
  if (ipv4 === undefined || timeWait === undefined || ipv6 === undefined) return null;
  return { ipv4: Number(ipv4), ipv6: Number(ipv6), timeWait: Number(timeWait) };
}

/** Returns the empty TCP tables: TIME_WAIT entries may be in either table, half-open ones need a listener. */
export function emptyTcpTables({ ipv4, ipv6, timeWait }: TcpSockets): readonly ("tcp" | "tcp6")[] {
  if (timeWait > 0) return [];
  return [...(ipv4 === 0 ? ["tcp" as const] : []), ...(ipv6 === 0 ? ["tcp6" as const] : [])];
}

/**
 * Returns the tables of datagram and raw sockets that are empty according to the texts of both files. A table
 * without a line is not returned.
 */
export function emptyDatagramTables(sockstat: string, sockstat6: string): readonly string[] {
  return ["udp", "udplite", "raw"].flatMap((name) => {
    const word = name.toUpperCase();
    return [
      ...(new RegExp(`^${word}: inuse 0( |$)`, "m").test(sockstat) ? [name] : []),
      ...(new RegExp(`^${word}6: inuse 0$`, "m").test(sockstat6) ? [`${name}6`] : []),
    ];
  });
}
