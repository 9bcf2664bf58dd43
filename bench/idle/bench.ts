// The cost of whotalks on an idle node: the agent as it runs in a cluster, and `whotalks local`, on quiet
// namespaces at the default interval: many namespaces with many sockets, and few with few. CPU and memory are
// the kernel's figures for the whole process.

import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

import { listedWord } from "../../lib/program/typed-values.ts";
import { freePort, TestNatsServer, natsServerMissing } from "../../lib/testing/nats-server.ts";
import { ensureStream } from "../../lib/nats/stream.ts";
import { defaultStreamSettings } from "../../lib/testing/stream-settings.ts";
import { chooseReader } from "../../services/node-agent/readers/choose-reader.ts";
import { readerNames } from "../../lib/vocabulary/reader-names.ts";
import { buildPrograms } from "../../scripts/build.ts";
import { median, printTable } from "../measure.ts";
import type { ProgramStart } from "../measured-program.ts";
import { cpuSeconds, residentMiB, startProgram, stopProgram } from "../measured-program.ts";
import { onQuietNode } from "../quiet-node.ts";
import { makeSocketLoad } from "../socket-load.ts";

/** A node at kubelet's default limit of pods, and a small one. */
const loads = [
  { namespaces: 110, sockets: 10_000 },
  { namespaces: 3, sockets: 200 },
];

/**
 * Seconds until an agent's initial credit is used up and its code is compiled; seconds measured, in parts. A
 * part has several full readings, which are 15 s apart, and the kernel's figure is in steps of 10 ms.
 */
const WARM_SECONDS = 240;
const PART_SECONDS = 60;
const PARTS = 3;

interface Candidate extends ProgramStart {
  readonly name: string;
  /** URL of its metrics; null if it has none. */
  readonly metrics: string | null;
}

interface Figures {
  readonly cpuPercent: number;
  readonly rssMiB: number;
  readonly intervalSeconds: number | null;
}

type Load = (typeof loads)[number];

/**
 * Prints a table of each load and candidate, or of those that words name (`NAMESPACES/SOCKETS`, candidates).
 */
export async function run(words: readonly string[]): Promise<void> {
  const names = ["agent", "local"].flatMap((program) => readerNames.map((reader) => `${program} ${reader}`));
  const known = [...loads.map(nameOf), ...names];
  const asked = words.map((word) => listedWord("NAMESPACES/SOCKETS or CANDIDATE", word, known));
  const wanted = loads.filter((load) => asked.includes(nameOf(load)));
  if (process.getuid?.() !== 0) {
    console.log("SKIP: needs root to make network namespaces");
    return;
  }
  const missing = natsServerMissing();
  if (missing !== null) {
    console.log(`SKIP: ${missing}`);
    return;
  }
  await onQuietNode(async () => {
    // The agent is measured as it is shipped: the sources need more memory.
    await buildPrograms();
    for (const load of wanted.length === 0 ? loads : wanted)
      await measureAll(
        load,
        asked.filter((word) => names.includes(word)),
      );
  });
}

function nameOf({ namespaces, sockets }: Load): string {
  return `${namespaces}/${sockets}`;
}

async function measureAll({ namespaces, sockets }: Load, asked: readonly string[]): Promise<void> {
  console.error(`making ${sockets} sockets in ${namespaces} namespaces`);
  await using _load = await makeSocketLoad(namespaces, sockets);
  const nats = await TestNatsServer.start();
  await makeStream(nats.url);
  const rows: string[][] = [];
  try {
    for (const candidate of await candidates(nats.url)) {
      if (asked.length > 0 && !asked.includes(candidate.name)) continue;
      console.error(`measuring ${candidate.name}`);
      const { cpuPercent, rssMiB, intervalSeconds } = await measure(candidate);
      rows.push([
        candidate.name,
        `${cpuPercent.toFixed(2)} %`,
        rssMiB.toFixed(0),
        intervalSeconds === null ? "" : intervalSeconds.toFixed(2),
      ]);
    }
  } finally {
    await nats.remove();
  }
  printTable([
    [`${namespaces} namespaces, ${sockets} sockets`, "of one core", "RSS in MiB", "interval reached, s"],
    ...rows,
  ]);
  console.log(`load average ${loadavg()[0]!.toFixed(1)} in the last minute`);
}

// The aggregator normally creates it: without it an agent keeps its reports and retries.
async function makeStream(url: string): Promise<void> {
  const connection = await connect({ servers: url });
  await ensureStream(await jetstreamManager(connection), defaultStreamSettings);
  await connection.close();
}

async function candidates(natsUrl: string): Promise<Candidate[]> {
  const found: Candidate[] = [];
  const usable = readerNames.filter((name) => {
    const obstacle = chooseReader(name, { procRoot: "/proc", nowTicks: () => 0 }).probe();
    if (obstacle !== null) console.error(`SKIP ${name}: ${obstacle}`);
    return obstacle === null;
  });
  for (const reader of usable) {
    const port = await freePort();
    found.push({
      name: `agent ${reader}`,
      script: "dist/agent/main.js",
      args: [],
      environment: {
        WHOTALKS_NODE_NAME: `bench-${reader}`,
        WHOTALKS_NATS_URL: natsUrl,
        WHOTALKS_READER: reader,
        WHOTALKS_HTTP_ADDRESS: `127.0.0.1:${port}`,
      },
      metrics: `http://127.0.0.1:${port}/metrics`,
    });
  }
  for (const reader of usable) {
    found.push({
      name: `local ${reader}`,
      script: "cli/main.ts",
      args: ["local", "watch", "--reader", reader, "--listen", "none"],
      environment: {},
      metrics: null,
    });
  }
  return found;
}

async function measure(candidate: Candidate): Promise<Figures> {
  const child = startProgram(candidate);
  const { metrics } = candidate;
  try {
    await sleep(WARM_SECONDS * 1000);
    const shares: number[] = [];
    for (let part = 0; part < PARTS; part++) {
      const [before, startMs] = [cpuSeconds(child), performance.now()];
      await sleep(PART_SECONDS * 1000);
      shares.push((100_000 * (cpuSeconds(child) - before)) / (performance.now() - startMs));
    }
    return {
      cpuPercent: median(shares),
      rssMiB: residentMiB(child),
      intervalSeconds: metrics === null ? null : await gauge(metrics, "whotalks_agent_interval_seconds"),
    };
  } finally {
    await stopProgram(child);
  }
}

async function gauge(url: string, name: string): Promise<number> {
  const text = await (await fetch(url)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? Number.NaN);
}
