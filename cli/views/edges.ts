// The view of edges: aggregated connections.

import type { Edge } from "../../lib/gen/whotalks/v1/query.ts";
import { itemJson } from "../../lib/json/list.ts";
import { formatAge } from "../text/age.ts";
import { endpointLabel } from "./endpoint-label.ts";
import { endpointPaths, labelColumn, nodes, viaLabel, viaPaths } from "./endpoint-columns.ts";
import { formatBytes, referencePart, type View } from "./view.ts";

const portOrPath = (edge: Edge): string => (edge.port === 0 ? edge.unixPath : String(edge.port));

// An established edge also shows the number of its failed attempts.
function outcomeCell({ outcome, refused, timedOut }: Edge): string {
  if (outcome !== "established") return outcome;
  const failed = refused + timedOut;
  return failed === 0 ? outcome : `${outcome}, ${failed} failed`;
}

/** All edges. */
export const edgesView: View<Edge> = {
  name: "edges",
  kind: "EdgeList",
  one: "edge",
  many: "edges",
  columns: [
    {
      key: "client",
      header: "CLIENT",
      cell: (edge) => endpointLabel(edge.client),
      rank: (edge) => endpointLabel(edge.client),
    },
    {
      key: "server",
      header: "SERVER",
      cell: (edge) => endpointLabel(edge.server),
      rank: (edge) => endpointLabel(edge.server),
    },
    { key: "protocol", header: "PROTOCOL", cell: (edge) => edge.protocol, rank: (edge) => edge.protocol },
    { key: "port", header: "PORT", smallestFirst: true, cell: portOrPath, rank: (edge) => edge.port },
    { key: "open", header: "OPEN", cell: (edge) => String(edge.open), rank: (edge) => edge.open },
    {
      key: "total",
      header: "TOTAL",
      cell: (edge) => String(edge.connections),
      rank: (edge) => edge.connections,
    },
    {
      key: "outcome",
      header: "OUTCOME",
      cell: outcomeCell,
      rank: outcomeCell,
    },
    {
      key: "last-seen",
      header: "LAST SEEN",
      moving: true,
      cell: (edge, { nowMs }) => formatAge(nowMs - edge.lastSeenMs),
      rank: (edge) => edge.lastSeenMs,
    },
    {
      key: "bytes-to-server",
      header: "BYTES→",
      wide: true,
      moving: true,
      cell: (edge) => formatBytes(edge.bytesToServer),
      rank: (edge) => edge.bytesToServer ?? -1,
    },
    {
      key: "bytes-to-client",
      header: "BYTES←",
      wide: true,
      moving: true,
      cell: (edge) => formatBytes(edge.bytesToClient),
      rank: (edge) => edge.bytesToClient ?? -1,
    },
    {
      key: "evidence",
      header: "EVIDENCE",
      wide: true,
      cell: (edge) => edge.evidence.join(","),
      rank: (edge) => edge.evidence.join(","),
    },
    {
      key: "first-seen",
      header: "FIRST SEEN",
      wide: true,
      moving: true,
      cell: (edge, { nowMs }) => formatAge(nowMs - edge.firstSeenMs),
      rank: (edge) => edge.firstSeenMs,
    },
    {
      key: "node",
      header: "NODE",
      wide: true,
      cell: (edge) => nodes(edge.client, edge.server),
      rank: (edge) => nodes(edge.client, edge.server),
    },
    {
      key: "via",
      header: "VIA",
      wide: true,
      cell: (edge) => viaLabel(edge.via),
      rank: (edge) => viaLabel(edge.via),
    },
  ],
  labelColumns: [
    labelColumn("client-labels", "CLIENT LABELS", ({ client }) => client),
    labelColumn("server-labels", "SERVER LABELS", ({ server }) => server),
  ],
  order: ["client", "server", "protocol", "port", "via"],
  csv: [
    "protocol",
    "port",
    "connections",
    "outcome",
    "refused",
    "timedOut",
    "pending",
    "open",
    ...endpointPaths("client").filter(hasNoPid),
    ...endpointPaths("server").filter(hasNoPid),
    ...viaPaths,
    "unixPath",
    "bytesToServer",
    "bytesToClient",
    "firstSeen",
    "lastSeen",
    "evidence",
  ],
  json: (edge) => itemJson("EdgeList", edge),
  identity: edgeIdentity,
  reference: (edge) =>
    `edge/${[endpointLabel(edge.client), endpointLabel(edge.server), edge.protocol, portOrPath(edge)].map(referencePart).join("~")}`,
  tone: (edge) => {
    if (edge.outcome === "refused" || edge.outcome === "timed-out") return "bad";
    return edge.open === 0 ? "quiet" : "plain";
  },
};

function edgeIdentity(edge: Edge): string {
  const sides = [edge.client, edge.server].map((side) => [
    endpointLabel(side),
    side?.node,
    side?.podUid,
    side?.ip,
    side?.container,
    side?.networkNamespace,
    side?.process?.exe,
  ]);
  return JSON.stringify([sides, viaLabel(edge.via), edge.protocol, edge.port, edge.unixPath]);
}

// Edges aggregate processes and sockets, so they never have these fields.
function hasNoPid(path: string): boolean {
  return !/\.(port|inode|process\.pid)$/.test(path);
}
