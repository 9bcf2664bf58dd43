// Parses /proc/<pid>/net/snmp (net/ipv4/proc.c snmp_seq_show): counters of a network namespace. TCP's show how
// many connections the kernel opened, whether or not anything observed them. Each protocol has a line of names
// and a line of values; names differ between kernels, so values are looked up by name.

import type { TcpCounters } from "../observation.ts";

/**
 * Parses the TCP counters, IPv4 and IPv6 together, from the file's text, which was read at `readNs`; null if
 * they are incomplete.
 */
export function parseTcpCounters(text: string, readNs: number): TcpCounters | null {
  const lines = text.split("\n");
  // The text after the last newline may be truncated.
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
    readNs,
  };
  return Object.values(counters).some(Number.isNaN) ? null : counters;
}
