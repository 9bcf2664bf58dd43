// Each of our readers compared with the bare reading of /proc and with common tools, in every namespace of the
// load.

import { execFileSync } from "node:child_process";
import path from "node:path";

import { listedWord } from "../../lib/program/typed-values.ts";
import { readerNames } from "../../lib/vocabulary/reader-names.ts";
import { chooseReader } from "../../services/node-agent/readers/choose-reader.ts";
import type { Contender } from "../measure.ts";
import { compare, printTable, shellContender, Worker } from "../measure.ts";
import type { SocketLoad } from "../socket-load.ts";
import { makeSocketLoad } from "../socket-load.ts";

/** The loads: how many namespaces share how many sockets. */
const loads = [
  { namespaces: 50, sockets: 10_000 },
  { namespaces: 200, sockets: 10_000 },
  { namespaces: 200, sockets: 100_000 },
  { namespaces: 1, sockets: 100_000 },
];

const ROUNDS = 5;
const TOOL_ROUNDS = 3;
/**
 * Tools that scan every process for each namespace take minutes for many namespaces: they run once, in this
 * many namespaces, and their cost is extrapolated to all, which cost the same.
 */
const SLOW_TOOL_NAMESPACES = 5;

const BARE = "bare reading of /proc";

/**
 * Creates each load, measures and prints a table. Words (`NAMESPACES/SOCKETS`) select loads.
 */
export async function run(words: readonly string[]): Promise<void> {
  const names = loads.map(nameOf);
  const asked = words.map((word) => listedWord("NAMESPACES/SOCKETS", word, names));
  if (process.getuid?.() !== 0) {
    console.log("SKIP: needs root to make network namespaces");
    return;
  }
  const wanted = loads.filter((load) => asked.length === 0 || asked.includes(nameOf(load)));
  const columns: { head: string; cpu: Map<string, number>; rss: Map<string, number> }[] = [];
  for (const { namespaces, sockets } of wanted) {
    console.error(`making ${sockets} sockets in ${namespaces} namespaces`);
    await using load = await makeSocketLoad(namespaces, sockets);
    const rss = new Map<string, number>();
    const contenders = [
      ...(await Promise.all(
        usableReaders().flatMap((name) => [
          readerContender(name, load, sockets, rss, false),
          ...(name === "bpf-iter" ? [] : [readerContender(name, load, sockets, rss, true)]),
        ]),
      )),
      await warm(new Worker(path.join(import.meta.dirname, "../procfs/bare-reading.ts"), load.pids), BARE),
      ...tools(load),
    ];
    console.error(
      `measuring; ss -tanp and netstat in ${SLOW_TOOL_NAMESPACES} namespaces, reckoned up for all`,
    );
    columns.push({ head: `${namespaces} ns / ${sockets / 1000}k`, cpu: await compare(contenders), rss });
  }
  const rows = [...new Set(columns.flatMap(({ cpu }) => [...cpu.keys()]))];
  printTable([
    ["CPU ms a pass, median", ...columns.flatMap(({ head }) => [head, "bare ÷ it"])],
    ...rows.map((name) => [
      name,
      ...columns.flatMap(({ cpu }) => {
        const ms = cpu.get(name);
        return ms === undefined ? ["", ""] : [ms.toFixed(1), (cpu.get(BARE)! / ms).toFixed(1)];
      }),
    ]),
    ...usableReaders().map((name) => [
      `whotalks ${name}, RSS in MiB`,
      ...columns.flatMap(({ rss }) => [(rss.get(name) ?? 0).toFixed(0), ""]),
    ]),
  ]);
}

function nameOf({ namespaces, sockets }: (typeof loads)[number]): string {
  return `${namespaces}/${sockets}`;
}

function usableReaders(): string[] {
  return readerNames.filter((name) => {
    const obstacle = chooseReader(name, { procRoot: "/proc", nowTicks: () => 0 }).probe();
    if (obstacle !== null) console.error(`SKIP ${name}: ${obstacle}`);
    return obstacle === null;
  });
}

async function readerContender(
  name: string,
  load: SocketLoad,
  sockets: number,
  rss: Map<string, number>,
  quiet: boolean,
): Promise<Contender> {
  const worker = new Worker(path.join(import.meta.dirname, "reader-rounds.ts"), {
    reader: name,
    pids: load.pids,
    quiet,
  });
  return warm(worker, `whotalks ${name}${quiet ? ", nothing having moved" : ""}`, (figures) => {
    // A reader must not win by skipping sockets.
    if (figures["sockets"]! < sockets)
      throw new Error(`${name} read ${figures["sockets"]} of ${sockets} sockets`);
    rss.set(name, Math.max(rss.get(name) ?? 0, figures["rssMiB"]!));
  });
}

async function warm(
  worker: Worker,
  name: string,
  look: (figures: Record<string, number>) => void = () => undefined,
): Promise<Contender> {
  for (let i = 0; i < 3; i++) await worker.round();
  return {
    name,
    rounds: ROUNDS,
    async measure() {
      const figures = await worker.round();
      look(figures);
      return figures["cpuMs"]!;
    },
    close: () => worker.close(),
  };
}

function tools({ namespaces }: SocketLoad): Contender[] {
  const commands = [
    { command: "ss -tan", rounds: TOOL_ROUNDS, within: namespaces },
    { command: "ss -tanp", rounds: 1, within: namespaces.slice(0, SLOW_TOOL_NAMESPACES) },
    { command: "netstat -tanp", rounds: 1, within: namespaces.slice(0, SLOW_TOOL_NAMESPACES) },
    { command: "lsof -nP -i", rounds: 1, within: null },
  ];
  return commands.flatMap(({ command, rounds, within }) => {
    const [tool] = command.split(" ");
    try {
      execFileSync("which", [tool!], { stdio: "ignore" });
    } catch {
      console.error(`SKIP ${command}: ${tool} is not installed`);
      return [];
    }
    if (within === null) return [shellContender(`\`${command}\`, once in one namespace`, rounds, command)];
    const everywhere = within.map((name) => `ip netns exec ${name} ${command}`).join("; ");
    const times = namespaces.length / within.length;
    const measured = shellContender(`\`${command}\` in every namespace`, rounds, everywhere);
    return [{ ...measured, measure: async () => times * (await measured.measure()) }];
  });
}
