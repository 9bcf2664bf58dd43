// Simulates one history, from its scenario to the findings about the aggregator's answer.

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
import { witnessesOf } from "./witnesses.ts";

/** Passes that an old agent has made before the first keyframe that the aggregator receives. */
const PASSES_BEFORE = 4;

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
  const cluster = createCluster(scenario);
  const lengthMs = scenario.passes * scenario.intervalMs;
  const history = createHistory(scenario, cluster, lengthMs);
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

// The reports of a node that are applied.
function reportsOf(scenario: Scenario, node: Node, history: History): RenderedReport[] {
  const { intervalMs, passes, accounting, incident } = scenario;
  const traits = scenario.agents[node.index]!;
  const struck = incident.node === node.index ? incident.kind : "none";
  const startAt = traits.old ? -PASSES_BEFORE : 0;
  const timeOf = (pass: number): number =>
    pass * intervalMs + Math.floor((traits.offsetMs * intervalMs) / 1000);
  let agent = new Agent(node, traits, accounting, history, timeOf(startAt));
  const reports: RenderedReport[] = [];
  let awaitsKeyframe = false;
  for (let pass = startAt; pass <= passes; pass++) {
    const isStruck = pass === incident.pass;
    if (struck === "restart" && isStruck)
      agent = new Agent(node, traits, accounting, history, timeOf(pass) - 5);
    const isLost = struck === "lost" && pass >= incident.pass && pass < incident.pass + incident.passes;
    if (isLost) awaitsKeyframe = true;
    const returns = struck === "lost" && pass === incident.pass + incident.passes;
    const keyframe = pass === 0 || returns || ((struck === "restart" || struck === "keyframe") && isStruck);
    const report = agent.pass(timeOf(pass), keyframe);
    if (keyframe && !isLost) awaitsKeyframe = false;
    if (pass >= 0 && !awaitsKeyframe && !isLost) reports.push(report);
  }
  return reports;
}
