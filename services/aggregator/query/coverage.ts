// What an answer rests on: each node's own account of its last pass, with what the aggregator knows beside it.

import type { Coverage } from "../../../lib/gen/whotalks/v1/query.ts";
import type { NodeCoverage } from "../../../lib/gen/whotalks/v1/report.ts";
import { NodeCoverage as NodeCoverageMessage } from "../../../lib/gen/whotalks/v1/report.ts";
import type { NodeRecord } from "../store/node-record.ts";
import { TICK_MS } from "../store/node-record.ts";
import type { Tables } from "../store/tables.ts";

/** What only a cluster's own objects tell. */
export interface ClusterCoverage {
  /** Nodes that should report. */
  readonly nodesExpected: number;
  readonly podsUnread: readonly string[];
  readonly podsUnobservable: readonly string[];
}

/** The coverage at a time of the stream's clock. cluster is null where nothing tells more than the reports. */
export function coverageAt(
  tables: Tables,
  reportsRejected: number,
  cluster: ClusterCoverage | null,
  nowMs: number,
): Coverage {
  return {
    nodes: tables.nodes.map((node) => nodeCoverage(node, nowMs)),
    podsUnread: [...(cluster?.podsUnread ?? [])],
    podsUnobservable: [...(cluster?.podsUnobservable ?? [])],
    nodesExpected: cluster?.nodesExpected ?? tables.nodes.length,
    storeOverflowed: tables.overflowed,
    endsAmbiguous: tables.ambiguousEnds,
    reportsRejected,
  };
}

function nodeCoverage(node: NodeRecord, nowMs: number): NodeCoverage {
  const reported = node.coverage ?? NodeCoverageMessage.create();
  const limits = [...reported.limits];
  if (node.lost) {
    const silentS = Math.round((nowMs - node.arrivedMs) / 1000);
    limits.push(`node lost: no report for ${silentS} s, its connections were ended`);
  } else if (node.awaitsKeyframe) {
    const why = node.gaps > 0 ? "reports were lost" : "the agent is new here";
    limits.push(`waiting for a keyframe: ${why}, what happens until it comes is not seen`);
  }
  return {
    ...reported,
    node: node.name,
    limits,
    ageMs: node.observedMs === 0 ? 0 : Math.max(0, Math.round(nowMs - node.observedMs)),
    gaps: node.gaps,
    sinceMs: node.observedMs === 0 ? 0 : Math.round(node.observedMs - node.ticks * TICK_MS),
  };
}
