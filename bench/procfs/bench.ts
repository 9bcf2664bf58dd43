// Reading /proc: our whole pass (tables, holders, ids, delta, report) compared with the bare reading of the
// same files and with common tools, in every namespace of the load.

import { execFileSync } from "node:child_process";
import path from "node:path";

import type { Contender } from "../measure.ts";
import { compare, printTable, shellContender, Worker } from "../measure.ts";
import type { SocketLoad } from "../socket-load.ts";
import { makeSocketLoad } from "../socket-load.ts";

/** The loads: how many namespaces share how many sockets. */
const loads = [
  { namespaces: 50, sockets: 10_000 },
  { namespaces: 1, sockets: 100_000 },
];

const ROUNDS = 9;
const TOOL_ROUNDS = 3;

/** Wanted maximum RSS of a pass at 100k sockets, in MiB. */
const RSS_WANTED_MIB = 96;

/** Creates each load, measures and prints a table. */
export async function run(): Promise<void> {
  if (process.getuid?.() !== 0) {
    console.log("SKIP: needs root to make network namespaces");
    return;
  }
  const columns: { head: string; cpu: Map<string, number>; firstPassMs: number; rssMiB: number }[] = [];
  for (const { namespaces, sockets } of loads) {
    console.error(`making ${sockets} sockets in ${namespaces} namespaces`);
    await using load = await makeSocketLoad(namespaces, sockets);
    // The first start after a change strips the sources' types, which costs 20 MiB once and must not be
    // measured.
    (await warmWorker("our-pass.ts", load)).worker.close();
    const ours = await warmWorker("our-pass.ts", load);
    const bare = await warmWorker("bare-reading.ts", load);
    console.error("measuring");
    let rssMiB = 0;
    const cpu = await compare([
      workerContender(
        "whotalks, a pass",
        ours.worker,
        (figures) => (rssMiB = Math.max(rssMiB, figures["rssMiB"]!)),
      ),
      workerContender("bare reading of the same files", bare.worker, () => undefined),
      ...toolContenders(load),
    ]);
    columns.push({
      head: `${namespaces} ns / ${sockets / 1000}k sockets`,
      cpu,
      firstPassMs: ours.firstMs,
      rssMiB,
    });
  }
  const bareName = "bare reading of the same files";
  printTable([
    ["CPU ms, median", ...columns.flatMap(({ head }) => [head, "× bare"])],
    ...[...columns[0]!.cpu.keys()].map((name) => [
      name,
      ...columns.flatMap(({ cpu }) => [
        cpu.get(name)!.toFixed(0),
        (cpu.get(name)! / cpu.get(bareName)!).toFixed(2),
      ]),
    ]),
    ["whotalks, the first pass", ...columns.flatMap(({ firstPassMs }) => [firstPassMs.toFixed(0), ""])],
    ["whotalks, RSS in MiB", ...columns.flatMap(({ rssMiB }) => [rssMiB.toFixed(0), ""])],
  ]);
  console.log(`wanted: at most 1.10 × the bare reading, at most ${RSS_WANTED_MIB} MiB`);
}

// The first pass also reads every file descriptor; the passes after it are compared.
async function warmWorker(script: string, load: SocketLoad): Promise<{ worker: Worker; firstMs: number }> {
  const worker = new Worker(path.join(import.meta.dirname, script), load.pids);
  const first = await worker.round();
  for (let i = 0; i < 3; i++) await worker.round();
  return { worker, firstMs: first["cpuMs"]! };
}

function workerContender(
  name: string,
  worker: Worker,
  look: (figures: Record<string, number>) => void,
): Contender {
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

function toolContenders(load: SocketLoad): Contender[] {
  const tools = [
    ["ss -tan", "ss"],
    ["ss -tanp", "ss"],
    ["netstat -tanp", "netstat"],
    ["lsof -nP -i", "lsof"],
  ] as const;
  return tools.flatMap(([command, tool]) => {
    try {
      execFileSync("which", [tool], { stdio: "ignore" });
    } catch {
      console.error(`SKIP ${command}: ${tool} is not installed`);
      return [];
    }
    const everywhere = load.namespaces.map((name) => `ip netns exec ${name} ${command}`).join("; ");
    return [shellContender(`\`${command}\` in every namespace`, TOOL_ROUNDS, everywhere)];
  });
}
