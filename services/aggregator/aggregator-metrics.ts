// The aggregator's metrics: what it holds, whether it keeps up, what it rejected or dropped.

import type { Registry } from "prom-client";
import { Gauge } from "prom-client";

import type { MetricSource } from "../../lib/http/metrics.ts";
import { counter, createRegistry, gauge, registerMetrics } from "../../lib/http/metrics.ts";
import type { ListWatchState } from "../../lib/kubernetes/list-watch.ts";
import type { ClusterKnowledge } from "./cluster-knowledge.ts";
import type { SubscriptionCounters } from "./ingest/nats-subscription.ts";
import type { Aggregator } from "./aggregator.ts";
import type { ServerCounts } from "./serve/server.ts";

/** Sources of the values. */
interface AggregatorMetricSources {
  readonly aggregator: Aggregator;
  readonly cluster: ClusterKnowledge;
  /** Null until NATS is connected for the first time. */
  readonly subscription: () => SubscriptionCounters | null;
  readonly serving: () => ServerCounts;
}

/** Creates a registry with the aggregator's metrics, all named whotalks_aggregator_…, and Node's own. */
export function aggregatorMetrics(sources: AggregatorMetricSources): Registry {
  const registry = createRegistry();
  registerMetrics(registry, "whotalks_aggregator_", [
    ...ingestMetrics(sources),
    ...tableMetrics(sources),
    ...clusterMetrics(sources),
    ...servingMetrics(sources),
  ]);
  registerWatches(registry, sources.cluster);
  return registry;
}

function ingestMetrics({ aggregator, subscription }: AggregatorMetricSources): MetricSource[] {
  const counts = () => aggregator.counts();
  return [
    counter("reports_applied_total", "Reports applied.", () => counts().applied),
    counter("reports_rejected_total", "Malformed reports.", () => counts().rejected),
    counter("reports_duplicate_total", "Duplicate reports.", () => counts().duplicates),
    counter("reports_stale_total", "Reports from an earlier run of their agent.", () => counts().stale),
    counter(
      "reports_strange_total",
      "Reports in the name of nodes that the cluster does not have.",
      () => counts().strange,
    ),
    counter("reports_waiting_total", "Deltas ignored until a keyframe arrives.", () => counts().waiting),
    counter("rows_rejected_total", "Malformed rows in reports.", () => counts().rowsRejected),
    counter("ingest_seconds_total", "Time spent ingesting reports.", () => counts().ingestMs / 1000),
    counter(
      "messages_rejected_total",
      "Messages that are not a report of the node named by their subject.",
      () => subscription()?.rejected ?? 0,
    ),
    counter(
      "messages_failed_total",
      "Reports that could not be ingested because of an error.",
      () => subscription()?.failed ?? 0,
    ),
    counter("stream_restarts_total", "Stream resubscriptions.", () => subscription()?.restarts ?? 0),
    gauge(
      "stream_behind",
      "Messages in the stream that are not read yet.",
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
      "Nodes that are expected to report.",
      () => cluster.coverage()?.nodesExpected.size ?? counts().nodes,
    ),
    gauge("sockets", "Sockets in the tables.", () => counts().sockets),
    gauge("listeners", "Listeners in the tables.", () => counts().listeners),
    gauge("connections", "Connections in the tables, ended ones included.", () => counts().connections),
    gauge("connections_ended", "Ended connections that are still shown.", () => counts().endedConnections),
    gauge("edges", "Edges in the tables.", () => counts().edges),
    counter(
      "overflowed_total",
      "Entries dropped because a table or queue was full.",
      () => counts().overflowed,
    ),
    counter(
      "accounts_overflowed_total",
      "Accounts of deleted network namespaces evicted early because their table was full.",
      () => counts().accountsOverflowed,
    ),
    gauge(
      "ends_ambiguous",
      "Sockets that could belong to several connections.",
      () => counts().ambiguousEnds,
    ),
  ];
}

function clusterMetrics({ cluster }: AggregatorMetricSources): MetricSource[] {
  return [
    gauge(
      "nodes_unread",
      "Expected nodes that have never reported.",
      () => cluster.coverage()?.nodesUnread.length ?? 0,
    ),
    gauge(
      "pods_unread",
      "Running or recently ended pods that were never read.",
      () => cluster.coverage()?.podsUnread.length ?? 0,
    ),
    gauge(
      "pods_unobservable",
      "Pods whose sockets are not in a kernel that an agent reads (sandboxes, other systems).",
      () => cluster.coverage()?.podsUnobservable.length ?? 0,
    ),
    gauge("identity_pods", "Pods remembered, deleted ones included.", () => cluster.identity.counters.pods),
    gauge(
      "identity_addresses",
      "Addresses whose owners are remembered.",
      () => cluster.identity.counters.addresses,
    ),
    counter(
      "identity_overflowed_total",
      "Pods, addresses and read-markers evicted because their table was full.",
      () => cluster.identity.counters.overflowed + cluster.readingsForgotten(),
    ),
    counter(
      "identity_rejected_total",
      "Pods reported by a node other than their own.",
      () => cluster.identity.counters.rejected,
    ),
  ];
}

function servingMetrics({ serving }: AggregatorMetricSources): MetricSource[] {
  return [
    gauge("calls", "Calls of the query API that run.", () => serving().calls),
    gauge("callers", "Callers whose calls run.", () => serving().callers),
    gauge(
      "answer_bytes",
      "Bytes of answers that are encoded and not taken by their readers.",
      () => serving().bytes,
    ),
    gauge("query_connections", "Connections to the query API.", () => serving().connections),
    counter("calls_total", "Calls of the query API that were admitted.", () => serving().started),
    counter(
      "calls_refused_caller_total",
      "Calls refused because their caller had too many.",
      () => serving().refusedForCaller,
    ),
    counter(
      "calls_refused_all_total",
      "Calls refused because all callers together had too many.",
      () => serving().refusedForAll,
    ),
    counter(
      "calls_refused_bytes_total",
      "Calls refused because their answer had no room in memory.",
      () => serving().refusedForBytes,
    ),
    counter(
      "readers_dropped_stalled_total",
      "Readers dropped because they took nothing of their answer for the reader timeout.",
      () => serving().droppedStalled,
    ),
    counter(
      "readers_dropped_room_total",
      "Stalled readers dropped before the reader timeout, because others needed their room.",
      () => serving().droppedForRoom,
    ),
    counter(
      "query_connections_refused_total",
      "Connections to the query API closed at once, because there were too many.",
      () => serving().connectionsRefused,
    ),
  ];
}

function registerWatches(registry: Registry, cluster: ClusterKnowledge): void {
  registerWatch(registry, cluster, "objects", "Watched objects by kind.", (state) => state.objects);
  registerWatch(registry, cluster, "lists", "Complete lists by kind.", (state) => state.lists);
  registerWatch(
    registry,
    cluster,
    "errors",
    "Failed calls to the API server by kind.",
    (state) => state.errors,
  );
  registerWatch(
    registry,
    cluster,
    "overflowed",
    "Objects beyond the limit by kind.",
    (state) => state.overflowed,
  );
  registerWatch(
    registry,
    cluster,
    "age_seconds",
    "Time since the last event or list by kind.",
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
