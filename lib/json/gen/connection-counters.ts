// Generated from lib/tables/socket.columns.ts by scripts/generate-tables.ts: do not edit.

/** The fields of a connection that are counters of its socket, as in JSON. */
export const connectionCounters = [
  "rttMicros",
  "retransmits",
] as const;
