// Short connections at an ordinary rate and as fast as the machine makes them: how many are seen, named and
// have exact bytes, and by how much listening slows the load down. By the agent with and without the kernel's
// events, each with and without conntrack, which shows conntrack's share; by polling `ss -tan`; and without
// an observer.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { parseNumber } from "../../lib/program/typed-values.ts";
import { conntrackObstacle } from "../../services/node-agent/conntrack/testing/flows.ts";
import { median, printTable, Worker } from "../measure.ts";
import { onQuietNode } from "../quiet-node.ts";
import type { Made } from "./generated-load.ts";
import { compileGenerator, GeneratedLoad, PORT } from "./generated-load.ts";

/** Connections per second; 0 means as many as possible. */
const RATES = [5000, 0];
const ROUNDS = 5;
const LOAD_SECONDS = 3;

/** Seconds between two passes unless words say otherwise, and the longest interval that can be chosen. */
const INTERVALS_SECONDS = [1];
const SECONDS_MAX = 3600;

const NOBODY = "nobody";

const WANTED =
  "wanted, with events: every connection seen, named and with exact bytes; the load slowed by at most 2 % at 5000/s and 6 % at the full rate, without conntrack's share";

/** What a listener knows after one run of the load. */
interface Known {
  readonly seen: number;
  /** Null if it does not know. */
  readonly agent: {
    readonly named: number;
    readonly exactBytes: number;
    /**
     * Connections that it reports as unseen, and times that the kernel had no room for what it had to report.
     */
    readonly unseen: number;
    readonly lost: number;
    readonly cpuMs: number;
    readonly rssMiB: number;
  } | null;
}

interface Round {
  readonly made: Made;
  readonly known: Known;
}

/** One who listens while the load runs. */
interface Listener {
  readonly name: string;
  listen(load: GeneratedLoad): Promise<Round>;
  close(): void;
}

/** Runs every rate with every listener and prints a table of each rate. Words are intervals in seconds. */
export async function run(words: readonly string[]): Promise<void> {
  const asked = words.map((word) => parseNumber("SECONDS", word, 1, SECONDS_MAX));
  const obstacle = conntrackObstacle();
  if (obstacle !== null) {
    console.log(`SKIP: ${obstacle}`);
    return;
  }
  await onQuietNode(() => measureAll(asked.length > 0 ? asked : INTERVALS_SECONDS));
}

