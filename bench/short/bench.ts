// How many of a generator's short connections are seen, and whether their bytes are known: by all of whotalks
// in one process at several intervals, and by polling `ss -tan` every second.

import type { ChildProcess } from "node:child_process";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

import { MemoryBus } from "../../lib/bus.ts";
import type { NodeCoverage } from "../../lib/gen/whotalks/v1/report.ts";
import { parseNumber } from "../../lib/program/typed-values.ts";
import { createAggregator } from "../../services/aggregator/aggregator.ts";
import { createNodeAgent } from "../../services/node-agent/node-agent.ts";
import { printTable } from "../measure.ts";

/** The clients: their number, the duration of each connection, and of the load in seconds. */
const loads = [
  { name: "5 ms each", clients: 32, holdMicros: 5000, seconds: 8 },
  { name: "as fast as the machine can", clients: 4, holdMicros: 0, seconds: 8 },
] as const;
const INTERVALS_MS = [1000, 5000, 30_000];
/** The longest interval that can be chosen. */
const SECONDS_MAX = 3600;

/** Bytes of one connection, in each direction. */
const SENT = 100;
const ANSWERED = 50;

type Load = (typeof loads)[number];

interface Seen {
  readonly made: number;
  readonly connections: number;
  readonly exactBytes: number;
  readonly unseen: number | null;
  readonly overruns: number | null;
  readonly rssMiB: number | null;
}

/** Runs every load with every method and prints a table. Words are intervals in seconds. */
export async function run(words: readonly string[]): Promise<void> {
  const asked = words.map((word) => parseNumber("SECONDS", word, 1, SECONDS_MAX) * 1000);
  if (process.getuid?.() !== 0) {
    console.log("SKIP: needs root to make a network namespace");
    return;
  }
  const directory = mkdtempSync(path.join(tmpdir(), "whotalks-short-"));
  const generator = path.join(directory, "generator");
  try {
    execFileSync("cc", ["-O2", "-o", generator, path.join(import.meta.dirname, "generator.c")]);
  } catch (error) {
    console.log(`SKIP: the generator is in C and cannot be compiled: ${(error as Error).message}`);
    rmSync(directory, { recursive: true });
    return;
  }
  const rows: string[][] = [];
  for (const load of loads) {
    for (const intervalMs of asked.length > 0 ? asked : INTERVALS_MS) {
      console.error(`${load.name}, whotalks every ${intervalMs / 1000} s`);
      rows.push(
        row(
          load,
          `whotalks, a pass every ${intervalMs / 1000} s`,
          await byWhotalks(generator, load, intervalMs),
        ),
      );
    }
    console.error(`${load.name}, ss every second`);
    rows.push(row(load, "`ss -tan` every second", await bySs(generator, load)));
  }
  rmSync(directory, { recursive: true });
  printTable([
    [
      "load",
      "by",
      "made",
      "a second",
      "seen",
      "with exact bytes",
      "said to be unseen",
      "overruns",
      "RSS MiB",
    ],
    ...rows,
  ]);
}

function row(load: Load, by: string, seen: Seen): string[] {
  const share = (count: number): string =>
    `${((100 * count) / seen.made).toFixed(count === seen.made ? 0 : 2)} %`;
  return [
    load.name,
    by,
    String(seen.made),
    String(Math.round(seen.made / load.seconds)),
    `${seen.connections} (${share(seen.connections)})`,
    seen.unseen === null ? "none" : share(seen.exactBytes),
    String(seen.unseen ?? "not told"),
    String(seen.overruns ?? ""),
    seen.rssMiB === null ? "" : seen.rssMiB.toFixed(0),
  ];
}

// The generator in its own network namespace, which has an id in ours.
class Generated {
  readonly namespace = `wt-short-${process.pid}`;
  readonly #lines: AsyncIterator<string>;
  readonly #child: ChildProcess;

