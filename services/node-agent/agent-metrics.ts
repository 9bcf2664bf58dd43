// The agent's Prometheus metrics: whether it reads, whether its reports are delivered, and what it misses.

import type { Registry } from "prom-client";
import type { MetricSource } from "../../lib/http/metrics.ts";
import { counter, createRegistry, gauge, registerMetrics } from "../../lib/http/metrics.ts";
import type { NodeFlows } from "./conntrack/node-flows.ts";
import type { PassRecord } from "./pass-record.ts";
import type { PodTable } from "./pods/pod-table.ts";
import type { PodWatch } from "./pods/pod-watch.ts";
import type { NatsPublisher } from "./publish/nats-publisher.ts";

/** Where the figures come from. */
interface AgentMetricSources {
  readonly publisher: NatsPublisher;
  readonly pods: PodTable;
  /** Null if conntrack is not read. */
  readonly flows: NodeFlows | null;
  /** Null if events of destroyed sockets are not received. */
  readonly destroyed: { readonly ofStrangers: number } | null;
  /** Null where there is no Kubernetes API. */
  readonly podWatch: PodWatch | null;
  readonly passes: PassRecord;
}

/** A registry with the agent's metrics, all named whotalks_agent_…, and Node's own. */
export function agentMetrics(sources: AgentMetricSources): Registry {
  const registry = createRegistry();
  registerMetrics(registry, "whotalks_agent_", [
    ...passMetrics(sources),
    ...flowMetrics(sources),
    ...publishMetrics(sources),
    ...podMetrics(sources),
  ]);
  return registry;
}

function passMetrics({ passes, destroyed }: AgentMetricSources): MetricSource[] {
  return [
    counter("passes_total", "Passes over the kernel's tables.", () => passes.count),
    gauge("pass_seconds", "Duration of the last pass.", () => (passes.coverage?.passMicros ?? 0) / 1e6),
    gauge(
      "interval_seconds",
      "Interval between passes that was achieved.",
      () => (passes.coverage?.intervalMs ?? 0) / 1000,
    ),
    gauge(
      "pass_cpu_seconds",
      "CPU time of the agent between the ends of the last two passes.",
      () => (passes.cost?.cpuMs ?? 0) / 1000,
    ),
    gauge(
      "namespaces_read_seconds",
      "Time spent reading all network namespaces in the last pass.",
      () => (passes.cost?.namespaceMicrosTotal ?? 0) / 1e6,
    ),
    gauge(
      "namespace_read_seconds_max",
      "Duration of the slowest network namespace in the last pass.",
      () => (passes.cost?.namespaceMicrosMax ?? 0) / 1e6,
    ),
    gauge("sockets", "Sockets that the last pass read.", () => passes.coverage?.sockets ?? 0),
    gauge(
      "namespaces",
      "Network namespaces that the last pass read.",
      () => passes.coverage?.namespaces ?? 0,
    ),
    gauge(
      "namespaces_failed",
      "Network namespaces that could not be read.",
      () => passes.coverage?.namespacesFailed ?? 0,
    ),
    gauge("limits", "Limitations that coverage reports.", () => passes.coverage?.limits.length ?? 0),
    counter(
      "opened_total",
      "TCP connections that the kernel counted as opened.",
      () => passes.coverage?.openedByKernel ?? 0,
    ),
    counter("seen_total", "Ends of TCP connections that were seen.", () => passes.coverage?.seen ?? 0),
    counter(
      "destroyed_overruns_total",
      "Times that the kernel dropped announcements of destroyed sockets because the buffer was full.",
      () => passes.coverage?.destroyedOverruns ?? 0,
    ),
    counter(
      "destroyed_of_strangers_total",
      "Destroyed sockets in network namespaces without a known process.",
      () => destroyed?.ofStrangers ?? 0,
    ),
    counter(
      "events_lost_total",
      "Events of TCP sockets lost because the buffer was full.",
      () => passes.coverage?.eventsLost ?? 0,
    ),
    counter(
      "events_missed_total",
      "TCP sockets that a pass found and that no event had announced.",
      () => passes.coverage?.eventsMissed ?? 0,
    ),
    counter(
      "overflowed_total",
      "Sockets, flows and announcements dropped because a table was full.",
      () => passes.coverage?.socketsOverflowed ?? 0,
    ),
    gauge("unseen", "TCP connections that were opened and not seen.", () => passes.coverage?.unseen ?? 0),
  ];
}

function flowMetrics({ flows }: AgentMetricSources): MetricSource[] {
  return [
    gauge("flows", "Flows (conntrack entries) in the table.", () => flows?.size ?? 0),
    gauge("flow_namespaces", "Pods' network namespaces whose own flows are read.", () => flows?.pods ?? 0),
    counter("flow_events_total", "conntrack events received.", () => flows?.events ?? 0),
    counter(
      "flow_overruns_total",
      "Times that the kernel dropped conntrack events because the buffer was full.",
      () => flows?.overruns ?? 0,
    ),
    counter(
      "flows_overflowed_total",
      "Flows dropped because the table was full.",
      () => flows?.overflowed ?? 0,
    ),
    counter("flows_malformed_total", "Malformed flows.", () => flows?.malformed ?? 0),
  ];
}

function publishMetrics({ publisher }: AgentMetricSources): MetricSource[] {
  const sent = () => publisher.counters();
  return [
    counter("reports_acknowledged_total", "Reports acknowledged by NATS.", () => sent().acknowledged),
    counter(
      "reports_dropped_total",
      "Reports dropped because the queue was full or they were too large.",
      () => sent().dropped,
    ),
    counter("reports_resent_total", "Reports resent because the stream had lost them.", () => sent().resent),
    counter("publish_retries_total", "Retries of failed publishes.", () => sent().retries),
    counter(
      "stream_went_back_total",
      "Times that the stream had lost acknowledged reports.",
      () => sent().wentBack,
    ),
    gauge("reports_waiting", "Reports not acknowledged by NATS yet.", () => sent().waiting),
    gauge(
      "reports_waiting_bytes",
      "Bytes of reports not acknowledged by NATS yet.",
      () => sent().waitingBytes,
    ),
  ];
}

function podMetrics({ pods, podWatch }: AgentMetricSources): MetricSource[] {
  return [
    gauge("pods", "Pods of this node in the table, recently ended ones included.", () => pods.size),
    counter("pods_overflowed_total", "Pods dropped because the table was full.", () => pods.overflowed),
    gauge(
      "pods_age_seconds",
      "Time since the last event or list of pods.",
      () => (podWatch?.state.ageMs ?? 0) / 1000,
    ),
    counter("pod_watch_errors_total", "Failed calls to the API server.", () => podWatch?.state.errors ?? 0),
  ];
}
