// The aggregator as it runs in a cluster: the pipeline with NATS and the query API at its ends, plus the API
// server's watches, metrics and probes.

import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";

import { startOperationsServer } from "../../lib/http/operations-server.ts";
import type { KubeConfigChoice } from "../../lib/kubernetes/kube-config.ts";
import type { Log } from "../../lib/program/log.ts";
import { connectForEver } from "../../lib/nats/connection.ts";
import { natsOptions } from "../../lib/nats/settings.ts";
import type { NatsLink } from "../../lib/nats/connection.ts";
import { aggregatorMetrics } from "./aggregator-metrics.ts";
import { learnCluster } from "./cluster-knowledge.ts";
import type { AggregatorConfig } from "./config.ts";
import { KEYFRAME_AGE_MS_MAX } from "./ingest/nats-replay-start.ts";
import { NatsSubscription } from "./ingest/nats-subscription.ts";
import { createAggregator } from "./aggregator.ts";
import type { Aggregator } from "./aggregator.ts";
import { startServer } from "./serve/server.ts";
import { StreamClock } from "./stream-clock.ts";
import { StreamTicks } from "./stream-ticks.ts";

/** Counting begins within this time of the first reports of a replay. */
const BEGINNING_MS = 15_000;
/** Interval of checks whether the pipeline's periodic work is due although no report comes. */
const TICK_INTERVAL_MS = 1000;
/** Interval at which expired knowledge about the cluster is dropped. */
const FORGET_INTERVAL_MS = 60_000;
/**
 * The replay waits this long for the cluster's objects, so that the connections it makes have names at once.
 */
const SYNC_WAIT_MS = 10_000;

/** Runs until the signal aborts. Rejects if it cannot listen on an address. */
export async function runAggregator(
  config: AggregatorConfig,
  environment: KubeConfigChoice["environment"],
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const clock = new StreamClock(() => Date.now());
  const now = (): number => clock.now();
  const keeping = { goneKeepMs: config.streamMaxAge + config.closedKeep, unreadKeepMs: config.closedKeep };
  const cluster = learnCluster(environment, keeping, now, log);
  const { identity } = cluster;
  const aggregator = createAggregator({
    identity,
    now,
    closedKeepMs: config.closedKeep,
    nodeLostMs: config.nodeLost,
    onReport: cluster.onReport,
    isNode: (name) => cluster.identity.knowsNode(name),
    clusterCoverage: () => cluster.coverage(),
  });
  const { host, port } = config.grpcAddress;
  const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const limits = {
    callsMax: config.maxCalls,
    callsPerCallerMax: config.maxCallsPerCaller,
    bytesMax: config.maxAnswerBytes,
    readerTimeoutMs: config.readerTimeout,
  };
  const server = await startServer(address, { query: aggregator.query, now, limits, ready: false });
  let waitsFor = "NATS is not connected yet";
  let subscription: NatsSubscription | null = null;
  const http = await startOperationsServer({
    ...config.httpAddress,
    metrics: aggregatorMetrics({
      aggregator,
      cluster,
      subscription: () => subscription?.counters() ?? null,
      serving: () => server.counts(),
    }),
    live: () => null,
    ready: () => (waitsFor === "" ? null : waitsFor),
  });
  log.info({ grpc: server.port, http: http.port }, "answers once everything is replayed");

  let link: NatsLink | null = null;
  const timers: NodeJS.Timeout[] = [];
  try {
    link = await connectForEver(natsOptions(config, "whotalks-aggregator"), log, signal);
    waitsFor = "the cluster's objects are not all listed yet";
    await Promise.race([cluster.synced, delay(SYNC_WAIT_MS, undefined, { signal, ref: false })]);
    waitsFor = "the stream of reports is not replayed yet";
    const ticks = new StreamTicks((nowMs) => aggregator.tick(nowMs));
    subscription = subscribe(config, { link, aggregator, clock, ticks, log });
    await untilAborted(signal, subscription.ready);
    timers.push(tickWhileConnected(link, subscription, ticks, clock));
    timers.push(setInterval(() => cluster.forget(), FORGET_INTERVAL_MS));
    waitsFor = "the cluster's objects are not all listed yet";
    await untilAborted(signal, cluster.synced);
    waitsFor = "";
    server.setReady(true);
    log.info({ ...aggregator.counts(), ...identity.counters }, "ready");
    await untilAborted(signal, new Promise<never>(() => undefined));
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    for (const timer of timers) clearInterval(timer);
    await server.close();
    await subscription?.stop();
    await link?.close();
    await cluster.stop();
    aggregator.close();
    await http.close();
    log.info({}, "stopped");
  }
}

/** What the subscription works with. */
interface SubscribedParts {
  readonly link: NatsLink;
  readonly aggregator: Aggregator;
  readonly clock: StreamClock;
  readonly ticks: StreamTicks;
  readonly log: Log;
}

function subscribe(
  config: AggregatorConfig,
  { link, aggregator, clock, ticks, log }: SubscribedParts,
): NatsSubscription {
  const subscription: NatsSubscription = new NatsSubscription({
    link,
    stream: {
      ageMsMax: config.streamMaxAge,
      bytesMax: config.streamMaxBytes,
      replicas: config.streamReplicas,
    },
    depth: { lookbackMs: replayMs(config), keyframeAgeMsMax: KEYFRAME_AGE_MS_MAX },
    againDepth: { lookbackMs: config.closedKeep, keyframeAgeMsMax: KEYFRAME_AGE_MS_MAX },
    handler: (report, timeMs) => {
      const { behind, lastTimeMs } = subscription.counters();
      if (behind === 0) clock.measure(lastTimeMs);
      ticks.reach(lastTimeMs, lastTimeMs - timeMs);
      aggregator.ingest(report, timeMs);
    },
    log,
  });
  return subscription;
}

// Connections that closed within `closedKeep` are promised, so it is the least.
function replayMs({ replay, closedKeep, streamMaxAge }: AggregatorConfig): number {
  const depthMs = Math.max(replay, closedKeep + BEGINNING_MS);
  return depthMs >= streamMaxAge ? Infinity : depthMs;
}

// While reports come, they move the pipeline's time. Without any, the clock does, except while NATS is
// unavailable or there is more to read: then a node's silence means nothing.
function tickWhileConnected(
  link: NatsLink,
  subscription: NatsSubscription,
  ticks: StreamTicks,
  clock: StreamClock,
): NodeJS.Timeout {
  link.onChange((connected) => {
    if (connected) ticks.hold(clock.now());
  });
  return setInterval(() => {
    if (link.connected && subscription.counters().behind === 0) ticks.pass(clock.now());
  }, TICK_INTERVAL_MS);
}

// Rejects once the signal is aborted.
async function untilAborted(signal: AbortSignal, promise: Promise<void>): Promise<void> {
  signal.throwIfAborted();
  const settled = new AbortController();
  const aborted = once(signal, "abort", { signal: settled.signal }).then(() => signal.throwIfAborted());
  // The rejection of `aborted` is expected when the wait ends.
  aborted.catch(() => undefined);
  try {
    await Promise.race([promise, aborted]);
  } finally {
    settled.abort();
  }
}
