// Delivers a history's reports to an aggregator: each node's in order, nodes interleaved arbitrarily, late,
// some twice, with ticks and possibly queries in between.

import { Filter } from "../../lib/gen/whotalks/v1/query.ts";
import type { Connection, Edge } from "../../lib/gen/whotalks/v1/query.ts";
import type { Identity } from "../../services/aggregator/identity/identity.ts";
import { createAggregator } from "../../services/aggregator/aggregator.ts";
import type { RenderedReport } from "./agent.ts";
import { START_MS } from "./agent.ts";
import { Random } from "./random.ts";

/** Much longer than a history, so that nothing expires before it is compared. */
const KEEP_MS = 3_600_000;
/** Time after the last report, in ticks of SETTLE_TICK_MS. */
const SETTLE_TICKS = 14;
const SETTLE_TICK_MS = 5000;
const ANY = Filter.fromPartial({ includeAnonymous: true });
const ITEMS_MAX = 10_000;

/** An input of the aggregator. */
export interface Step {
  readonly atMs: number;
  readonly kind: "report" | "tick" | "query";
  /** The report, and its time in the stream. */
  readonly bytes?: Uint8Array;
  readonly timeMs?: number;
}

/** The aggregator's final answer. */
export interface Answer {
  readonly connections: readonly Connection[];
  readonly edges: readonly Edge[];
  readonly ambiguousEnds: number;
  readonly rowsRejected: number;
  readonly overflowed: number;
}

/** Reports in the order of their passes, with a tick every second. */
export function promptSteps(reports: readonly RenderedReport[]): Step[] {
  const steps: Step[] = [];
  let lastMs = 0;
  for (const { publishedMs, timeMs, bytes } of reports) {
    steps.push({ atMs: publishedMs, kind: "report", bytes, timeMs });
    lastMs = Math.max(lastMs, publishedMs);
  }
  for (let atMs = 1000; atMs < lastMs; atMs += 1000) steps.push({ atMs, kind: "tick" });
  return inTurn(steps);
}

/** Reports in another order that streams permit. */
export function shuffledSteps(reports: readonly RenderedReport[], seed: number): Step[] {
  const random = new Random(seed);
  const steps: Step[] = [];
  const manners = new Map<
    string,
    { delayMs: number; jitterMs: number; heldFromMs: number; heldToMs: number }
  >();
  const arrivedMs = new Map<string, number>();
  let lastMs = 0;
  for (const { node, publishedMs, timeMs, bytes } of reports) {
    let manner = manners.get(node.name);
    if (manner === undefined) {
      const heldFromMs = random.below(40_000);
      manner = {
        delayMs: random.chance(0.5) ? 0 : random.below(8000),
        jitterMs: random.chance(0.5) ? 0 : random.below(3000),
        heldFromMs,
        heldToMs: random.chance(0.7) ? 0 : heldFromMs + random.below(30_000),
      };
      manners.set(node.name, manner);
    }
    let arrives = publishedMs + manner.delayMs + random.below(manner.jitterMs + 1);
    if (arrives > manner.heldFromMs && arrives < manner.heldToMs) arrives = manner.heldToMs;
    arrives = Math.max(arrives, arrivedMs.get(node.name) ?? 0);
    arrivedMs.set(node.name, arrives);
    steps.push({ atMs: arrives, kind: "report", bytes, timeMs });
    if (random.chance(0.1)) steps.push({ atMs: arrives + random.below(5000), kind: "report", bytes, timeMs });
    lastMs = Math.max(lastMs, arrives);
  }
  for (let atMs = random.below(1000); atMs < lastMs; atMs += 200 + random.below(3000))
    steps.push({ atMs, kind: "tick" });
  return inTurn(steps);
}

/** The same steps with queries in between. */
export function withQueries(steps: readonly Step[], seed: number): Step[] {
  const random = new Random(seed);
  const all: Step[] = [];
  for (const step of steps) {
    all.push(step);
    if (random.chance(0.3)) all.push({ atMs: step.atMs, kind: "query" });
  }
  return all;
}

/** Executes the steps one by one, lets time pass, and queries. */
export function deliver(identity: Identity, steps: readonly Step[]): Answer {
  let nowMs = START_MS;
  const aggregator = createAggregator({
    identity,
    now: () => nowMs,
    closedKeepMs: KEEP_MS,
    nodeLostMs: KEEP_MS,
  });
  const ask = (): Pick<Answer, "connections" | "edges"> => ({
    connections: [...aggregator.query.connections(ANY, ITEMS_MAX).items],
    edges: [...aggregator.query.edges(undefined, ITEMS_MAX).items],
  });
  for (const step of steps) {
    nowMs = START_MS + step.atMs;
    if (step.kind === "report") aggregator.ingest(step.bytes!, START_MS + step.timeMs!);
    else if (step.kind === "tick") aggregator.tick(nowMs);
    else ask();
  }
  for (let tick = 0; tick < SETTLE_TICKS; tick++) {
    nowMs += SETTLE_TICK_MS;
    aggregator.tick(nowMs);
  }
  const { ambiguousEnds, rowsRejected, overflowed } = aggregator.counts();
  const answer = { ...ask(), ambiguousEnds, rowsRejected, overflowed };
  aggregator.close();
  return answer;
}

// Stable: reports of one node that arrive together keep their order.
function inTurn(steps: Step[]): Step[] {
  return steps.toSorted((a, b) => a.atMs - b.atMs);
}