async function measureAll(intervals: readonly number[]): Promise<void> {
  const directory = mkdtempSync(path.join(tmpdir(), "whotalks-short-"));
  try {
    let generator: string;
    try {
      generator = compileGenerator(directory);
    } catch (error) {
      console.log(`SKIP: the generator is in C and cannot be compiled: ${(error as Error).message}`);
      return;
    }
    for (const seconds of intervals) for (const rate of RATES) await measure(generator, rate, seconds);
    console.log(WANTED);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function measure(generator: string, rate: number, intervalSeconds: number): Promise<void> {
  const title = rate === 0 ? "full rate" : `${rate}/s`;
  const listeners = [nobody, ...agents(intervalSeconds * 1000), ssEverySecond];
  const rounds = new Map<Listener, Round[]>(listeners.map((listener) => [listener, []]));
  // One extra round: the first one warms up and does not count.
  for (let turn = 0; turn <= ROUNDS; turn++) {
    for (const listener of listeners) {
      const load = new GeneratedLoad(generator, rate, LOAD_SECONDS);
      await load.listening();
      const round = await listener.listen(load);
      await load.end();
      console.error(
        `${title}, ${listener.name}: ${round.made.perSecond.toFixed(0)}/s, ${round.made.cpuMicros.toFixed(1)} µs of CPU each (${turn} of ${ROUNDS})`,
      );
      if (turn > 0) rounds.get(listener)!.push(round);
    }
  }
  for (const listener of listeners) listener.close();
  const quiet = rounds.get(listeners[0]!)!;
  printTable([
    [
      `${title}, a pass every ${intervalSeconds} s`,
      "made/s",
      "µs each",
      "slowed",
      "load's CPU µs each",
      "more",
      "made",
      "seen",
      "named",
      "exact bytes",
      "reported as unseen",
      "losses",
      "agent's CPU µs each",
      "RSS MiB",
    ],
    ...listeners.map((listener) => row(listener.name, rounds.get(listener)!, quiet)),
  ]);
}

const nobody: Listener = {
  name: NOBODY,
  listen: async (load) => ({ made: await load.run(), known: { seen: 0, agent: null } }),
  close: () => undefined,
};

function agents(intervalMs: number): Listener[] {
  const choices = [
    { name: "events", options: { events: "auto", conntrack: "none" } },
    { name: "events, conntrack", options: { events: "auto", conntrack: "auto" } },
    { name: "no events", options: { events: "off", conntrack: "none" } },
    { name: "no events, conntrack", options: { events: "off", conntrack: "auto" } },
  ];
  return choices.map(({ name, options }) => {
    const worker = new Worker(path.join(import.meta.dirname, "our-agent.ts"), { ...options, intervalMs });
    return {
      name: `whotalks, ${name}`,
      listen: async (load) => {
        await worker.round();
        const made = await load.run();
        const { seen, ...agent } = (await worker.round()) as Record<
          "seen" | "named" | "exactBytes" | "unseen" | "lost" | "cpuMs" | "rssMiB",
          number
        >;
        return { made, known: { seen, agent } };
      },
      close: () => worker.close(),
    };
  });
}

// All clients' tuples that a loop around ss ever showed. A reused port counts once.
const ssEverySecond: Listener = {
  name: "`ss -tan` every second",
  async listen(load) {
    const tuples = new Set<string>();
    const polling = { goesOn: true };
    const poll = async (): Promise<void> => {
      while (polling.goesOn) {
        const text = execFileSync("ip", ["netns", "exec", load.namespace, "ss", "-tanH"], {
          encoding: "utf8",
          maxBuffer: 2 ** 28,
        });
        for (const line of text.split("\n")) {
          const [, , , local, remote] = line.split(/\s+/);
          if (remote?.endsWith(`:${PORT}`) === true) tuples.add(`${local} ${remote}`);
        }
        await sleep(1000);
      }
    };
    const polled = poll();
    const made = await load.run();
    polling.goesOn = false;
    await polled;
    return { made, known: { seen: tuples.size, agent: null } };
  },
  close: () => undefined,
};

function row(name: string, rounds: readonly Round[], quiet: readonly Round[]): string[] {
  const middle = (of: (round: Round) => number): string => median(rounds.map(of)).toFixed(1);
  // Rounds are interleaved: each is compared with the one of the same turn.
  const more = (of: (made: Made) => number): string =>
    name === NOBODY
      ? ""
      : `${(100 * median(rounds.map(({ made }, turn) => of(made) / of(quiet[turn]!.made) - 1))).toFixed(1)} %`;
  const sum = (of: (round: Round) => number): number => rounds.reduce((all, round) => all + of(round), 0);
  const made = sum((round) => round.made.connections);
  const share = (count: number): string =>
    `${((100 * count) / made).toFixed(count === made ? 0 : 2)} % (${count})`;
  const ofAgent = (of: (agent: NonNullable<Known["agent"]>) => number): number | null =>
    rounds[0]?.known.agent === null ? null : sum(({ known }) => of(known.agent!));
  return [
    name,
    middle((round) => round.made.perSecond).replace(/\..*/, ""),
    middle((round) => round.made.busyMicros),
    more(({ busyMicros }) => busyMicros),
    middle((round) => round.made.cpuMicros),
    more(({ cpuMicros }) => cpuMicros),
    String(made),
    name === NOBODY ? "" : share(sum(({ known }) => known.seen)),
    cell(
      ofAgent(({ named }) => named),
      share,
    ),
    cell(
      ofAgent(({ exactBytes }) => exactBytes),
      share,
    ),
    cell(
      ofAgent(({ unseen }) => unseen),
      String,
    ),
    cell(
      ofAgent(({ lost }) => lost),
      String,
    ),
    cell(
      ofAgent(({ cpuMs }) => (cpuMs * 1000) / made),
      (micros) => micros.toFixed(1),
    ),
    cell(
      ofAgent(({ rssMiB }) => rssMiB / ROUNDS),
      (mebibytes) => mebibytes.toFixed(0),
    ),
  ];
}

function cell(value: number | null, text: (value: number) => string): string {
  return value === null ? "" : text(value);
}
