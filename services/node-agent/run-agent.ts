// The agent as it runs in a cluster: the pipeline with its ends, the node's kernel tables and NATS, and what goes
// beside it: the watch of the node's pods, metrics and probes.

import type { NodeCoverage } from "../../lib/gen/whotalks/v1/report.ts";
import { startOperationsServer } from "../../lib/http/operations-server.ts";
import { loadClusterAccess } from "../../lib/kubernetes/cluster-access.ts";
import type { KubeConfigChoice } from "../../lib/kubernetes/kube-config.ts";
import { KubernetesApi } from "../../lib/kubernetes/kubernetes-api.ts";
import { KubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import type { Log } from "../../lib/program/log.ts";
import { connectForEver } from "../../lib/nats/connection.ts";
import { natsOptions } from "../../lib/nats/settings.ts";
import { ticksOf } from "../../lib/ticks.ts";
import { agentMetrics } from "./agent-metrics.ts";
import type { AgentConfig } from "./config.ts";
import { NodeFlows } from "./conntrack/node-flows.ts";
import { openDestroyedSockets } from "./destroyed/open-destroyed-sockets.ts";
import type { PassCost } from "./agent-parts.ts";
import { createAgent } from "./pipeline.ts";
import { PodTable } from "./pods/pod-table.ts";
import { PodWatch } from "./pods/pod-watch.ts";
import { createSocketHolders } from "./processes/fds.ts";
import { createProcessScanner } from "./processes/scan.ts";
import { createTaskSource } from "./processes/task-source.ts";
import { NatsPublisher } from "./publish/nats-publisher.ts";
import { ToldOnce } from "./told-once.ts";
import { bootId } from "./readers/live-proc.ts";
import { chooseReader } from "./readers/choose-reader.ts";
import { readNamespaceCounters } from "./readers/tcp-counters.ts";

/** How long reports that wait may hold up the end: half of the pod's grace period. */
const FLUSH_MS = 5000;

/** An agent whose last pass is longer ago than this, or than ten intervals, hangs: the kubelet may restart it. */
const PASS_AGE_MS_MAX = 120_000;

/** Where acknowledgements arrive; the chart and docs/install.md name it in the agents' permissions. */
const INBOX_PREFIX = "_INBOX_AGENT";

/** Runs until the signal aborts, then flushes and ends. Rejects where the HTTP address cannot be had. */
export async function runAgent(
  config: AgentConfig,
  environment: KubeConfigChoice["environment"],
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const startMs = performance.now();
  const elapsedMs = (): number => performance.now() - startMs;
  const pods = new PodTable(elapsedMs);
  const { api, reason } = await kubernetesApi(environment);
  const podWatch = api === null ? null : new PodWatch(api, config.nodeName, pods, log);
  const publisher = new NatsPublisher({ log, monotonicMs: elapsedMs });

  const reader = chooseReader(config.reader, {
    procRoot: config.procRoot,
    nowTicks: () => ticksOf(elapsedMs()),
  });
  const obstacle = reader.probe();
  if (obstacle !== null) throw new Error(`the reader ${config.reader} cannot work here: ${obstacle}`);
  const flows = new NodeFlows({ procRoot: config.procRoot, choice: config.conntrack, elapsedMs });

  const { procRoot } = config;
  const destroyed = openDestroyedSockets(procRoot, elapsedMs);

  let passes = 0;
  let passedMs = 0;
  let coverage: NodeCoverage | null = null;
  let passCost: PassCost | null = null;
  const told = new ToldOnce((limit) => log.warn({ reader: reader.name }, limit));
  const agent = createAgent(
    {
      origin: { node: config.nodeName, bootId: bootId(config.procRoot), epoch: Date.now() },
      processes: createProcessScanner({
        procRoot: config.procRoot,
        ...(reader.name === "bpf-iter" ? { tasks: createTaskSource() } : {}),
      }),
      reader,
      holders: createSocketHolders({ procRoot: config.procRoot, held: () => reader.held?.() ?? null }),
      sink: publisher,
      flows,
      destroyed,
      tcpCounters: (namespace) => readNamespaceCounters(procRoot, namespace),
      pods,
      elapsedMs,
      takeKeyframeRequest: () => publisher.takeKeyframeRequest(),
      limits: () => [
        ...publisher.limits(),
        ...(reason === null ? [] : [reason]),
        ...(podWatch?.limits() ?? []),
      ],
      onPass: (latest, cost) => {
        passes++;
        passedMs = elapsedMs();
        coverage = latest;
        passCost = cost;
        told.tell(latest.limits);
      },
    },
    { intervalMs: config.interval, keyframeMs: config.keyframeInterval, cpuShare: config.cpuBudget },
  );

  const http = await startOperationsServer({
    ...config.httpAddress,
    metrics: agentMetrics({
      publisher,
      pods,
      podWatch,
      flows,
      destroyed,
      passes: () => passes,
      coverage: () => coverage,
      cost: () => passCost,
    }),
    live: () => {
      const ageMs = elapsedMs() - passedMs;
      const hangs = ageMs > Math.max(PASS_AGE_MS_MAX, 10 * config.interval);
      return hangs ? `the last pass is ${Math.round(ageMs / 1000)} s ago` : null;
    },
    ready: () =>
      publisher.keyframeAcknowledged ? null : (publisher.limits()[0] ?? "the first keyframe is on its way"),
  });
  log.info(
    { node: config.nodeName, http: http.port, interval: config.interval, reader: reader.name },
    "reading this node's sockets",
  );

  const connecting = connectForEver(
    natsOptions(config, `whotalks-agent ${config.nodeName}`, { inboxPrefix: INBOX_PREFIX }),
    log,
    signal,
  ).then((link) => {
    publisher.attach(link);
    return link;
  });
  // What it rejects of is looked at below; here it only must not count as unhandled meanwhile.
  connecting.catch(() => undefined);
  try {
    await agent.run(signal);
    const flushed = await publisher.flush(FLUSH_MS);
    log.info({ flushed, waiting: publisher.counters().waiting }, "stopped reading");
  } finally {
    await publisher.close();
    await connecting.then((link) => link.close()).catch(() => undefined);
    flows.close();
    destroyed.close();
    await podWatch?.stop();
    api?.close();
    await http.close();
  }
}

async function kubernetesApi(environment: KubeConfigChoice["environment"]): Promise<{
  api: KubernetesApi | null;
  reason: string | null;
}> {
  try {
    return { api: new KubernetesApi(await loadClusterAccess(environment)), reason: null };
  } catch (error) {
    if (!(error instanceof KubernetesError)) throw error;
    return { api: null, reason: `pods have no names here: ${error.message}` };
  }
}
