// Reports through a real NATS into an aggregator: records per second of CPU, and bytes of memory per
// connection.

import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";

import { jetstreamManager } from "@nats-io/jetstream";

import { connectForEver } from "../../lib/nats/connection.ts";
import { natsServerMissing, TestNatsServer } from "../../lib/testing/nats-server.ts";
import { ensureStream } from "../../lib/nats/stream.ts";
import { silentLog } from "../../lib/testing/silent-log.ts";
import { defaultStreamSettings } from "../../lib/testing/stream-settings.ts";
import { median, printTable } from "../measure.ts";
import type { IngestFigures } from "./measured-aggregator.ts";
import { SyntheticAgents } from "./synthetic-agents.ts";
import { CONNECTIONS, NODES, RECORDS } from "./synthetic-reports.ts";

/** Aggregators started one after the other, and the rounds of each kind that each takes after its replay. */
const AGGREGATORS = 3;
const ROUNDS = 2;

/** Targets: records per second of one core, and bytes per live matched connection. */
const RATE_WANTED = 1_000_000;
const BYTES_WANTED = 400;

/** Measures and prints, or prints why it cannot. */
export async function measureThroughput(): Promise<void> {
  const missing = natsServerMissing();
  if (missing !== null) {
    console.log(`SKIP reports per second: ${missing}`);
    return;
  }
  const server = await TestNatsServer.start();
  try {
    await measureWith(server.url);
  } finally {
    await server.remove();
  }
}

async function measureWith(url: string): Promise<void> {
  const { signal } = new AbortController();
  const link = await connectForEver({ servers: [url], name: "bench-agents" }, silentLog, signal);
  await ensureStream(await jetstreamManager(link.connection), defaultStreamSettings);
  const agents = new SyntheticAgents(link);
  const first: IngestFigures[] = [];
  const unmoved: IngestFigures[] = [];
  const moved: IngestFigures[] = [];
  try {
    await agents.prepareRound(true)();
    for (let number = 1; number <= AGGREGATORS; number++) {
      console.error(`measuring aggregator ${number} of ${AGGREGATORS}`);
      const aggregator = fork(path.join(import.meta.dirname, "measured-aggregator.ts"), [url]);
      try {
        first.push(checked(await nextMessage<IngestFigures>(aggregator)));
        for (let round = 0; round < ROUNDS; round++) {
          unmoved.push(await measureRound(aggregator, agents, false));
          moved.push(await measureRound(aggregator, agents, true));
        }
      } finally {
        aggregator.kill();
      }
    }
  } finally {
    await agents.close();
    await link.close();
  }
  const megabytes = (agents.bytesPerRound / 1e6).toFixed(0);
  console.log(
    `${NODES} nodes, ${RECORDS} records in ${agents.reportsPerRound} reports (${megabytes} MB), ` +
      `${first[0]!.joined} joined connections:`,
  );
  print(first, unmoved, moved);
}

async function measureRound(
  aggregator: ChildProcess,
  agents: SyntheticAgents,
  traffic: boolean,
): Promise<IngestFigures> {
  const publish = agents.prepareRound(traffic);
  const waits = nextMessage(aggregator);
  aggregator.send(agents.reportsPerRound);
  await waits;
  const figures = nextMessage<IngestFigures>(aggregator);
  await publish();
  return checked(await figures);
}

async function nextMessage<Message>(aggregator: ChildProcess): Promise<Message> {
  const ended = once(aggregator, "exit").then(([code]) => {
    throw new Error(`the aggregator ended with ${String(code)}`);
  });
  const [message] = (await Promise.race([once(aggregator, "message"), ended])) as [Message];
  return message;
}

// Rejects figures of a wrong result.
function checked(figures: IngestFigures): IngestFigures {
  const { sockets, connections, joined } = figures;
  if (sockets === RECORDS && connections === CONNECTIONS && joined === CONNECTIONS) return figures;
  throw new Error(
    `${RECORDS} sockets of ${CONNECTIONS} connections were taken for ${sockets} of ${connections}, ${joined} joined`,
  );
}

function print(
  first: readonly IngestFigures[],
  unmoved: readonly IngestFigures[],
  moved: readonly IngestFigures[],
): void {
  const bytes = (name: "rssBytes" | "heapAndExternalBytes"): number[] =>
    first.map((figures) => figures[name] / figures.joined);
  printTable([
    ["", "median", "least", "most", "wanted"],
    line("records/s of CPU, first load", ratesOf(first), `at least ${RATE_WANTED}`),
    line("records/s of CPU, known rows, unmoved", ratesOf(unmoved), `at least ${RATE_WANTED}`),
    line("records/s of CPU, known rows, all with traffic", ratesOf(moved), `at least ${RATE_WANTED}`),
    line("RSS, bytes per connection", bytes("rssBytes"), `at most ${BYTES_WANTED}`),
    line("heap and external, bytes per connection", bytes("heapAndExternalBytes"), `at most ${BYTES_WANTED}`),
  ]);
}

function ratesOf(figures: readonly IngestFigures[]): number[] {
  return figures.map(({ cpuMs }) => RECORDS / (cpuMs / 1000));
}

function line(what: string, values: readonly number[], wanted: string): string[] {
  const summary = [median(values), Math.min(...values), Math.max(...values)];
  return [what, ...summary.map((value) => value.toFixed(0)), wanted];
}
