// What the reports of a history say in all: the sockets and flows that an aggregator can know of.

import type { RenderedReport } from "./agent.ts";
import type { Flow, Socket } from "./conversation.ts";

/** What is known of a socket by the reports. */
export interface SocketWitness {
  isOpen: boolean;
  held: boolean;
  /** Null if its bytes were never counted. */
  bytes: { readonly sent: number; readonly received: number } | null;
}

/** What reports say in all. */
export interface Witnesses {
  readonly sockets: ReadonlyMap<Socket, SocketWitness>;
  readonly flows: ReadonlySet<Flow>;
}

/** What the reports of a history, which are applied all, say in all. */
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
