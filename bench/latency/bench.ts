// The time from connect() to a connection's line in a watch, through real processes: agent, nats-server and
// aggregator, on an isolated node with many open sockets and a steady rate of new connections; and the
// agent's cost meanwhile. With the kernel's events, and without them in the same run.

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

import { freePort, TestNatsServer, natsServerMissing } from "../../lib/testing/nats-server.ts";
import { until } from "../../lib/testing/eventually.ts";
import type { EventsChoice } from "../../lib/vocabulary/events-modes.ts";
import { eventsChoices } from "../../lib/vocabulary/events-modes.ts";
import { buildPrograms } from "../../scripts/build.ts";
import { printTable } from "../measure.ts";
import { cpuSeconds, residentMiB, startProgram, stopProgram } from "../measured-program.ts";
import { onQuietNode } from "../quiet-node.ts";
import { makeSocketLoad } from "../socket-load.ts";
import { LatencyWatch } from "./latency-watch.ts";
import type { Birth } from "./latency-watch.ts";

const NAMESPACES = 110;
const SOCKETS = 10_000;

const PER_SECOND = 200;
/** A connection lives so long: it is still open when it is shown. */
const LIVES_MS = 1000;

/**
 * Seconds under the load until code is compiled and the agent's initial credit is used up; seconds measured.
 */
const WARM_SECONDS = 60;
const MEASURED_SECONDS = 60;
/** After the last connection that counts: those without a line by then count as missing. */
const LAST_LINE_MS = 15_000;
const READY_MS = 60_000;

const WANTED =
  "wanted: median at most 150 ms, p99 at most 400 ms, the agent at most 2 % of one core, all with events";

const openerPath = path.join(import.meta.dirname, "connection-opener.js");

interface Figures {
  /** How the agent received events of sockets, as it reports. */
  readonly events: string;
  /** Sorted. */
  readonly latenciesMs: readonly number[];
  readonly births: number;
  readonly cpuPercent: number;
  readonly rssMiB: number;
}

/** Measures each way and prints a table. */
export async function run(): Promise<void> {
  if (process.getuid?.() !== 0) {
    console.log("SKIP: needs root to make network namespaces");
    return;
  }
  const missing = natsServerMissing();
  if (missing !== null) {
    console.log(`SKIP: ${missing}`);
    return;
  }
  await onQuietNode(measureAll);
}

async function measureAll(): Promise<void> {
  // The agent is measured as it is shipped: the sources need more memory.
  await buildPrograms();
  console.error(`making ${SOCKETS} sockets in ${NAMESPACES} namespaces`);
  await using load = await makeSocketLoad(NAMESPACES, SOCKETS);
  const rows: string[][] = [];
  for (const events of eventsChoices) {
    console.error(`measuring WHOTALKS_EVENTS=${events}`);
    rows.push(row(events, await measure(events, load.namespaces[0]!)));
  }
  printTable([
    [
      "ms from connect() to line",
      "median",
      "p99",
      "most",
      "connections",
      "without a line",
      "agent, of one core",
      "RSS in MiB",
    ],
    ...rows,
  ]);
  console.log(WANTED);
}

function row(choice: EventsChoice, { events, latenciesMs, births, cpuPercent, rssMiB }: Figures): string[] {
  const quantile = (share: number): string =>
    (latenciesMs[Math.ceil(latenciesMs.length * share) - 1] ?? Number.NaN).toFixed(0);
  return [
    `events ${choice} (${events})`,
    quantile(0.5),
    quantile(0.99),
    quantile(1),
    String(births),
    String(births - latenciesMs.length),
    `${cpuPercent.toFixed(2)} %`,
    rssMiB.toFixed(0),
  ];
}

async function measure(events: EventsChoice, namespace: string): Promise<Figures> {
  const nats = await TestNatsServer.start();
  const grpc = `127.0.0.1:${await freePort()}`;
  const programs: ChildProcess[] = [];
  let watch: LatencyWatch | null = null;
  try {
    programs.push(await startAggregator(nats.url, grpc));
    const agent = await startAgent(nats.url, events);
    programs.push(agent);
    const opener = new Opener(namespace);
    programs.push(opener.child);
    watch = new LatencyWatch(grpc, await opener.port());
    const mode = await watch.eventsMode();
    opener.begin();
    await sleep(WARM_SECONDS * 1000);
    const [cpuBefore, startMs] = [cpuSeconds(agent), performance.now()];
    opener.births = [];
    await sleep(MEASURED_SECONDS * 1000);
    const { births } = opener;
    opener.births = [];
    const cpuPercent = (100_000 * (cpuSeconds(agent) - cpuBefore)) / (performance.now() - startMs);
    const rssMiB = residentMiB(agent);
    await sleep(LAST_LINE_MS);
    return {
      events: mode,
      latenciesMs: watch.latenciesMs(births),
      births: births.length,
      cpuPercent,
      rssMiB,
    };
  } finally {
    watch?.close();
    for (const program of programs.toReversed()) await stopProgram(program);
    await nats.remove();
  }
}

async function startAggregator(natsUrl: string, grpc: string): Promise<ChildProcess> {
  const http = `127.0.0.1:${await freePort()}`;
  const child = startProgram({
    script: "services/aggregator/main.ts",
    args: [],
    environment: {
      // Without a Kubernetes API.
      HOME: "/nonexistent",
      WHOTALKS_NATS_URL: natsUrl,
      WHOTALKS_GRPC_ADDRESS: grpc,
      WHOTALKS_HTTP_ADDRESS: http,
    },
  });
  await until("the aggregator is ready", () => isReady(http), READY_MS);
  return child;
}

async function startAgent(natsUrl: string, events: EventsChoice): Promise<ChildProcess> {
  const http = `127.0.0.1:${await freePort()}`;
  const child = startProgram({
    script: "dist/agent/main.js",
    args: [],
    environment: {
      HOME: "/nonexistent",
      WHOTALKS_NODE_NAME: "bench",
      WHOTALKS_NATS_URL: natsUrl,
      WHOTALKS_HTTP_ADDRESS: http,
      WHOTALKS_EVENTS: events,
    },
  });
  await until("the agent's keyframe is acknowledged", () => isReady(http), READY_MS);
  return child;
}

async function isReady(http: string): Promise<boolean> {
  const response = await fetch(`http://${http}/readyz`).catch(() => null);
  return response?.status === 200;
}

// The process that opens connections, in one of the namespaces.
class Opener {
  readonly child: ChildProcess;
  /** Connections that it opened; cleared when counting begins. */
  births: Birth[] = [];
  readonly #port: Promise<number>;

  constructor(namespace: string) {
    const order = JSON.stringify({ perSecond: PER_SECOND, livesMs: LIVES_MS });
    this.child = spawn("ip", ["netns", "exec", namespace, process.execPath, openerPath, order], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#port = new Promise((resolve) => {
      createInterface(this.child.stdout!).on("line", (line) => {
        const [first, port] = line.split(" ");
        if (port === undefined) resolve(Number(first));
        else this.births.push({ bornMs: Number(first) / 1e6, port: Number(port) });
      });
    });
  }

  port(): Promise<number> {
    return this.#port;
  }

  begin(): void {
    this.child.stdin!.write("go\n");
  }
}
