// Turns observations, and what was heard between them, into numbered reports and hands them to the sink.

import type { AgentParts } from "../agent-parts.ts";
import type { Delta } from "../delta/delta.ts";
import { heardDelta, nothingHeard } from "../delta/delta.ts";
import { diff, keyframe } from "../delta/diff.ts";
import { encodeReports } from "../delta/reports.ts";
import type { Observation } from "../observation.ts";
import { TICK_MS, ticksOf } from "../../../lib/ticks.ts";

/** Numbers, encodes and sends reports; decides when one must be a keyframe. */
export class Reporter {
  readonly #parts: AgentParts;
  readonly #keyframeMs: number;
  #sequence = 1;
  #lastKeyframeMs = Number.NEGATIVE_INFINITY;
  #keyframeNeeded = true;

  /** `keyframeMs` is the time between keyframes. */
  constructor(parts: AgentParts, keyframeMs: number) {
    this.#parts = parts;
    this.#keyframeMs = keyframeMs;
  }

  /** Whether the next observation that is reported will be a keyframe. */
  isKeyframeDue(): boolean {
    const { takeKeyframeRequest, elapsedMs } = this.#parts;
    if (takeKeyframeRequest?.() === true) this.#keyframeNeeded = true;
    return this.#keyframeNeeded || elapsedMs() - this.#lastKeyframeMs >= this.#keyframeMs;
  }

  /** Reports an observation: what changed since the one before, or everything. */
  report(previous: Observation, next: Observation): void {
    const { pods, elapsedMs } = this.#parts;
    const isKeyframe = this.isKeyframeDue();
    const changed = isKeyframe ? pods?.all() : pods?.changed();
    const delta = isKeyframe ? keyframe(next) : diff(previous, next);
    if (isKeyframe) this.#lastKeyframeMs = elapsedMs();
    this.#keyframeNeeded = false;
    this.#send(delta, isKeyframe, changed ?? []);
  }

  /** Reports what was heard since the last report. */
  reportHeard(delta: Delta): void {
    this.#send(delta, false, this.#parts.pods?.changed() ?? []);
  }

  /** Reports that the agent ends. */
  reportEnd(): void {
    const ticks = ticksOf(this.#parts.elapsedMs());
    this.#send(heardDelta(ticks, nothingHeard, []), false, [], true);
  }

  #send(
    delta: Delta,
    isKeyframe: boolean,
    pods: Parameters<typeof encodeReports>[2]["pods"],
    ends = false,
  ): void {
    const { origin, sink, flows, takeKeyframeRequest, elapsedMs } = this.#parts;
    const reports = encodeReports(origin, delta, {
      keyframe: isKeyframe,
      firstSequence: this.#sequence,
      ageMs: Math.max(0, Math.round(elapsedMs() - delta.ticks * TICK_MS)),
      pods,
      flows: flows?.take(isKeyframe) ?? null,
      ends,
    });
    this.#sequence += reports.length;
    for (const encoded of reports) {
      sink.publish(encoded, { keyframe: isKeyframe }).catch(() => {
        if (takeKeyframeRequest === undefined) this.#keyframeNeeded = true;
      });
    }
  }
}
