// What the aggregator tells Prometheus of itself: what it holds, whether it keeps up, what it could not take in.

import type { Registry } from "prom-client";
import { Gauge } from "prom-client";

import type { MetricSource } from "../../lib/http/metrics.ts";
import { counter, createRegistry, gauge, registerMetrics } from "../../lib/http/metrics.ts";
import type { ListWatchState } from "../../lib/kubernetes/list-watch.ts";
import type { ClusterKnowledge } from "./cluster-knowledge.ts";
import type { SubscriptionCounters } from "./ingest/nats-subscription.ts";
import type { Aggregator } from "./aggregator.ts";

/** Where the figures come from. */
interface AggregatorMetricSources {
  readonly aggregator: Aggregator;
  readonly cluster: ClusterKnowledge;
  /** Null before NATS is connected for the first time. */
  readonly subscription: () => SubscriptionCounters | null;
}

/** A registry with the aggregator's metrics, all named whotalks_aggregator_…, and Node's own. */
export function aggregatorMetrics(sources: AggregatorMetricSources): Registry {
  const registry = createRegistry();
  registerMetrics(registry, "whotalks_aggregator_", [
    ...ingestMetrics(sources),
    ...tableMetrics(sources),
    ...clusterMetrics(sources),
  ]);
  registerWatches(registry, sources.cluster);
  return registry;
}

function ingestMetrics({ aggregator, subscription }: AggregatorMetricSources): MetricSource[] {
  const counts = () => aggregator.counts();
  return [
    counter("reports_applied_total", "Reports that were applied.", () => counts().applied),
    counter("reports_rejected_total", "Reports that made no sense.", () => counts().rejected),
    counter("reports_duplicate_total", "Reports that came again.", () => counts().duplicates),
    counter("reports_stale_total", "Reports of an earlier run of their agent.", () => counts().stale),
    counter("reports_waiting_total", "Reports that had to wait for a keyframe.", () => counts().waiting),
    counter("rows_rejected_total", "Rows of reports that made no sense.", () => counts().rowsRejected),
    counter("ingest_seconds_total", "Time spent on taking reports in.", () => counts().ingestMs / 1000),
    counter(
      "messages_rejected_total",
      "Messages that were no report of their subject's node.",
      () => subscription()?.rejected ?? 0,
    ),
    counter(
      "messages_failed_total",
      "Reports that failed to be taken in.",
      () => subscription()?.failed ?? 0,
    ),
    counter(
      "stream_restarts_total",
      "Times that the stream was read anew.",
      () => subscription()?.restarts ?? 0,
    ),
    gauge(
      "stream_behind",
      "Messages in the stream that are still to come.",
      () => subscription()?.behind ?? 0,
    ),
  ];
}

function tableMetrics({ aggregator, cluster }: AggregatorMetricSources): MetricSource[] {
  const counts = () => aggregator.counts();
  return [
    gauge("nodes", "Nodes that have reported.", () => counts().nodes),
    gauge(
      "nodes_expected",
      "Nodes that should report.",
      () => cluster.coverage()?.nodesExpected.size ?? counts().nodes,
    ),
    gauge("sockets", "Sockets known.", () => counts().sockets),
    gauge("listeners", "Listeners known.", () => counts().listeners),
    gauge("connections", "Connections known, ended ones too.", () => counts().connections),
    gauge(
      "connections_ended",
      "Connections that have ended and are still shown.",
      () => counts().endedConnections,
    ),
    gauge("edges", "Edges known.", () => counts().edges),
    counter("overflowed_total", "What found no place in the tables.", () => counts().overflowed),
    counter(
      "accounts_overflowed_total",
      "Accounts of network namespaces that are gone, given up early.",
      () => counts().accountsOverflowed,
    ),
    gauge(
      "ends_ambiguous",
      "Ends of connections that could belong to more than one.",
      () => counts().ambiguousEnds,
    ),
  ];
}

function clusterMetrics({ cluster }: AggregatorMetricSources): MetricSource[] {
  return [
    gauge(
      "nodes_unread",
      "Nodes that should report and never have.",
      () => cluster.coverage()?.nodesUnread.length ?? 0,
    ),
    gauge(
      "pods_unread",
      "Pods that ran, now or lately, and were never read.",
      () => cluster.coverage()?.podsUnread.length ?? 0,
    ),
    gauge(
      "pods_unobservable",
      "Pods whose sockets are in no kernel that is read.",
      () => cluster.coverage()?.podsUnobservable.length ?? 0,
    ),
    gauge("identity_pods", "Pods remembered, those that are gone too.", () => cluster.identity.counters.pods),
    gauge(
      "identity_addresses",
      "Addresses whose owners are remembered.",
      () => cluster.identity.counters.addresses,
    ),
    counter(
      "identity_overflowed_total",
      "Pods and addresses that found no place, and pods of which it was forgotten that they were read.",
      () => cluster.identity.counters.overflowed + cluster.readingsForgotten(),
    ),
    counter(
      "identity_rejected_total",
      "Pods that were reported by another node than theirs.",
      () => cluster.identity.counters.rejected,
    ),
  ];
}

function registerWatches(registry: Registry, cluster: ClusterKnowledge): void {
  registerWatch(
    registry,
    cluster,
    "objects",
    "Objects of a kind that are followed.",
    (state) => state.objects,
  );
  registerWatch(registry, cluster, "lists", "Whole lists that were taken of a kind.", (state) => state.lists);
  registerWatch(
    registry,
    cluster,
    "errors",
    "Failed calls to the API server for a kind.",
    (state) => state.errors,
  );
  registerWatch(
    registry,
    cluster,
    "overflowed",
    "Objects of a kind beyond the limit.",
    (state) => state.overflowed,
  );
  registerWatch(
    registry,
    cluster,
    "age_seconds",
    "How old the knowledge of a kind is.",
    (state) => state.ageMs / 1000,
  );
}

function registerWatch(
  registry: Registry,
  cluster: ClusterKnowledge,
  name: string,
  help: string,
  value: (state: ListWatchState) => number,
): void {
  const metric: Gauge = new Gauge({
    name: `whotalks_aggregator_watch_${name}`,
    help,
    labelNames: ["kind"],
    registers: [registry],
    collect: () => {
      for (const [kind, state] of cluster.states()) metric.set({ kind }, value(state));
    },
  });
}
