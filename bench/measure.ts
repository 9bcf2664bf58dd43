// Shared by benches: workers that report their CPU time, medians, and tables of them.

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Interface } from "node:readline";
import { createInterface } from "node:readline";

/** The middle value; NaN if there are none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** One candidate: each call runs a round and returns its CPU milliseconds (user + system). */
export interface Contender {
  readonly name: string;
  /** Number of rounds: slow contenders get fewer. */
  readonly rounds: number;
  measure(): Promise<number>;
  close(): void;
}

/** Runs contenders in turn, A B C A B C …, prints each round, and returns the median of each by name. */
export async function compare(contenders: readonly Contender[]): Promise<Map<string, number>> {
  const samples = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  const rounds = Math.max(...contenders.map((contender) => contender.rounds));
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) {
      if (round >= contender.rounds) continue;
      const milliseconds = await contender.measure();
      console.error(`${contender.name}: ${milliseconds.toFixed(1)} ms (${round + 1} of ${contender.rounds})`);
      samples.get(contender.name)!.push(milliseconds);
    }
  }
  for (const contender of contenders) contender.close();
  return new Map([...samples].map(([name, values]) => [name, median(values)]));
}

/** A worker script that runs one round per line on its standard input and answers each with a JSON line. */
export class Worker {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  constructor(script: string, argument: unknown) {
    this.#child = spawn(process.execPath, ["--max-semi-space-size=1", script, JSON.stringify(argument)], {
      stdio: ["pipe", "pipe", "inherit"],
      // As `npm start` and the chart run it: stripped types are cached, memory is returned at once.
      env: {
        ...process.env,
        NODE_COMPILE_CACHE: "node_modules/.cache/whotalks",
        MALLOC_ARENA_MAX: "1",
        MALLOC_MMAP_THRESHOLD_: "8192",
      },
    });
    this.#reader = createInterface(this.#child.stdout!);
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** Runs one round; returns the worker's answer. */
  async round(): Promise<Record<string, number>> {
    this.#child.stdin!.write("go\n");
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("the worker ended");
    return JSON.parse(value) as Record<string, number>;
  }

  close(): void {
    this.#child.kill();
  }
}

/**
 * The worker's side: calls `round` for each line on standard input and prints CPU milliseconds and RSS after
 * it.
 */
export async function serveRounds(round: () => Promise<Record<string, number>>): Promise<void> {
  for await (const _ of createInterface(process.stdin)) {
    const before = process.cpuUsage();
    const figures = await round();
    const { user, system } = process.cpuUsage(before);
    console.log(
      JSON.stringify({
        cpuMs: (user + system) / 1000,
        rssMiB: process.memoryUsage.rss() / 2 ** 20,
        ...figures,
      }),
    );
  }
}

/** A shell command as a contender; its CPU time includes its children's, as bash's `times` counts them. */
export function shellContender(name: string, rounds: number, command: string): Contender {
  return {
    name,
    rounds,
    async measure() {
      const child = spawn("bash", ["-c", `{ ${command}; } >/dev/null 2>&1; times`], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let output = "";
      child.stdout.on("data", (data: Buffer) => (output += data.toString()));
      await once(child, "close");
      return timesMilliseconds(output);
    },
    close: () => undefined,
  };
}

// bash prints two lines, the shell's and its children's: "0m0.001s 0m0.002s".
function timesMilliseconds(output: string): number {
  let total = 0;
  for (const [, minutes, seconds] of output.matchAll(/(\d+)m([\d.]+)s/g)) {
    total += Number(minutes) * 60_000 + Number(seconds) * 1000;
  }
  return total;
}

/** Prints rows as a Markdown table; the first row is the header. */
export function printTable(rows: readonly (readonly string[])[]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const [index, row] of rows.entries()) {
    console.log(`| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`);
    if (index === 0) console.log(`| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`);
  }
}
