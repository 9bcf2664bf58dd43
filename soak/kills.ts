// Breaks an installed release in every way that a cluster can, under a load that counts itself, and compares
// the answers with the load after each fault: nothing may be counted twice, and losses must be reported.

import { setTimeout as delay } from "node:timers/promises";

import { kubectl } from "../test/e2e/command.ts";
import { coverage } from "../test/e2e/answer.ts";
import { environment } from "../test/e2e/environment.ts";
import { nodeNames } from "../test/e2e/node.ts";
import { prepareCluster } from "../test/e2e/prepare-cluster.ts";
import { allReady, ensureInstalled, uninstall } from "../test/e2e/release.ts";
import { UsageError } from "../lib/program/usage-error.ts";
import { eventually } from "../lib/testing/eventually.ts";
import type { Fault } from "./kills/faults.ts";
import { faults } from "./kills/faults.ts";
import type { Effect, Figures } from "./kills/figures.ts";
import { effectOf, effectTable, verdictOn } from "./kills/figures.ts";
import { Load } from "./kills/load.ts";
import type { SoakOptions } from "./main.ts";

const NAMESPACE = "whotalks-soak";
/** Connections that each of two clients opens in a second. */
const PER_SECOND = 40;
/** How long the load runs before and after each fault, in milliseconds. */
const AROUND_MS = 8000;
/** How long figures may take to be right once the load is paused, and how long they must stay as they are. */
const SETTLE_MS = 60_000;
const STILL_MS = 15_000;
const LOOK_MS = 3000;
/** Lost connections that are named. */
const EXAMPLES_MAX = 30;

/** Runs the soak; returns false if a fault had an effect that it must not have. */
export async function run({ times, short, fault }: SoakOptions): Promise<boolean> {
  const chosen = faults.filter(({ name, isShort }) => name.startsWith(fault) && (!short || isShort === true));
  if (chosen.length === 0) {
    const names = faults.map(({ name }) => name).join(", ");
    throw new UsageError(`--fault takes the beginning of one of ${names}, not '${fault}'.`);
  }
  await prepareCluster();
  try {
    await ensureInstalled();
    return await breakRelease(chosen, times);
  } finally {
    await kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false");
    if (!environment.reuse) await uninstall();
  }
}

async function breakRelease(chosen: readonly Fault[], times: number): Promise<boolean> {
  const nodes = await nodeNames();
  const load = await Load.start(NAMESPACE, nodes, PER_SECOND);
  await load.resume();
  await delay(AROUND_MS);
  await load.pause();
  let before = await settled(load, Date.now());
  const effects: Effect[] = [];
  for (const fault of chosen) {
    if (fault.onNodes && environment.node === "") {
      console.log(`SKIP ${fault.name}: E2E_NODE names no command that runs things on a node`);
      continue;
    }
    for (let time = 0; time < times; time++) {
      const startMs = Date.now();
      await under(load, fault, nodes.length);
      const after = await settled(load, startMs);
      const effect = effectOf(fault.name, before, after);
      effects.push(effect);
      before = after;
      const { made, doubled, lost, told } = effect;
      const figures = `${made} connections, ${doubled} counted twice, ${lost} lost, ${told} told`;
      const verdict = verdictOn(effect);
      const examples = after.lostExamples.slice(0, EXAMPLES_MAX).join(", ");
      console.error(`${fault.name}: ${figures}: ${verdict ?? "right"}`);
      if (verdict === "lost untold")
        console.error(`  of ${after.lostExamples.length} not shown: ${examples}`);
    }
  }
  console.log(effectTable(effects));
  const faulty = effects.filter((effect) => verdictOn(effect) !== null).length;
  console.log(`${effects.length - faulty} passed, ${faulty} failed`);
  return faulty === 0;
}

async function under(load: Load, fault: Fault, nodes: number): Promise<void> {
  await load.resume();
  await delay(AROUND_MS);
  await fault.happen();
  await allReady();
  await eventually(120_000, async () => {
    const read = (await coverage()).filter(({ ageMs = Infinity }) => ageMs < 10_000);
    if (read.length < nodes) throw new Error(`${read.length} of ${nodes} nodes are read`);
  });
  await delay(AROUND_MS);
  await load.pause();
}

// The figures once they are right, or else once they have not changed for a while.
async function settled(load: Load, sinceMs: number): Promise<Figures> {
  const startMs = performance.now();
  let changedMs = startMs;
  let figures = await load.figures(sinceMs);
  for (;;) {
    const nowMs = performance.now();
    const isRight = figures.shown === figures.made && figures.heldRight && nowMs - startMs > LOOK_MS;
    if (isRight || nowMs - changedMs > STILL_MS || nowMs - startMs > SETTLE_MS) return figures;
    await delay(LOOK_MS);
    const next = await load.figures(sinceMs);
    if (next.shown !== figures.shown || next.unseenEnds !== figures.unseenEnds) changedMs = performance.now();
    figures = next;
  }
}
