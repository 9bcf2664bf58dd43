// The state of one node: the position of its agent's stream of reports, the agent's ids, and when the node was
// last seen.

import type { NodeCoverage } from "../../../../lib/gen/whotalks/v1/report.ts";
import { TICK_MS } from "../../../../lib/ticks.ts";
import { IdMap } from "../storage/id-map.ts";
import type { EarlierRuns } from "./agent-runs.ts";
import { AgentRuns } from "./agent-runs.ts";
import { PassTimes } from "./pass-times.ts";
import { StreamPosition } from "./stream-position.ts";

/** One pass of an agent, as its report describes it. */
export interface NodeObservation {
  /** Ticks since the agent's start. */
  readonly ticks: number;
  /** When the pass ended, by the stream's clock. */
  readonly observedMs: number;
  /** Whether all parts of the pass have arrived. */
  readonly complete: boolean;
  readonly coverage: NodeCoverage | undefined;
}

/** Maps an agent's ids to slots. */
class AgentIds {
  readonly namespaces = new IdMap();
  readonly processes = new IdMap();
  readonly sockets = new IdMap();
  readonly flows = new IdMap();
  /** Ids in use, of namespaces and processes, with the number of the last keyframe that named them. */
  readonly namespaceIds = new Map<number, number>();
  readonly processIds = new Map<number, number>();
  /** Sockets of the agent's previous run, until its first keyframe shows which of them still exist. */
  unnamedSockets: number[] = [];
}

/** Reports of a second agent, or of somebody else, while the node's agent was reporting. */
export interface RivalReports {
  /** How many reports of the node's agent contradicted them. */
  readonly contradicted: number;
  /** When that was last seen, by the stream's clock. */
  readonly lastMs: number;
}

/** One node. */
export class NodeRecord {
  readonly index: number;
  readonly name: string;
  readonly stream = new StreamPosition();
  readonly ids = new AgentIds();
  readonly times = new PassTimes();
  #countedSinceMs = 0;
  #missedBeginning = false;
  #lost = false;
  #coverage: NodeCoverage | null = null;
  #translates = false;
  #rivals: RivalReports = { contradicted: 0, lastMs: 0 };
  readonly #runs = new AgentRuns();

  constructor(index: number, name: string) {
    this.index = index;
    this.name = name;
  }

  /** When the latest complete pass ended, by the stream's clock; 0 before the first. */
  get observedMs(): number {
    return this.times.observedMs;
  }

  /** When the agent's ticks were 0, by the stream's clock, according to the latest report. */
  get startMs(): number {
    return this.times.startMs;
  }

  /** From when on its connections are counted, by the stream's clock; 0 before the first keyframe. */
  get countedSinceMs(): number {
    return this.#countedSinceMs;
  }

  /** Whether reports came before its first keyframe: the stream no longer had that of its agent's start. */
  get missedBeginning(): boolean {
    return this.#missedBeginning;
  }

  /** Ticks of that pass: timers are relative to it. */
  get ticks(): number {
    return this.times.ticks;
  }

  /** Whether the node was silent for too long: its connections have been ended. */
  get lost(): boolean {
    return this.#lost;
  }

  /** The coverage that the latest pass reported; null before the first. */
  get coverage(): NodeCoverage | null {
    return this.#coverage;
  }

  /** Reports in the node's name that its agent contradicts. */
  get rivals(): RivalReports {
    return this.#rivals;
  }

  /** From when its agents' figures count, by the stream's clock; 0 before the first pass. */
  get sinceMs(): number {
    return this.#runs.sinceMs;
  }

  /** The runs of the agent before the present one. */
  get earlierRuns(): EarlierRuns {
    return this.#runs.earlier;
  }

  /** The interval between passes in milliseconds; 0 if unknown. */
  get intervalMs(): number {
    return this.#coverage?.intervalMs ?? 0;
  }

  /** Whether a flow on the node had its destination translated: its flows show what clients dialled. */
  get translates(): boolean {
    return this.#translates;
  }

  /** Whether its sockets are being read: a socket that exists would have been reported. */
  get isRead(): boolean {
    return !this.#lost && !this.stream.awaitsKeyframe;
  }

  /** Stores what a report says about the pass. */
  observe({ ticks, observedMs, complete, coverage }: NodeObservation): void {
    // Only a pass has coverage: it read the tables.
    this.times.end(ticks, observedMs, { complete, passed: coverage !== undefined });
    if (coverage !== undefined) this.#coverage = coverage;
    if (complete) this.#runs.pass(observedMs - ticks * TICK_MS, observedMs);
  }

  /** Begins a new run of the agent: the figures of the run before stay in the node's sums. */
  beginRun(): void {
    if (this.#coverage === null) return;
    this.#runs.begin(this.#coverage, this.times.observedMs);
    this.#coverage = null;
  }

  /** Marks the node as lost, until its next report. */
  lose(): void {
    this.#lost = true;
  }

  /** A report of a lost node has come. */
  recover(): void {
    this.#lost = false;
  }

  /** A keyframe of this time has begun. */
  beginKeyframe(observedMs: number): void {
    this.stream.beginKeyframe();
    if (this.#countedSinceMs === 0) this.#countedSinceMs = observedMs;
  }

  /** Notes that its agent contradicts what somebody else reports for it. */
  noteRival(timeMs: number): void {
    this.#rivals = { contradicted: this.#rivals.contradicted + 1, lastMs: timeMs };
  }

  /** A report came that needs a keyframe first. */
  missKeyframe(): void {
    this.stream.awaitKeyframe();
    if (this.#countedSinceMs === 0) this.#missedBeginning = true;
  }

  /** Sums of the node, if it is known, begin at this time. */
  countSince(nowMs: number): void {
    if (this.#countedSinceMs > 0) this.#countedSinceMs = nowMs;
  }

  noteTranslation(): void {
    this.#translates = true;
  }
}
