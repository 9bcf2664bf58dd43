// What the agent tells Prometheus of itself: whether it reads, whether it gets its reports off, what it falls short of.

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
  /** Null if destroyed sockets are not heard of. */
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
    gauge("pass_seconds", "How long the last pass took.", () => (passes.coverage?.passMicros ?? 0) / 1e6),
    gauge(
      "interval_seconds",
      "The interval between passes that was reached.",
      () => (passes.coverage?.intervalMs ?? 0) / 1000,
    ),
    gauge(
      "pass_cpu_seconds",
      "CPU that the agent used from the end of the pass before to the end of the last one.",
      () => (passes.cost?.cpuMs ?? 0) / 1000,
    ),
    gauge(
      "namespaces_read_seconds",
      "How long reading all network namespaces took in the last pass.",
      () => (passes.cost?.namespaceMicrosTotal ?? 0) / 1e6,
    ),
    gauge(
      "namespace_read_seconds_max",
      "How long the dearest network namespace took in the last pass.",
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
    gauge("limits", "What stands in the way of seeing all.", () => passes.coverage?.limits.length ?? 0),
    counter(
      "opened_total",
      "TCP connections that the kernel counted as opened.",
      () => passes.coverage?.openedByKernel ?? 0,
    ),
    counter("seen_total", "Ends of TCP connections that were seen.", () => passes.coverage?.seen ?? 0),
    counter(
      "destroyed_overruns_total",
      "Times that the kernel dropped announcements of destroyed sockets for lack of buffer.",
      () => passes.coverage?.destroyedOverruns ?? 0,
    ),
    counter(
      "destroyed_of_strangers_total",
      "Destroyed sockets of network namespaces in which no process of this node was ever seen.",
      () => destroyed?.ofStrangers ?? 0,
    ),
    counter(
      "overflowed_total",
      "Sockets, flows and announcements that found no place.",
      () => passes.coverage?.socketsOverflowed ?? 0,
    ),
    gauge("unseen", "TCP connections that were opened and not seen.", () => passes.coverage?.unseen ?? 0),
  ];
}

function flowMetrics({ flows }: AgentMetricSources): MetricSource[] {
  return [
    gauge("flows", "Flows (conntrack entries) that are known.", () => flows?.size ?? 0),
    gauge("flow_namespaces", "Pods' network namespaces whose own flows are read.", () => flows?.pods ?? 0),
    counter("flow_events_total", "Events of conntrack that came.", () => flows?.events ?? 0),
    counter(
      "flow_overruns_total",
      "Times that the kernel dropped events of conntrack for lack of buffer.",
      () => flows?.overruns ?? 0,
    ),
    counter("flows_overflowed_total", "Flows that found no place.", () => flows?.overflowed ?? 0),
    counter("flows_malformed_total", "Flows that made no sense.", () => flows?.malformed ?? 0),
  ];
}

function publishMetrics({ publisher }: AgentMetricSources): MetricSource[] {
  const sent = () => publisher.counters();
  return [
    counter("reports_acknowledged_total", "Reports that NATS acknowledged.", () => sent().acknowledged),
    counter("reports_dropped_total", "Reports that found no room or were too large.", () => sent().dropped),
    counter(
      "reports_resent_total",
      "Reports sent again since the stream had lost them.",
      () => sent().resent,
    ),
    counter("publish_retries_total", "Publishings that failed and were tried again.", () => sent().retries),
    counter(
      "stream_went_back_total",
      "Times that the stream had lost what it had acknowledged.",
      () => sent().wentBack,
    ),
    gauge("reports_waiting", "Reports that NATS has not acknowledged yet.", () => sent().waiting),
    gauge("reports_waiting_bytes", "Their bytes.", () => sent().waitingBytes),
  ];
}

function podMetrics({ pods, podWatch }: AgentMetricSources): MetricSource[] {
  return [
    gauge("pods", "Pods of this node that are known, those that ended lately too.", () => pods.size),
    counter("pods_overflowed_total", "Pods that found no place.", () => pods.overflowed),
    gauge("pods_age_seconds", "How old the knowledge of pods is.", () => (podWatch?.state.ageMs ?? 0) / 1000),
    counter("pod_watch_errors_total", "Failed calls to the API server.", () => podWatch?.state.errors ?? 0),
  ];
}
