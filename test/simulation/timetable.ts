// When a node's agent makes its passes, and which of its reports reach the aggregator, when.

import type { Node } from "./cluster.ts";
import type { Scenario } from "./scenario.ts";

/** Passes that an old agent has made before the first keyframe that the aggregator receives. */
const PASSES_BEFORE = 4;
/**
 * The shortest interval of passes in a history with a delay, in milliseconds, so that few passes make
 * minutes.
 */
const DELAYED_INTERVAL_MS_MIN = 5000;

/** One pass of a node's agent. */
export interface TimetablePass {
  readonly atMs: number;
  /** Whether another agent makes it, which has just started. */
  readonly starts: boolean;
  readonly keyframe: boolean;
  /** Whether the aggregator receives the report. */
  readonly arrives: boolean;
  /** The report is in the stream at this time, or later. */
  readonly heldUntilMs: number;
  /** Whether the agent was stopped since its previous pass. */
  readonly wasStopped: boolean;
}

/** The interval of passes of a scenario, in milliseconds. */
export function intervalOf({ intervalMs, delay }: Scenario): number {
  return delay.kind === "none" ? intervalMs : Math.max(intervalMs, DELAYED_INTERVAL_MS_MIN);
}

/** The number of passes of each node. */
function passesOf({ passes, delay }: Scenario): number {
  return delay.kind === "none" ? passes : passes + delay.passes;
}

/** The time from the first to the last pass, in milliseconds. */
export function lengthOf(scenario: Scenario): number {
  return passesOf(scenario) * intervalOf(scenario);
}

/** The passes of a node, in order. */
export function timetableOf(scenario: Scenario, node: Node): TimetablePass[] {
  const { incident, delay } = scenario;
  const traits = scenario.agents[node.index]!;
  const intervalMs = intervalOf(scenario);
  const struck = incident.node === node.index ? incident.kind : "none";
  const late = delay.node === node.index ? delay.kind : "none";
  const delayEnd = delay.pass + delay.passes;
  const timeOf = (pass: number): number =>
    pass * intervalMs + Math.floor((traits.offsetMs * intervalMs) / 1000);
  // The last pass before an agent's successor starts is followed by `passes` intervals without one.
  const restartAt = incident.pass + incident.passes - 1;
  const firstReplayed = incident.kind === "replay" ? replayStart(scenario, node) : 0;
  const timetable: TimetablePass[] = [];
  let awaitsKeyframe = false;
  let isReplayed = firstReplayed === 0;
  for (let pass = traits.old ? -PASSES_BEFORE : 0; pass <= passesOf(scenario); pass++) {
    const isGone = struck === "restart" && pass >= incident.pass && pass < restartAt;
    const isStopped = late === "stopped" && pass >= delay.pass && pass < delayEnd;
    if (isGone || (isStopped && !(struck === "restart" && pass === restartAt))) continue;
    const restarts = struck === "restart" && pass === restartAt;
    const isLost = struck === "lost" && pass >= incident.pass && pass < incident.pass + incident.passes;
    if (isLost) awaitsKeyframe = true;
    const returns = awaitsKeyframe && !isLost;
    const isOutOfOrder = struck === "keyframe" && pass === incident.pass;
    const begins = !isReplayed && pass >= firstReplayed;
    const keyframe = pass === 0 || begins || returns || restarts || isOutOfOrder;
    if (returns) awaitsKeyframe = false;
    if (begins) isReplayed = true;
    timetable.push({
      atMs: timeOf(pass),
      starts: timetable.length === 0 || restarts,
      keyframe,
      arrives: pass >= firstReplayed && !isLost,
      heldUntilMs: late === "held" && pass >= delay.pass && pass < delayEnd ? timeOf(delayEnd) : 0,
      wasStopped: late === "stopped" && pass === delayEnd,
    });
  }
  return timetable;
}

// The pass of the keyframe with which a replay begins: another one for each node.
function replayStart({ incident }: Scenario, { index }: Node): number {
  return ((index + incident.node) % 3) * incident.passes;
}
