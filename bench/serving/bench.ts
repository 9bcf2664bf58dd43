// The query API under a crowd: 500 watches that are not read, 500 lists that are, and 500 lists that are not,
// each over a connection of its own; meanwhile a fresh list is asked again and again, as `kubectl whotalks`
// asks it. The aggregator has the heap that Node.js takes in a container with the chart's memory limit. With
// an address, the aggregator there is measured instead.

import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { jetstreamManager } from "@nats-io/jetstream";

import { connect } from "../../cli/ask/ask.ts";
import { Filter } from "../../lib/gen/whotalks/v1/query.ts";
import { connectForEver } from "../../lib/nats/connection.ts";
import { ensureStream } from "../../lib/nats/stream.ts";
import { until } from "../../lib/testing/eventually.ts";
import { freePort, natsServerMissing, TestNatsServer } from "../../lib/testing/nats-server.ts";
import { silentLog } from "../../lib/testing/silent-log.ts";
import { defaultStreamSettings } from "../../lib/testing/stream-settings.ts";
import { SyntheticAgents } from "../ingest/synthetic-agents.ts";
import type { ClusterShape } from "../ingest/synthetic-reports.ts";
import { median, printTable } from "../measure.ts";
import { startProgram, stopProgram } from "../measured-program.ts";
import type { CrowdFigures, CrowdOrder } from "./crowd.ts";

/** 20 nodes with 50 pods each: 50,000 connections, 1,000 of them new in each round. */
const cluster: ClusterShape = { nodes: 20, connectionsPerPod: 50, renewedPerPod: 1, roundTicks: 200 };
const ROUND_MS = 5000;

const EACH = 500;
/** Longer than the reader timeout, so that stalled readers are dropped. */
const MEASURED_MS = 100_000;
const FRESH_PAUSE_MS = 1000;
/** Interval at which the aggregator's memory is read. */
const READ_MS = 1000;
const FRESH_TIMEOUT_MS = 20_000;
const READY_MS = 60_000;
/** In a container of 1 GiB (the chart's limit), Node.js 24 has a heap of 560 MiB: this, and what is young. */
const OLD_SPACE_MIB = 512;
const SEMI_SPACE_MIB = 16;
const RSS_MIB_MAX = 1024;
const FRESH_MS_MAX = 2000;

/** Measures and prints, or prints why it cannot. */
export async function run([address, metrics]: readonly string[]): Promise<void> {
  if (address !== undefined) return measure(address, metrics ?? null);
  const missing = natsServerMissing();
  if (missing !== null) {
    console.log(`SKIP: ${missing}`);
    return;
  }
  const nats = await TestNatsServer.start();
  try {
    await measureOwn(nats.url);
  } finally {
    await nats.remove();
  }
}

async function measureOwn(natsUrl: string): Promise<void> {
  const { signal } = new AbortController();
  const link = await connectForEver({ servers: [natsUrl], name: "bench-agents" }, silentLog, signal);
  await ensureStream(await jetstreamManager(link.connection), defaultStreamSettings);
  const agents = new SyntheticAgents(link, cluster);
  let aggregator: ChildProcess | null = null;
  let rounds: NodeJS.Timeout | null = null;
  try {
    await agents.prepareRound(true)();
    const grpc = `127.0.0.1:${await freePort()}`;
    const http = `127.0.0.1:${await freePort()}`;
    aggregator = startProgram({
      script: "services/aggregator/main.ts",
      nodeFlags: [`--max-old-space-size=${OLD_SPACE_MIB}`, `--max-semi-space-size=${SEMI_SPACE_MIB}`],
      args: [],
      environment: {
        // Without a Kubernetes API.
        HOME: "/nonexistent",
        WHOTALKS_NATS_URL: natsUrl,
        WHOTALKS_GRPC_ADDRESS: grpc,
        WHOTALKS_HTTP_ADDRESS: http,
        WHOTALKS_LOG_LEVEL: "warn",
      },
    });
    aggregator.on("exit", (code, end) => console.log(`the aggregator ended: ${code ?? end}`));
    await until("the aggregator is ready", () => isReady(http), READY_MS);
    rounds = setInterval(() => void agents.prepareRound(true)(), ROUND_MS);
    await measure(grpc, `http://${http}/metrics`);
  } finally {
    if (rounds !== null) clearInterval(rounds);
    aggregator?.removeAllListeners("exit");
    if (aggregator !== null) await stopProgram(aggregator);
    await agents.close();
    await link.close();
  }
}

async function isReady(http: string): Promise<boolean> {
  const response = await fetch(`http://${http}/readyz`).catch(() => null);
  return response?.status === 200;
}

