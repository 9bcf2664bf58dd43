// /proc/<pid>/net/snmp (net/ipv4/proc.c snmp_seq_show): counters of a network namespace, of which TCP's tell
// how many connections the kernel opened, whoever saw them. A line of names and a line of values for each
// protocol; names come and go with kernels, so that values are found by them.

import type { TcpCounters } from "../observation.ts";

/** Reads the TCP counters, IPv4 and IPv6 together, from the file's text; null where they are not whole. */
export function parseTcpCounters(text: string): TcpCounters | null {
  const lines = text.split("\n");
  // The text behind the last newline may have been cut.
  lines.pop();
  const [names, values] = lines
    .filter((line) => line.startsWith("Tcp: "))
    .map((line) => line.trim().split(" "));
  if (names === undefined || values === undefined || names.length !== values.length) return null;
  const counter = (name: string): number => {
    const value = values[names.indexOf(name)];
    return value !== undefined && /^\d{1,19}$/.test(value) ? Number(value) : Number.NaN;
  };
  const counters = {
    activeOpens: counter("ActiveOpens"),
    passiveOpens: counter("PassiveOpens"),
    attemptFails: counter("AttemptFails"),
  };
  return Object.values(counters).some(Number.isNaN) ? null : counters;
}
