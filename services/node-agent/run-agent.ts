// The agent as it runs in a cluster: the pipeline with its ends, the node's kernel tables and NATS, and what
// goes beside it: the watch of the node's pods, metrics and probes.

import { startOperationsServer } from "../../lib/http/operations-server.ts";
import { loadClusterAccess } from "../../lib/kubernetes/cluster-access.ts";
import type { KubeConfigChoice } from "../../lib/kubernetes/kube-config.ts";
import { KubernetesApi } from "../../lib/kubernetes/kubernetes-api.ts";
import { KubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import type { Log } from "../../lib/program/log.ts";
import { connectForEver } from "../../lib/nats/connection.ts";
import { natsOptions } from "../../lib/nats/settings.ts";
import { agentMetrics } from "./agent-metrics.ts";
import type { AgentConfig } from "./config.ts";
import type { NodeAgent, OuterParts } from "./node-agent.ts";
import { createNodeAgent, ReaderObstacle } from "./node-agent.ts";
import { PassRecord } from "./pass-record.ts";
import { PodTable } from "./pods/pod-table.ts";
import { PodWatch } from "./pods/pod-watch.ts";
import { NatsPublisher } from "./publish/nats-publisher.ts";
import { LimitLog } from "./limit-log.ts";

/** How long reports that wait may hold up the end: half of the pod's grace period. */
const FLUSH_MS = 5000;

/** Where acknowledgements arrive; the chart and docs/install.md name it in the agents' permissions. */
const INBOX_PREFIX = "_INBOX_AGENT";

/**
 * Runs until the signal aborts, then flushes and ends. Rejects if no reader works or the HTTP address is
 * taken.
 */
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
  const limits = (): string[] => [
    ...publisher.limits(),
    ...(reason === null ? [] : [reason]),
    ...(podWatch?.limits() ?? []),
  ];

  const passes = new PassRecord(elapsedMs);
  const logged = new LimitLog((limit) => log.warn({ reader: agent.reader.name }, limit));
  const agent = createReadingAgent(config, {
    sink: publisher,
    pods,
    elapsedMs,
    limits,
    takeKeyframeRequest: () => publisher.takeKeyframeRequest(),
    onPass: (coverage, cost) => {
      passes.add(coverage, cost);
      logged.log(coverage.limits);
    },
  });

  const { flows, destroyed } = agent;
  const http = await startOperationsServer({
    ...config.httpAddress,
    metrics: agentMetrics({ publisher, pods, podWatch, flows, destroyed, passes }),
    live: () => passes.hangs(config.interval),
    ready: () =>
      publisher.keyframeAcknowledged ? null : (publisher.limits()[0] ?? "the first keyframe is on its way"),
  });
  log.info(
    { node: config.nodeName, http: http.port, interval: config.interval, reader: agent.reader.name },
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
  // Its rejection is handled below; until then it must not count as unhandled.
  connecting.catch(() => undefined);
  try {
    await agent.run(signal);
    const flushed = await publisher.flush(FLUSH_MS);
    log.info({ flushed, waiting: publisher.counters().waiting }, "stopped reading");
  } finally {
    await publisher.close();
    await connecting.then((link) => link.close()).catch(() => undefined);
    agent.close();
    await podWatch?.stop();
    api?.close();
    await http.close();
  }
}

function createReadingAgent(config: AgentConfig, outer: OuterParts): NodeAgent {
  const { nodeName, procRoot, reader, conntrack, events } = config;
  const pace = {
    intervalMs: config.interval,
    keyframeMs: config.keyframeInterval,
    cpuShare: config.cpuBudget,
  };
  try {
    return createNodeAgent({ node: nodeName, procRoot, reader, conntrack, events }, outer, pace);
  } catch (error) {
    if (!(error instanceof ReaderObstacle)) throw error;
    throw new Error(`the reader ${reader} cannot work here: ${error.message}`, { cause: error });
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
    return { api: null, reason: `pods are not named: ${error.message}` };
  }
}
