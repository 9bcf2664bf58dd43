// The view of coverage: how completely and how lately each node was read.

import type { NodeCoverage } from "../../lib/gen/whotalks/v1/report.ts";
import { writeObject } from "../../lib/json/codec.ts";
import { nodeCoverageShape } from "../../lib/json/messages.ts";
import { formatAge, writeDuration } from "../duration.ts";
import { type Column, referencePart, type View } from "./view.ts";

type NodeCount = {
  [Key in keyof NodeCoverage]: NodeCoverage[Key] extends number ? Key : never;
}[keyof NodeCoverage];

function count(header: string, key: NodeCount, wide = false): Column<NodeCoverage> {
  return {
    key: header.toLowerCase(),
    header,
    wide,
    moving: true,
    cell: (node) => String(node[key]),
    rank: (node) => node[key],
  };
}

/** One row per node. */
export const coverageView: View<NodeCoverage> = {
  name: "coverage",
  kind: "Coverage",
  one: "node",
  many: "nodes",
  columns: [
    { key: "node", header: "NODE", cell: (node) => node.node, rank: (node) => node.node },
    { key: "reader", header: "READER", cell: (node) => node.reader, rank: (node) => node.reader },
    count("NAMESPACES", "namespaces"),
    { ...count("FAILED", "namespacesFailed"), moving: false },
    count("PROCESSES", "processes"),
    count("SOCKETS", "sockets"),
    { ...count("UNATTRIBUTED", "socketsUnattributed"), moving: false },
    { ...count("UNSEEN", "unseen"), moving: false },
    {
      key: "age",
      header: "AGE",
      moving: true,
      cell: (node) => formatAge(node.ageMs),
      rank: (node) => node.ageMs,
    },
    {
      key: "interval",
      header: "INTERVAL",
      moving: true,
      cell: (node) => writeDuration(node.intervalMs),
      rank: (node) => node.intervalMs,
    },
    {
      key: "conntrack",
      header: "CONNTRACK",
      wide: true,
      cell: (node) => node.conntrack,
      rank: (node) => node.conntrack,
    },
    count("OPENED", "openedByKernel", true),
    count("SEEN", "seen", true),
    {
      key: "pass",
      header: "PASS",
      wide: true,
      moving: true,
      cell: (node) => `${(node.passMicros / 1000).toFixed(1)}ms`,
      rank: (node) => node.passMicros,
    },
    count("MALFORMED", "linesMalformed", true),
    count("OVERFLOWED", "socketsOverflowed", true),
    count("GAPS", "gaps", true),
  ],
  order: ["node"],
  csv: nodeCoverageShape.fields.map((field) => field.name),
  json: (node) => writeObject(nodeCoverageShape, node),
  identity: (node) => node.node,
  reference: (node) => `node/${referencePart(node.node)}`,
  tone: (node) => (node.namespacesFailed > 0 || node.unseen > 0 ? "bad" : "plain"),
};
