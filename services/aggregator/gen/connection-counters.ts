// Generated from lib/tables/socket.columns.ts by scripts/generate-tables.ts: do not edit.

import type { Connection } from "../../../lib/gen/whotalks/v1/query.ts";
import type { SocketColumns } from "./socket-columns.ts";

/** The counters of a connection's client, if they are known: it is the side that waits. Else the server's. */
export interface ConnectionCounters {
  /** Smoothed round trip time in microseconds, if known. */
  readonly rttMicros: number;
  /** Retransmissions, if known. */
  readonly retransmits: number;
}

/** The counters of a socket. */
export function countersOf(sockets: SocketColumns, slot: number): ConnectionCounters {
  return {
    rttMicros: sockets.rttMicros[slot]!,
    retransmits: sockets.totalRetransmits[slot]!,
  };
}

/** Writes counters into a connection's message. */
export function writeCounters(message: Connection, counters: ConnectionCounters): void {
  message.rttMicros = counters.rttMicros;
  message.retransmits = counters.retransmits;
}
