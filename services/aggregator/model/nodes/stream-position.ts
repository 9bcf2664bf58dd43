// The position in a node's stream of reports: the agent's run, its latest report, and whether a keyframe must
// come first. sequence-gate.ts judges reports by it; only ingest changes it.

import type { Report } from "../../../../lib/gen/whotalks/v1/report.ts";

/** Boots kept per node, so that late reports from them are recognised. */
const PAST_BOOTS_MAX = 8;

/** What a report starts, and how many reports were lost before it. */
export interface StreamStep {
  readonly lost: number;
  readonly newEpoch: boolean;
  readonly newBoot: boolean;
}

/** The position of one node's stream. */
export class StreamPosition {
  #bootId = "";
  readonly #pastBootIds: string[] = [];
  #epoch = 0;
  #sequence = 0;
  #awaitsKeyframe = true;
  #nextPart = 0;
  #keyframe = 0;
  #gaps = 0;
  #arrivedMs = 0;
  #hasEnded = false;

  get bootId(): string {
    return this.#bootId;
  }

  /** Earlier boots, the latest last. */
  get pastBootIds(): readonly string[] {
    return this.#pastBootIds;
  }

  /** The agent's run, as the time of its start on the node's clock. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Sequence number of the latest report of the epoch. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Whether deltas must be dropped until a keyframe arrives. */
  get awaitsKeyframe(): boolean {
    return this.#awaitsKeyframe;
  }

  /** The next expected part of a keyframe; 0 outside keyframes. */
  get nextPart(): number {
    return this.#nextPart;
  }

  /** Number of the current keyframe, modulo 256; rows that a keyframe names are marked with it. */
  get keyframe(): number {
    return this.#keyframe;
  }

  /** Reports lost, in all runs of the agent. */
  get gaps(): number {
    return this.#gaps;
  }

  /** When the newest report arrived, by the stream's clock; 0 before the first. */
  get arrivedMs(): number {
    return this.#arrivedMs;
  }

  /** Whether the agent has said that it ends. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Advances to an accepted report. */
  moveTo(header: Report, { lost, newEpoch, newBoot }: StreamStep, timeMs: number): void {
    if (newEpoch) {
      if (newBoot && this.#bootId !== "") this.#pastBootIds.push(this.#bootId);
      if (this.#pastBootIds.length > PAST_BOOTS_MAX) this.#pastBootIds.shift();
      this.#bootId = header.bootId;
      this.#epoch = header.epoch;
    }
    this.#gaps += lost;
    this.#sequence = header.sequence;
    this.#arrivedMs = timeMs;
    this.#hasEnded = header.ends;
  }

  /** Begins the next keyframe. */
  beginKeyframe(): void {
    this.#keyframe = (this.#keyframe + 1) & 0xff;
  }

  /** Records that a part of a keyframe was applied. */
  endKeyframePart({ part, parts }: Report): void {
    const last = part === parts - 1;
    this.#awaitsKeyframe = !last;
    this.#nextPart = last ? 0 : part + 1;
  }

  /** Drops deltas until a keyframe arrives. */
  awaitKeyframe(): void {
    this.#awaitsKeyframe = true;
    this.#nextPart = 0;
  }
}
