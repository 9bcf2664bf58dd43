// Simulates any number of random histories (test/simulation) and counts the findings. History N of seed S is
// history 0 of seed S + N, so each can be reproduced with `--histories 1 --seed`.

import fc from "fast-check";

import { describeSimulation } from "../test/simulation/describe.ts";
import { explain } from "../test/simulation/explain.ts";
import { knownFaults } from "../test/simulation/known-faults.ts";
import type { Scenario } from "../test/simulation/scenario.ts";
import { scenarios } from "../test/simulation/scenario.ts";
import { simulate } from "../test/simulation/simulate.ts";
import type { SoakOptions } from "./main.ts";

/** Histories per line of progress. */
const PROGRESS_EVERY = 2000;
/** Seeds printed for each kind of finding. */
const SEEDS_SHOWN = 10;
/** New findings that are shrunk and described; of the others only the seeds are printed. */
const DESCRIBED_MAX = 5;

/** Histories with findings, by the fault that explains them, or by kind if nothing explains them. */
interface Tally {
  count: number;
  readonly seeds: number[];
}

/** Runs the soak; returns false if there was an unexpected finding. */
export function run({ histories, seed }: SoakOptions): boolean {
  const tallies = new Map<string, Tally>();
  const unexpected = new Map<string, Tally>();
  let conversations = 0;
  let withFindings = 0;
  const startMs = performance.now();
  for (let at = 0; at < histories; at++) {
    const own = seed + at;
    const scenario = scenarioOf(own);
    const { findings, history, reports } = simulate(scenario);
    conversations += history.conversations.length;
    if (findings.length > 0) withFindings++;
    const names = new Set<string>();
    const kinds = new Set<string>();
    for (const finding of findings) {
      const explained = explain(finding, { scenario, history, reports });
      if (explained === null) kinds.add(finding.kind);
      else for (const name of explained) names.add(name);
    }
    for (const name of names) count(tallies, name, own);
    for (const kind of kinds) count(unexpected, kind, own);
    if ((at + 1) % PROGRESS_EVERY === 0) {
      const rate = Math.round((at + 1) / ((performance.now() - startMs) / 1000));
      console.error(`${at + 1} of ${histories} histories, ${rate} a second, ${total(unexpected)} unexpected`);
    }
  }
  const seconds = Math.round((performance.now() - startMs) / 1000);
  console.log(`${histories} histories from seed ${seed}, ${conversations} conversations, ${seconds} s`);
  console.log(`${withFindings} histories with findings`);
  for (const [name, description] of Object.entries(knownFaults)) {
    const tally = tallies.get(name);
    console.log(`known: ${name}: ${tally === undefined ? "not seen" : tallyText(tally)}`);
    console.log(`       ${description}`);
  }
  for (const [kind, tally] of unexpected) console.log(`unexpected: ${kind}: ${tallyText(tally)}`);
  const seeds = [...new Set([...unexpected.values()].flatMap((tally) => tally.seeds))];
  for (const own of seeds.slice(0, DESCRIBED_MAX)) console.log(describeSmallest(own));
  return unexpected.size === 0;
}

function scenarioOf(seed: number): Scenario {
  return fc.sample(scenarios, { seed, numRuns: 1 })[0]!;
}

function count(tallies: Map<string, Tally>, name: string, seed: number): void {
  const tally = tallies.get(name) ?? { count: 0, seeds: [] };
  tally.count++;
  if (tally.seeds.length < SEEDS_SHOWN) tally.seeds.push(seed);
  tallies.set(name, tally);
}

function total(tallies: ReadonlyMap<string, Tally>): number {
  return [...tallies.values()].reduce((sum, tally) => sum + tally.count, 0);
}

function tallyText({ count: histories, seeds }: Tally): string {
  return `${histories} histories, seeds ${seeds.join(" ")}${histories > seeds.length ? " …" : ""}`;
}

// The smallest shrunk history that still has an unexplained finding.
function describeSmallest(seed: number): string {
  const isExpected = (scenario: Scenario): boolean => unexplainedOf(scenario).length === 0;
  const { counterexample } = fc.check(fc.property(scenarios, isExpected), { seed, numRuns: 1 });
  if (counterexample === null) return `seed ${seed}: not found again`;
  const [smallest] = counterexample;
  const text = describeSimulation(smallest, simulate(smallest), unexplainedOf(smallest));
  return `seed ${seed}, shrunk:\n${text}`;
}

function unexplainedOf(scenario: Scenario): ReturnType<typeof simulate>["findings"] {
  const { findings, history, reports } = simulate(scenario);
  return findings.filter((finding) => explain(finding, { scenario, history, reports }) === null);
}
