// The coverage of an answer: each node's report on its last pass, plus what the aggregator knows.

import type { Coverage } from "../../../lib/gen/whotalks/v1/query.ts";
import type { NodeCoverage } from "../../../lib/gen/whotalks/v1/report.ts";
import { NodeCoverage as NodeCoverageMessage } from "../../../lib/gen/whotalks/v1/report.ts";
import type { PodGap } from "../identity/cluster/pod-gaps.ts";
import type { View, ViewedNode, ViewedSums } from "../view/view.ts";
import { listPodCoverage, podsWithoutReading } from "./pod-coverage.ts";

/**
 * Nodes, and pods of each kind, that an answer names; further ones are counted. 100 names are at most 35 KiB.
 */
const NAMES_MAX = 100;
/** Pods' accounts in one answer: about 200 bytes each, in a message of 16 MiB at most. */
const ACCOUNTS_MAX = 50_000;

/** How long coverage names a second agent of a node after it was last contradicted. */
const RIVAL_KEEP_MS = 15 * 60_000;

/** How long a node that was removed from the cluster stays in coverage after its last report. */
export const REMOVED_NODE_KEEP_MS = 15 * 60_000;

/** What only the cluster's objects know. */
export interface ClusterCoverage {
  /** Names of the nodes that should report; empty if unknown. */
  readonly nodesExpected: ReadonlySet<string>;
  /** Expected nodes that have never reported. */
  readonly nodesUnread: readonly string[];
  readonly podsUnread: readonly PodGap[];
  readonly podsUnobservable: readonly PodGap[];
  /** Kinds that the API server does not let the aggregator read, as sentences that say what to grant. */
  readonly limits: readonly string[];
}

/** The inputs of coverage. */
export interface CoverageParts {
  readonly view: View;
  readonly reportsRejected: number;
  /** Names of nodes that the cluster does not have and in whose name reports came. */
  readonly strangers: readonly string[];
  /** Null if only reports are known. */
  readonly cluster: ClusterCoverage | null;
  /** How long closed connections are kept. */
  readonly closedKeepMs: number;
  /** Whether to include every pod's own account. */
  readonly pods: boolean;
}

/** Returns the coverage at the time of a view. */
export function coverageOf(parts: CoverageParts): Coverage {
  const { view, reportsRejected, strangers, cluster, closedKeepMs, pods } = parts;
  const { nowMs } = view;
  const sums = view.nodeSums();
  const nodes = view.nodes
    .all()
    .filter((node) => !isRemoved(node, cluster, nowMs))
    .map((node) => nodeCoverage(node, sums[node.index]!, nowMs));
  const unobservable = cluster?.podsUnobservable ?? [];
  const unread = [...(cluster?.podsUnread ?? []), ...podsWithoutReading(view, unobservable)];
  const accounts = pods ? listPodCoverage(view, unread, unobservable) : [];
  const total = (figure: (node: NodeCoverage) => number): number =>
    nodes.reduce((added, node) => added + figure(node), 0);
  return {
    nodes,
    podsUnread: unread.slice(0, NAMES_MAX).map(nameOf),
    podsUnobservable: unobservable.slice(0, NAMES_MAX).map(nameOf),
    nodesExpected: cluster?.nodesExpected.size ?? nodes.length,
    storeOverflowed: view.overflowed,
    endsAmbiguous: view.ambiguousEnds,
    reportsRejected,
    openedByKernel: total((node) => node.openedByKernel),
    failedByKernel: total((node) => node.failedByKernel),
    seen: total((node) => node.seen),
    unseen: total((node) => node.unseen),
    sinceMs: nodes.reduce((latest, node) => Math.max(latest, node.sinceMs), 0),
    podsUnreadMore: Math.max(0, unread.length - NAMES_MAX),
    podsUnobservableMore: Math.max(0, unobservable.length - NAMES_MAX),
    nodesUnread: (cluster?.nodesUnread ?? []).slice(0, NAMES_MAX),
    pods: accounts.slice(0, ACCOUNTS_MAX),
    podsMore: Math.max(0, accounts.length - ACCOUNTS_MAX),
    limits: [...(cluster?.limits ?? []), ...strangerLimits(strangers)],
    countedSinceMs: nodes.reduce((latest, node) => Math.max(latest, node.countedSinceMs), 0),
    keptSinceMs: Math.round(nowMs - closedKeepMs),
  };
}

// A node that the cluster no longer has is not late.
function isRemoved(node: ViewedNode, cluster: ClusterCoverage | null, nowMs: number): boolean {
  if (cluster === null || cluster.nodesExpected.size === 0 || cluster.nodesExpected.has(node.name))
    return false;
  return node.lost && nowMs - node.stream.arrivedMs > REMOVED_NODE_KEEP_MS;
}

function nameOf({ namespace, name }: PodGap): string {
  return `${namespace}/${name}`;
}

function nodeCoverage(node: ViewedNode, sums: ViewedSums, nowMs: number): NodeCoverage {
  const reported = node.coverage ?? NodeCoverageMessage.create();
  const { earlierRuns, stream } = node;
  const limits = [...reported.limits];
  if (node.lost) {
    const silentS = Math.round((nowMs - node.stream.arrivedMs) / 1000);
    limits.push(`node lost: no report for ${silentS} s, its connections were ended`);
  } else if (stream.awaitsKeyframe) {
    limits.push(`waiting for a keyframe: ${whyWaiting(node)}, what happens until it comes is not seen`);
  }
  limits.push(...rivalLimits(node, nowMs));
  return {
    ...reported,
    node: node.name,
    limits,
    ageMs: node.observedMs === 0 ? 0 : Math.max(0, Math.round(nowMs - node.observedMs)),
    gaps: stream.gaps,
    sinceMs: Math.round(node.sinceMs),
    openedByKernel: sums.opened,
    failedByKernel: sums.failed,
    seen: sums.seen,
    unseen: sums.unseen,
    agentRestarts: earlierRuns.count,
    agentAwayMs: Math.round(earlierRuns.awayMs),
    countedSinceMs: Math.round(node.countedSinceMs),
  };
}

function rivalLimits({ name, rivals }: ViewedNode, nowMs: number): string[] {
  if (rivals.contradicted === 0 || nowMs - rivals.lastMs > RIVAL_KEEP_MS) return [];
  return [
    `two agents report for ${name}: the reports of the one that came later are held back; ` +
      "delete it, or change the agents' NATS password if it is none of yours",
  ];
}

function strangerLimits(names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const verb = "refuses reports in the name of nodes that the cluster does not have";
  return [`${verb}: ${names.join(", ")}; change the agents' NATS password if they are none of yours`];
}

function whyWaiting({ stream, earlierRuns }: ViewedNode): string {
  if (stream.gaps > 0) return "reports were lost";
  return earlierRuns.count > 0 ? "the agent has restarted" : "the agent is new here";
}
