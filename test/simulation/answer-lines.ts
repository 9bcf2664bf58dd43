// Formats an answer of the aggregator as lines that can be compared: connections, groups of datagram
// conversations, edges.

import type { Connection, Edge, Endpoint } from "../../lib/gen/whotalks/v1/query.ts";
import type { Answer } from "./delivery.ts";

/** The TCP connections. */
export function tcpConnections({ connections }: Answer): Connection[] {
  return connections.filter(({ protocol }) => protocol === "tcp");
}

/** A line with the ends of a connection. */
export function endsLine({ client, server, via, snat }: Connection): string {
  return `tcp ${endpointText(client)} > ${endpointText(server)} via ${ipText(via)} snat ${ipText(snat)}`;
}

/** A line with the evidence and bytes of a connection. */
export function detailsLine({
  evidence,
  closed,
  rttMicros,
  bytesToServer,
  bytesToClient,
}: Connection): string {
  // Counted sockets also have a round-trip time; without one, the bytes are conntrack's.
  const bytes = rttMicros === undefined ? "-" : `${bytesToServer}/${bytesToClient}`;
  return `${evidence.map((word) => word[0]).join("")} ${closed ? "closed" : "open"} ${bytes}`;
}

/** Datagram conversations are folded: returns their number between each two ends. */
export function datagramGroups({ connections }: Answer): Map<string, number> {
  const groups = new Map<string, number>();
  for (const { protocol, client, server, via, count } of connections) {
    if (protocol === "tcp") continue;
    const key = `${protocol} ${whoText(client)} > ${whoText(server)}:${server?.port} via ${ipText(via)}`;
    groups.set(key, (groups.get(key) ?? 0) + count);
  }
  return groups;
}

/** A line for each group, with its count. */
export function groupLines(groups: ReadonlyMap<string, number>): string[] {
  return [...groups].map(([key, count]) => `${key} ×${count}`);
}

/** A line for each edge. */
export function edgeLines({ edges }: Answer): string[] {
  return edges.map(edgeLine);
}

/** Returns sums of connections, and edges, as lines: nothing expires during a history, so both are equal. */
export function edgeSums({ connections, edges }: Answer): {
  readonly ofConnections: string[];
  readonly ofEdges: string[];
} {
  const sums = new Map<string, { connections: number; open: number }>();
  for (const { client, server, protocol, via, count, closed } of connections) {
    const key = edgeText(client, server, protocol, server?.port ?? 0, ipText(via));
    const sum = sums.get(key) ?? { connections: 0, open: 0 };
    sum.connections += count;
    if (!closed) sum.open++;
    sums.set(key, sum);
  }
  return {
    ofConnections: [...sums].map(([key, sum]) => `${key} ×${sum.connections} open ${sum.open}`),
    ofEdges: edges.map(
      ({ client, server, protocol, port, via, connections: count, open }) =>
        `${edgeText(client, server, protocol, port, ipText(via))} ×${count} open ${open}`,
    ),
  };
}

/** A line with the aggregator's counters that should be zero. */
export function countsLine({ ambiguousEnds, rowsRejected, overflowed }: Answer): string {
  return `ambiguous ${ambiguousEnds} rejected ${rowsRejected} overflowed ${overflowed}`;
}

function edgeText(
  client: Endpoint | undefined,
  server: Endpoint | undefined,
  protocol: string,
  port: number,
  via: string,
): string {
  return `edge ${protocol} ${edgeEndText(client)} > ${edgeEndText(server)}:${port} via ${via}`;
}

// Ends that are neither pods nor programs are distinguished by address.
function edgeEndText(end: Endpoint | undefined): string {
  const isAddress = end?.kind === "external" || end?.kind === "node" || end?.kind === "unknown";
  return isAddress ? `${whoText(end)} ${end.ip}` : whoText(end);
}

function edgeLine({ client, server, protocol, port, via, ...edge }: Edge): string {
  const bytes = `${edge.bytesToServer ?? "-"}/${edge.bytesToClient ?? "-"}`;
  const outcomes = `${edge.refused} ${edge.timedOut} ${edge.pending}`;
  const evidence = edge.evidence.map((word) => word[0]).join("");
  const key = edgeText(client, server, protocol, port, ipText(via));
  return `${key} ×${edge.connections} open ${edge.open} ${evidence} ${bytes} ${outcomes}`;
}

function endpointText(endpoint: Endpoint | undefined): string {
  return `${whoText(endpoint)} ${endpoint?.ip}:${endpoint?.port}`;
}

function whoText(endpoint: Endpoint | undefined): string {
  if (endpoint === undefined) return "nobody";
  switch (endpoint.kind) {
    case "pod":
      return endpoint.podUid;
    case "process":
      return `${endpoint.node}/${endpoint.process?.name ?? ""}`;
    case "node":
      return `node ${endpoint.node}`;
    case "service":
      return endpoint.name;
    case "external":
      return "outside";
    default:
      return endpoint.kind;
  }
}

function ipText(place: { readonly ip: string; readonly port: number } | undefined): string {
  return place === undefined ? "-" : `${place.ip}:${place.port}`;
}