  constructor(generator: string, { clients, holdMicros, seconds }: Load) {
    ip(`netns add ${this.namespace}`);
    ip(`link add wts${process.pid} type veth peer name eth0 netns ${this.namespace}`);
    ip(`-n ${this.namespace} link set lo up`);
    const words = [clients, holdMicros, seconds].map(String);
    this.#child = spawn("ip", ["netns", "exec", this.namespace, generator, ...words], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#lines = createInterface(this.#child.stdout!)[Symbol.asyncIterator]();
  }

  async number(): Promise<number> {
    const { value } = await this.#lines.next();
    return Number(value);
  }

  async end(): Promise<void> {
    this.#child.stdin!.end("\n");
    await new Promise((resolve) => this.#child.on("exit", resolve));
    ip(`netns del ${this.namespace}`);
  }
}

async function byWhotalks(generator: string, load: Load, intervalMs: number): Promise<Seen> {
  const startMs = performance.now();
  const elapsedMs = (): number => performance.now() - startMs;
  const aggregator = createAggregator({ now: Date.now });
  const bus = new MemoryBus(Date.now);
  bus.subscribe(aggregator.ingest);
  const state = { passes: 0, coverage: null as NodeCoverage | null };
  const agent = createNodeAgent(
    { node: "bench", procRoot: "/proc", reader: "auto", conntrack: "none", events: "auto" },
    {
      sink: bus,
      flows: null,
      elapsedMs,
      onPass: (latest) => {
        state.coverage = latest;
        state.passes++;
      },
    },
    { intervalMs, keyframeMs: Number.POSITIVE_INFINITY, cpuShare: null },
  );
  const stop = new AbortController();
  const sweeping = setInterval(() => aggregator.tick(Date.now()), 1000);
  const running = agent.run(stop.signal);
  while (state.passes === 0) await sleep(20);
  const unseenBefore = told(state.coverage).unseen;
  const generated = new Generated(generator, load);
  const port = await generated.number();
  const made = await generated.number();
  // The second pass after the end has reported everything and compared it with the counters.
  const last = state.passes + 2;
  while (state.passes < last) await sleep(50);
  stop.abort();
  await running;
  clearInterval(sweeping);
  aggregator.tick(Date.now());
  const edges = [...aggregator.query.edges(undefined, 1e6).items].filter((edge) => edge.port === port);
  const sum = (of: (edge: (typeof edges)[number]) => number): number =>
    edges.reduce((all, edge) => all + of(edge), 0);
  const bytes = Math.min(
    sum((edge) => edge.bytesToServer ?? 0) / SENT,
    sum((edge) => edge.bytesToClient ?? 0) / ANSWERED,
  );
  const seen = {
    made,
    connections: sum((edge) => edge.connections),
    exactBytes: Math.floor(bytes),
    unseen: told(state.coverage).unseen - unseenBefore,
    overruns: told(state.coverage).destroyedOverruns,
    rssMiB: process.memoryUsage.rss() / 2 ** 20,
  };
  agent.close();
  aggregator.close();
  await generated.end();
  return seen;
}

function told(coverage: NodeCoverage | null): NodeCoverage {
  if (coverage === null) throw new Error("no pass was made");
  return coverage;
}

// All clients' tuples that a loop around ss ever showed. A reused port counts once.
async function bySs(generator: string, load: Load): Promise<Seen> {
  const generated = new Generated(generator, load);
  const port = await generated.number();
  const tuples = new Set<string>();
  const polling = { goesOn: true };
  const poll = async (): Promise<void> => {
    while (polling.goesOn) {
      const text = execFileSync("ip", ["netns", "exec", generated.namespace, "ss", "-tanH"], {
        encoding: "utf8",
        maxBuffer: 2 ** 28,
      });
      for (const line of text.split("\n")) {
        const [, , , local, remote] = line.split(/\s+/);
        if (remote?.endsWith(`:${port}`) === true) tuples.add(`${local} ${remote}`);
      }
      await sleep(1000);
    }
  };
  const polled = poll();
  const made = await generated.number();
  polling.goesOn = false;
  await polled;
  await generated.end();
  return { made, connections: tuples.size, exactBytes: 0, unseen: null, overruns: null, rssMiB: null };
}

function ip(words: string): void {
  execFileSync("ip", words.split(" "));
}
