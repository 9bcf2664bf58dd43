// Aggregators that restart under load, compared with one that never does and with the load's own counts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

import type { Coverage, Edge } from "../../lib/gen/whotalks/v1/query.ts";
import { until } from "../../lib/testing/eventually.ts";
import { natsServerMissing } from "../../lib/testing/nats-server.ts";
import { silentLog } from "../../lib/testing/silent-log.ts";
import { Random } from "../../test/simulation/random.ts";
import type { RunningAggregator } from "./testing/running-aggregators.ts";
import { NatsPublisher } from "../node-agent/publish/nats-publisher.ts";
import { edgesOf, isReady, RunningAggregators } from "./testing/running-aggregators.ts";
import { ShortConnections } from "./testing/short-connections.ts";

const options = { skip: natsServerMissing() ?? false, timeout: 120_000 };
const REPORT_MS = 100;
const KEYFRAME_REPORTS = 13;
/** Shorter than the load, so that most connections expire while it runs. */
const environment = { WHOTALKS_CLOSED_KEEP: "3s", WHOTALKS_NODE_LOST: "5s" };

/** Publishes a load until the signal aborts, then everything that it still has open as closed. */
async function publishLoad(
  bench: RunningAggregators,
  load: ShortConnections,
  perReport: number,
  signal: AbortSignal,
): Promise<void> {
  const startMs = performance.now();
  const publishers = load.nodes.map(() => {
    const publisher = new NatsPublisher({ log: silentLog, monotonicMs: () => performance.now() });
    publisher.attach(bench.link);
    return publisher;
  });
  const published: Promise<void>[] = [];
  for (let pass = 0; !signal.aborted || load.nodes.some((node) => !node.isIdle); pass++) {
    for (const [number, node] of load.nodes.entries()) {
      if (!signal.aborted) for (let i = 0; i < perReport; i++) load.open(number);
      const keyframe = (pass + 5 * number) % KEYFRAME_REPORTS === 0 || pass === 0;
      const bytes = node.next(performance.now() - startMs, keyframe);
      published.push(publishers[number]!.publish(bytes));
    }
    await delay(REPORT_MS);
  }
  await Promise.all(published);
  for (const publisher of publishers) await publisher.close();
}

async function startAggregator(
  bench: RunningAggregators,
  more: Readonly<Record<string, string>> = {},
): Promise<RunningAggregator> {
  const aggregator = await bench.aggregate({ ...environment, ...more });
  await until("ready", () => isReady(aggregator.http));
  return aggregator;
}

// The edges once they no longer change: everything is read, settled and expired.
async function settledEdges(grpc: string): Promise<{ edges: Edge[]; coverage: Coverage }> {
  let before = "";
  return until("the edges are settled", async () => {
    const answer = await edgesOf(grpc);
    const text = JSON.stringify(answer.edges);
    const isSettled = text === before && answer.edges.every(({ open }) => open === 0);
    before = text;
    if (!isSettled) await delay(500);
    return isSettled && answer;
  });
}

function countsOf(edges: readonly Edge[]): string[] {
  return edges
    .map(({ client, server, port, connections }) => `${client?.node} ${server?.node} ${port} ${connections}`)
    .toSorted();
}

function countedSince({ nodes }: Coverage): number[] {
  return nodes.map((node) => node.countedSinceMs);
}

function sumOf(edges: readonly Edge[]): number {
  return edges.reduce((sum, { connections }) => sum + connections, 0);
}

const seed = Date.now() % 2 ** 31;

test(
  `restarted five times at random moments, it answers as one that never was (seed ${seed})`,
  options,
  async (t) => {
    const bench = await RunningAggregators.start(t);
    const random = new Random(seed);
    const load = new ShortConnections(seed);
    const stopping = new AbortController();
    const steady = await startAggregator(bench);
    const loading = publishLoad(bench, load, 20, stopping.signal);
    let restarted = await startAggregator(bench);
    for (let restart = 0; restart < 5; restart++) {
      await delay(500 + random.below(2500));
      await restarted.stop();
      await delay(random.below(1500));
      const replaying = await bench.aggregate(environment);
      // Every second one is stopped again while it replays.
      if (restart % 2 === 0) {
        await delay(random.below(200));
        await replaying.stop();
      } else {
        await until("ready", () => isReady(replaying.http));
        await replaying.stop();
      }
      restarted = await startAggregator(bench);
    }
    stopping.abort();
    await loading;

    const [expected, found] = [await settledEdges(steady.grpc), await settledEdges(restarted.grpc)];
    const opened = load.opened;
    t.diagnostic(`${opened[0]! + opened[1]!} connections`);
    const own = [`n0 n1 8080 ${opened[0]}`, `n1 n0 8080 ${opened[1]}`];
    assert.deepEqual(countsOf(expected.edges), own, "the one that never restarted");
    assert.deepEqual(countsOf(found.edges), own, "the one that restarted");
    assert.deepEqual(found.edges, expected.edges);
    assert.deepEqual(countedSince(found.coverage), countedSince(expected.coverage));
  },
);

test(
  "NATS away for longer than a silent node may be: it makes no difference to a replay",
  options,
  async (t) => {
    const bench = await RunningAggregators.start(t);
    const load = new ShortConnections(seed);
    const stopping = new AbortController();
    const steady = await startAggregator(bench);
    const loading = publishLoad(bench, load, 20, stopping.signal);
    await delay(3000);
    await bench.nats.stop("SIGKILL");
    await delay(7000);
    await bench.nats.start();
    await delay(3000);
    stopping.abort();
    await loading;
    const restarted = await startAggregator(bench);

    const [expected, found] = [await settledEdges(steady.grpc), await settledEdges(restarted.grpc)];
    const own = [`n0 n1 8080 ${load.opened[0]}`, `n1 n0 8080 ${load.opened[1]}`];
    assert.deepEqual(countsOf(expected.edges), own);
    assert.deepEqual(found.edges, expected.edges);
  },
);

test(
  "where the stream no longer reaches, a replica's answer says since when it counts",
  options,
  async (t) => {
    const small = { ageMsMax: 3_600_000, bytesMax: 2 ** 20, replicas: 1 };
    const bench = await RunningAggregators.start(t, small);
    const limits = { WHOTALKS_STREAM_MAX_BYTES: "1Mi", WHOTALKS_STREAM_MAX_AGE: "1h" };
    const load = new ShortConnections(seed);
    const stopping = new AbortController();
    const steady = await startAggregator(bench, limits);
    const loading = publishLoad(bench, load, 60, stopping.signal);
    await until("the stream has dropped its beginning", async () => (await bench.firstSequence()) > 20);
    const restarted = await startAggregator(bench, limits);
    // Counting begins five seconds after the stream's first message at the earliest.
    await delay(6000);
    stopping.abort();
    await loading;

    const [whole, part] = [await settledEdges(steady.grpc), await settledEdges(restarted.grpc)];
    assert.equal(sumOf(whole.edges), load.opened[0]! + load.opened[1]!);
    assert.ok(sumOf(part.edges) < sumOf(whole.edges));
    // None has an end whose other end was known too early or too late.
    assert.equal(part.edges.length, whole.edges.length);
    for (const [at, sinceMs] of countedSince(part.coverage).entries())
      assert.ok(sinceMs > countedSince(whole.coverage)[at]!);
    assert.equal(part.coverage.countedSinceMs, Math.max(...countedSince(part.coverage)));
  },
);