async function measure(address: string, metricsUrl: string | null): Promise<void> {
  const alone = await freshLists(address, 5000);
  const before = await readMetrics(metricsUrl);
  const order: CrowdOrder = { address, each: EACH };
  const crowd = fork(path.join(import.meta.dirname, "crowd.ts"), [JSON.stringify(order)]);
  let peak = 0;
  const readPeak = async (): Promise<void> => {
    const values = await readMetrics(metricsUrl);
    peak = Math.max(peak, values.get("process_resident_memory_bytes") ?? 0);
  };
  const readings = setInterval(() => void readPeak(), READ_MS);
  try {
    await once(crowd, "message");
    console.error(`${3 * EACH} calls are begun`);
    const fresh = await freshLists(address, MEASURED_MS);
    const after = await readMetrics(metricsUrl);
    const figures = await figuresOf(crowd);
    print({ alone, fresh, before, after, peak, figures });
  } finally {
    clearInterval(readings);
    crowd.kill();
  }
}

async function figuresOf(crowd: ChildProcess): Promise<CrowdFigures> {
  const answer = once(crowd, "message");
  crowd.send("figures");
  const [figures] = (await answer) as [CrowdFigures];
  return figures;
}

interface Fresh {
  readonly answeredMs: readonly number[];
  readonly failures: readonly string[];
}

// Asks for the edges again and again, each time over a new connection.
async function freshLists(address: string, forMs: number): Promise<Fresh> {
  const answeredMs: number[] = [];
  const failures: string[] = [];
  for (const endMs = performance.now() + forMs; performance.now() < endMs; await sleep(FRESH_PAUSE_MS)) {
    const beginMs = performance.now();
    const asker = connect(address, FRESH_TIMEOUT_MS, new AbortController().signal);
    try {
      for await (const _ of asker.edges({ filter: Filter.create(), limit: 0 }));
      answeredMs.push(performance.now() - beginMs);
    } catch (error) {
      failures.push((error as Error).message);
    } finally {
      asker.close();
    }
  }
  return { answeredMs, failures };
}

async function readMetrics(url: string | null): Promise<ReadonlyMap<string, number>> {
  const text =
    url === null
      ? ""
      : await fetch(url).then(
          (answer) => answer.text(),
          () => "",
        );
  const lines = text.matchAll(/^([a-z_0-9]+) (\S+)$/gm);
  return new Map([...lines].map(([, name, value]) => [name!, Number(value)]));
}

function milliseconds({ answeredMs }: Fresh): string[] {
  return [median(answeredMs).toFixed(0), Math.max(...answeredMs).toFixed(0), String(answeredMs.length)];
}

interface Figures {
  readonly alone: Fresh;
  readonly fresh: Fresh;
  readonly before: ReadonlyMap<string, number>;
  readonly after: ReadonlyMap<string, number>;
  /** Of the resident memory, in bytes. */
  readonly peak: number;
  readonly figures: CrowdFigures;
}

function print({ alone, fresh, before, after, peak, figures }: Figures): void {
  const cpu = "process_cpu_seconds_total";
  const cpuPercent = (100_000 * ((after.get(cpu) ?? 0) - (before.get(cpu) ?? 0))) / MEASURED_MS;
  const metric = (name: string): string => {
    const full = `whotalks_aggregator_${name}`;
    const value = after.get(full);
    return value === undefined
      ? "?"
      : String(value - (name.endsWith("_total") ? (before.get(full) ?? 0) : 0));
  };
  console.log(
    `${EACH} watches unread, ${EACH} lists read, ${EACH} lists unread, for ${MEASURED_MS / 1000} s:`,
  );
  printTable([
    ["a fresh list of edges", "median ms", "most ms", "lists"],
    ["alone", ...milliseconds(alone)],
    ["under the crowd", ...milliseconds(fresh)],
    ["wanted: at most", "", String(FRESH_MS_MAX), ""],
  ]);
  for (const failure of new Set(fresh.failures)) console.log(`a fresh list failed: ${failure}`);
  printTable([
    ["", "value"],
    ["connections", metric("connections")],
    ["edges", metric("edges")],
    ["RSS at most, MiB", peak === 0 ? "?" : (peak / 2 ** 20).toFixed(0)],
    ["  wanted: below", String(RSS_MIB_MAX)],
    [
      "JavaScript heap at the end, MiB",
      ((after.get("nodejs_heap_size_used_bytes") ?? 0) / 2 ** 20).toFixed(0),
    ],
    ["CPU, of one core, %", cpuPercent.toFixed(0)],
    ["calls running at the end", metric("calls")],
    ["connections to the API at the end", metric("query_connections")],
    ["connections refused", metric("query_connections_refused_total")],
    ["bytes of answers at the end", metric("answer_bytes")],
    ["refused: too many of a caller", metric("calls_refused_caller_total")],
    ["refused: too many in all", metric("calls_refused_all_total")],
    ["refused: no room", metric("calls_refused_bytes_total")],
    ["dropped after the reader timeout", metric("readers_dropped_stalled_total")],
    ["dropped for room", metric("readers_dropped_room_total")],
    ["crowd: lists read", String(figures.listsRead)],
    ["crowd: MB read", (figures.bytesRead / 1e6).toFixed(0)],
    ["crowd: saw refusals", String(figures.refused)],
    ["crowd: saw drops", String(figures.dropped)],
    ...Object.entries(figures.failures).map(([failure, number]) => [`crowd: ${failure}`, String(number)]),
  ]);
}
