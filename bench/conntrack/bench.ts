// Reading conntrack: our dump (entries, ids, changes) compared with a bare netlink dump, with /proc and with
// `conntrack -L`, on tables that the bench fills; then its events (events.ts).

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { ConntrackNamespace, conntrackObstacle } from "../../services/node-agent/conntrack/testing/flows.ts";
import type { Contender } from "../measure.ts";
import { compare, printTable, shellContender, Worker } from "../measure.ts";
import { measureEvents } from "./events.ts";

const sizes = [10_000, 100_000];
const ROUNDS = 9;
const TOOL_ROUNDS = 5;
const WARM_ROUNDS = 5;

/** Wanted maximum cost of our dump, as a multiple of the bare one. */
const RATIO_WANTED = 1.1;

const BARE = "bare netlink dump";

/** Runs both parts, or prints why it cannot. */
export async function run(): Promise<void> {
  const obstacle = conntrackObstacle();
  if (obstacle !== null) {
    console.log(`SKIP: ${obstacle}`);
    return;
  }
  await measureDumps();
  await measureEvents();
}

// Fills each table, measures and prints.
async function measureDumps(): Promise<void> {
  const columns: { head: string; cpu: Map<string, number> }[] = [];
  for (const size of sizes) {
    console.error(`making ${size} entries`);
    using namespace = await new ConntrackNamespace().ready();
    fill(namespace, size);
    console.error("measuring");
    const contenders = [
      await workerContender(BARE, "bare-dump.ts", namespace.pid, size),
      await workerContender("whotalks, dump", "our-dump.ts", { pid: namespace.pid, choice: "dump" }, size),
    ];
    if (namespace.text() !== null)
      contenders.push(
        await workerContender("whotalks, /proc", "our-dump.ts", { pid: namespace.pid, choice: "proc" }, size),
      );
    contenders.push(
      shellContender("`conntrack -L`", TOOL_ROUNDS, `ip netns exec ${namespace.name} conntrack -L`),
    );
    columns.push({ head: `${size / 1000}k entries`, cpu: await compare(contenders) });
  }
  printTable([
    ["CPU ms, median", ...columns.flatMap(({ head }) => [head, "× bare"])],
    ...[...columns[0]!.cpu.keys()].map((name) => [
      name,
      ...columns.flatMap(({ cpu }) => [
        cpu.get(name)!.toFixed(1),
        (cpu.get(name)! / cpu.get(BARE)!).toFixed(2),
      ]),
    ]),
  ]);
  console.log(`wanted: at most ${RATIO_WANTED} × the bare dump`);
}

function fill(namespace: ConntrackNamespace, size: number): void {
  const directory = mkdtempSync(path.join(tmpdir(), "whotalks-bench-"));
  const file = path.join(directory, "entries");
  const lines: string[] = [];
  for (let i = 0; i < size; i++) {
    const source = `10.${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`;
    lines.push(
      `-I -p tcp -t 3000 -s ${source} -d 10.96.0.1 --sport 40000 --dport 443 --state ESTABLISHED -u ASSURED,SEEN_REPLY`,
    );
  }
  writeFileSync(file, `${lines.join("\n")}\n`);
  execFileSync("ip", ["netns", "exec", namespace.name, "conntrack", "-R", file], { stdio: "ignore" });
  rmSync(directory, { recursive: true });
}

async function workerContender(
  name: string,
  script: string,
  argument: unknown,
  size: number,
): Promise<Contender> {
  const worker = new Worker(path.join(import.meta.dirname, script), argument);
  for (let i = 0; i < WARM_ROUNDS; i++) {
    const { entries } = await worker.round();
    if (entries !== size) throw new Error(`${name}: ${entries} entries of ${size}`);
  }
  return {
    name,
    rounds: ROUNDS,
    measure: async () => (await worker.round())["cpuMs"]!,
    close: () => worker.close(),
  };
}
