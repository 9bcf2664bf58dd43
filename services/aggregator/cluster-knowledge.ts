// What the aggregator knows about the cluster besides reports: the identity of pods, nodes and services, fed
// by the API server's watches, if there is an API server, and by the pods in reports.

import type { KubeConfigChoice } from "../../lib/kubernetes/kube-config.ts";
import { loadKubeConfig } from "../../lib/kubernetes/kube-config.ts";
import { KubernetesApi } from "../../lib/kubernetes/kubernetes-api.ts";
import { KubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import type { ListWatchState } from "../../lib/kubernetes/list-watch.ts";
import type { Log } from "../../lib/program/log.ts";
import { ClusterIdentity } from "./identity/cluster/cluster-identity.ts";
import { PodGapAccount } from "./identity/cluster/pod-gaps.ts";
import type { ClusterKind } from "./identity/cluster/cluster-identity.ts";
import { watchCluster } from "./identity/cluster/cluster-watch.ts";
import type { ReportListener } from "./ingest/ingest.ts";
import type { ClusterCoverage } from "./query/coverage.ts";
import { TICK_MS } from "../../lib/ticks.ts";

/** Knowledge about the cluster. */
export interface ClusterKnowledge {
  readonly identity: ClusterIdentity;
  /** Resolves once each kind of object is listed or known to be forbidden; at once without an API server. */
  readonly synced: Promise<void>;
  /** Stores the pods of a report. */
  readonly onReport: ReportListener;
  /**
   * Nodes and pods that should be read and are not, at most COVERAGE_AGE_MS_MAX old; null without an API
   * server.
   */
  coverage(): ClusterCoverage | null;
  /** Read-markers of pods and nodes that were evicted because the table was full. */
  readingsForgotten(): number;
  /** Drops expired entries; to be called periodically. */
  forget(): void;
  /** State of the watches, by kind; empty without an API server. */
  states(): ReadonlyMap<ClusterKind, ListWatchState>;
  stop(): Promise<void>;
}

/** Retention times, in milliseconds. */
interface KnowledgeKeeping {
  /** Deleted pods. */
  readonly goneKeepMs: number;
  /** Deleted pods that were never read stay in coverage this long. */
  readonly unreadKeepMs: number;
}

/** Gaps are recomputed after this: it takes a pass over every pod of the cluster (10 ms for 150,000). */
const COVERAGE_AGE_MS_MAX = 1000;

/** Starts watching the cluster. */
export function learnCluster(
  environment: KubeConfigChoice["environment"],
  { goneKeepMs, unreadKeepMs }: KnowledgeKeeping,
  now: () => number,
  log: Log,
): ClusterKnowledge {
  const identity = new ClusterIdentity(goneKeepMs);
  const account = new PodGapAccount();
  const readingsForgotten = (): number => account.overflowed;
  const forget = (): void => {
    identity.forget(now());
    account.forget(now() - goneKeepMs, (uid) => identity.pod(uid) !== undefined);
  };
  const onReport: ReportListener = ({ header }, observedMs) => {
    account.note(header, observedMs);
    if (header.pods.length === 0) return;
    const tickToMs = (ticks: number): number => observedMs - (header.ticks - ticks) * TICK_MS;
    identity.learnPods({ node: header.node, pods: header.pods, observedMs, tickToMs });
  };
  const api = kubernetesApi(environment, log);
  if (api === null) {
    const none = { synced: Promise.resolve(), states: () => new Map(), stop: () => Promise.resolve() };
    return { identity, onReport, forget, readingsForgotten, coverage: () => null, ...none };
  }
  const watch = watchCluster({ api, identity, now, log: (level, sentence) => log[level]({}, sentence) });
  let latest: ClusterCoverage | null = null;
  let latestMs = -Infinity;
  return {
    identity,
    onReport,
    forget,
    readingsForgotten,
    coverage: () => {
      const nowMs = now();
      if (latest !== null && Math.abs(nowMs - latestMs) < COVERAGE_AGE_MS_MAX) return latest;
      latestMs = nowMs;
      const nodes = identity.readableNodes;
      const gaps = account.gaps(identity.ranPods(), nowMs, unreadKeepMs);
      latest = {
        nodesExpected: new Set(nodes),
        nodesUnread: nodes.filter((node) => !account.hasReported(node)).toSorted(),
        podsUnread: gaps.unread,
        podsUnobservable: gaps.unobservable,
        limits: watch.limits(),
      };
      return latest;
    },
    synced: watch.synced,
    states: () => watch.states(),
    stop: async () => {
      await watch.stop();
      api.close();
    },
  };
}

function kubernetesApi(environment: KubeConfigChoice["environment"], log: Log): KubernetesApi | null {
  try {
    return new KubernetesApi(loadKubeConfig({ environment }));
  } catch (error) {
    if (!(error instanceof KubernetesError)) throw error;
    log.warn({}, `only pods that reports tell of have names here: ${error.message}`);
    return null;
  }
}
