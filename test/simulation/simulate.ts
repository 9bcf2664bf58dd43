// Simulates one history, from its scenario to the findings about the aggregator's answer.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import type { RenderedReport } from "./agent.ts";
import { Agent } from "./agent.ts";
import type { Cluster, Node } from "./cluster.ts";
import { createCluster, identityOf } from "./cluster.ts";
import type { Answer } from "./delivery.ts";
import { deliver, promptSteps, shuffledSteps, withQueries } from "./delivery.ts";
import type { History } from "./conversation.ts";
import { createHistory } from "./history.ts";
import type { Finding } from "./oracle.ts";
import { compareAnswers, judge } from "./oracle.ts";
import type { Scenario } from "./scenario.ts";
import { lengthOf, timetableOf } from "./timetable.ts";
import { witnessesOf } from "./witnesses.ts";

/** A simulated history. */
export interface Simulation {
  readonly cluster: Cluster;
  readonly history: History;
  readonly reports: readonly RenderedReport[];
  readonly answer: Answer;
  readonly findings: readonly Finding[];
}

/**
 * Simulates a scenario in three deliveries: in order, out of order, and out of order with queries in between.
 */
export function simulate(scenario: Scenario): Simulation {
  freeAggregators();
  const cluster = createCluster(scenario);
  const history = createHistory(scenario, cluster, lengthOf(scenario));
  const reports = cluster.nodes
    .flatMap((node) => reportsOf(scenario, node, history))
    .toSorted((a, b) => a.publishedMs - b.publishedMs);
  const identity = identityOf(cluster, scenario.knowsServices);
  const answer = deliver(identity, promptSteps(reports));
  const shuffled = shuffledSteps(reports, scenario.orderSeed);
  const other = deliver(identity, shuffled);
  const asked = deliver(identity, withQueries(shuffled, scenario.orderSeed));
  const findings = [
    ...judge(scenario, cluster, history, witnessesOf(reports), answer),
    ...compareAnswers("order", answer, other),
    ...compareAnswers("query", other, asked),
  ];
  return { cluster, history, reports, answer, findings };
}

/**
 * Histories after which aggregators are freed. Each of a history's three reserves some 50 ranges of address
 * space, which take no memory, so that nothing makes V8 collect them; a process may have 65,530
 * (vm.max_map_count).
 */
const FREE_EVERY = 100;
let simulated = 0;
setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function freeAggregators(): void {
  simulated++;
  if (simulated % FREE_EVERY === 0) collectGarbage();
}

// The reports of a node that are applied.
function reportsOf(scenario: Scenario, node: Node, history: History): RenderedReport[] {
  const traits = scenario.agents[node.index]!;
  const reports: RenderedReport[] = [];
  let agent: Agent | null = null;
  for (const { atMs, starts, keyframe, arrives, heldUntilMs, wasStopped } of timetableOf(scenario, node)) {
    // A successor starts just before its first pass.
    if (agent === null || starts)
      agent = new Agent(node, traits, scenario.accounting, history, agent === null ? atMs : atMs - 5);
    const report = agent.pass(atMs, { keyframe, wasStopped });
    if (arrives) reports.push({ ...report, publishedMs: Math.max(report.publishedMs, heldUntilMs) });
  }
  return reports;
}
