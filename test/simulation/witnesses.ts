// The content of all reports of a history: the sockets and flows that an aggregator can know.

import type { RenderedReport } from "./agent.ts";
import type { Flow, Socket } from "./conversation.ts";

/** What the reports say about a socket. */
export interface SocketWitness {
  isOpen: boolean;
  held: boolean;
  /** Null if its bytes were never counted. */
  bytes: { readonly sent: number; readonly received: number } | null;
}

/** The content of all reports. */
export interface Witnesses {
  readonly sockets: ReadonlyMap<Socket, SocketWitness>;
  readonly flows: ReadonlySet<Flow>;
}

/** Combines the reports of a history; all of them are applied. */
export function witnessesOf(reports: readonly RenderedReport[]): Witnesses {
  const sockets = new Map<Socket, SocketWitness>();
  const flows = new Set<Flow>();
  const lastOf = new Map<string, RenderedReport>();
  for (const report of reports) {
    lastOf.set(report.node.name, report);
    for (const { socket, held, row } of report.sockets) {
      const known = sockets.get(socket) ?? { isOpen: false, held: false, bytes: null };
      known.held ||= held;
      if (row.counted) known.bytes = { sent: row.sent, received: row.received };
      sockets.set(socket, known);
    }
    for (const flow of report.flows) flows.add(flow);
  }
  for (const { sockets: seen } of lastOf.values())
    for (const { socket, isOpen } of seen) sockets.get(socket)!.isOpen = isOpen;
  return { sockets, flows };
}
