// What the aggregator knows of the cluster beside the reports: the identity of pods, nodes and services, fed by the API
// server's watches where there is an API server, and by the pods that reports tell of.

import type { KubeConfigChoice } from "../../lib/kubernetes/kube-config.ts";
import { loadKubeConfig } from "../../lib/kubernetes/kube-config.ts";
import { KubernetesApi } from "../../lib/kubernetes/kubernetes-api.ts";
import { KubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import type { ListWatchState } from "../../lib/kubernetes/list-watch.ts";
import type { Log } from "../../lib/log.ts";
import { ClusterIdentity } from "./identify/cluster-identity.ts";
import type { ClusterKind } from "./identify/cluster-identity.ts";
import { watchCluster } from "./identify/cluster-watch.ts";
import type { ReportListener } from "./ingest/ingest.ts";
import { TICK_MS } from "./store/node-record.ts";

/** What is known of the cluster. */
export interface ClusterKnowledge {
  readonly identity: ClusterIdentity;
  /** Resolves once everything that may be known is. */
  readonly synced: Promise<void>;
  /** Takes in the pods of a report. */
  readonly onReport: ReportListener;
  /** How the watches go, by kind; empty where there is no API server. */
  states(): ReadonlyMap<ClusterKind, ListWatchState>;
  stop(): Promise<void>;
}

/** Starts to learn. `goneKeepMs`: how long pods that are gone are remembered. */
export function learnCluster(
  environment: KubeConfigChoice["environment"],
  goneKeepMs: number,
  now: () => number,
  log: Log,
): ClusterKnowledge {
  const identity = new ClusterIdentity(goneKeepMs);
  const onReport: ReportListener = ({ header }, observedMs) => {
    if (header.pods.length === 0) return;
    const tickToMs = (ticks: number): number => observedMs - (header.ticks - ticks) * TICK_MS;
    identity.learnPods({ node: header.node, pods: header.pods, observedMs, tickToMs });
  };
  const api = kubernetesApi(environment, log);
  if (api === null) {
    const none = { synced: Promise.resolve(), states: () => new Map(), stop: () => Promise.resolve() };
    return { identity, onReport, ...none };
  }
  const watch = watchCluster({ api, identity, now, log: (level, sentence) => log[level]({}, sentence) });
  return {
    identity,
    onReport,
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
