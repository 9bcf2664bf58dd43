// The view of coverage: how completely and how recently each node was read, and with -o wide each pod.

import type { NodeCoverage } from "../../lib/gen/whotalks/v1/report.ts";
import { writeObject } from "../../lib/json/codec.ts";
import { nodeCoverageShape } from "../../lib/json/messages.ts";
import { writeDuration } from "../../lib/duration.ts";
import { formatAge } from "../text/age.ts";
import { podsTable } from "./pod-coverage.ts";
import { type Column, countColumn, referencePart, type View } from "./view.ts";

type NodeCount = {
  [Key in keyof NodeCoverage]: NodeCoverage[Key] extends number ? Key : never;
}[keyof NodeCoverage];

function count(key: string, header: string, field: NodeCount, wide = false): Column<NodeCoverage> {
  return countColumn(key, header, (node) => node[field], wide);
}

function word(key: "reader" | "events" | "conntrack"): Column<NodeCoverage> {
  return { key, header: key.toUpperCase(), cell: (node) => node[key], rank: (node) => node[key] };
}

/** One row per node. */
export const coverageView: View<NodeCoverage> = {
  name: "coverage",
  kind: "Coverage",
  one: "node",
  many: "nodes",
  columns: [
    { key: "node", header: "NODE", cell: (node) => node.node, rank: (node) => node.node },
    word("reader"),
    word("events"),
    word("conntrack"),
    {
      key: "namespaces",
      header: "NAMESPACES",
      moving: true,
      cell: (node) => `${node.namespaces}/${node.namespaces + node.namespacesFailed}`,
      rank: (node) => node.namespaces,
    },
    count("sockets", "SOCKETS", "sockets"),
    count("opened", "ENDS-OPENED", "openedByKernel"),
    { ...count("unseen", "ENDS-UNSEEN", "unseen"), moving: false },
    {
      key: "since",
      header: "SINCE",
      moving: true,
      cell: (node, { nowMs }) => (node.sinceMs === 0 ? "" : formatAge(nowMs - node.sinceMs)),
      rank: (node) => node.sinceMs,
    },
    {
      key: "age",
      header: "AGE",
      moving: true,
      cell: (node) => (node.sinceMs === 0 ? "never read" : formatAge(node.ageMs)),
      rank: (node) => node.ageMs,
    },
    {
      key: "interval",
      header: "INTERVAL",
      moving: true,
      cell: (node) => writeDuration(node.intervalMs),
      rank: (node) => node.intervalMs,
    },
    count("seen", "ENDS-SEEN", "seen", true),
    count("failed", "ATTEMPTS-FAILED", "failedByKernel", true),
    count("processes", "PROCESSES", "processes", true),
    { ...count("unattributed", "UNATTRIBUTED", "socketsUnattributed", true), moving: false },
    {
      key: "pass",
      header: "PASS",
      wide: true,
      moving: true,
      cell: (node) => `${(node.passMicros / 1000).toFixed(1)}ms`,
      rank: (node) => node.passMicros,
    },
    count("malformed", "MALFORMED", "linesMalformed", true),
    count("overflowed", "OVERFLOWED", "socketsOverflowed", true),
    count("gaps", "GAPS", "gaps", true),
  ],
  labelColumns: [],
  order: ["node"],
  wideTable: podsTable,
  csv: nodeCoverageShape.fields.map((field) => field.name),
  json: (node) => writeObject(nodeCoverageShape, node),
  identity: (node) => node.node,
  reference: (node) => `node/${referencePart(node.node)}`,
  tone: (node) => (node.namespacesFailed > 0 || node.unseen > 0 ? "bad" : "plain"),
};
