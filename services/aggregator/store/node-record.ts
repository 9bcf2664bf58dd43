// What the aggregator knows of one node: where its agent's reports have got to, and what the agent's ids stand for.

import type { NodeCoverage } from "../../../lib/gen/whotalks/v1/report.ts";
import { IdMap } from "./id-map.ts";

/** Milliseconds in a tick, the unit of times in reports. */
export const TICK_MS = 10;

/** One node. */
export class NodeRecord {
  readonly index: number;
  readonly name: string;
  bootId = "";
  /** Boots that were before this one, the latest last. */
  readonly pastBootIds: string[] = [];
  /** The agent's run. */
  epoch = 0;
  /** Sequence number of the latest report of the epoch. */
  sequence = 0;
  /** Whether deltas must be left aside until a keyframe has come. */
  awaitsKeyframe = true;
  /** The part of a keyframe that must come next; 0 outside keyframes. */
  nextPart = 0;
  /** Keyframes begun, modulo 256: what a keyframe names carries its number. */
  keyframe = 0;
  /** Reports that were lost since the agent started. */
  gaps = 0;
  /** When the latest pass that arrived as a whole ended, by the stream's clock; 0 before the first. */
  observedMs = 0;
  /** That pass's ticks: timers count from there. */
  ticks = 0;
  /** The newest report's arrival. */
  arrivedMs = 0;
  /** Whether it was silent for too long: its connections have been ended. */
  lost = false;
  coverage: NodeCoverage | null = null;
  /** Whether a flow of it had its destination translated: what is dialled shows in its flows. */
  translates = false;
  /** Slots by the agent's ids. */
  readonly namespaces = new IdMap();
  readonly processes = new IdMap();
  readonly sockets = new IdMap();
  readonly flows = new IdMap();
  /** Sockets of the agent's run before, until its first keyframe has told which of them are still there. */
  unnamedSockets: number[] = [];
  /** Ids in use, of namespaces and processes, with the number of the keyframe that last named them. */
  readonly namespaceIds = new Map<number, number>();
  readonly processIds = new Map<number, number>();

  constructor(index: number, name: string) {
    this.index = index;
    this.name = name;
  }

  /** Milliseconds since 1970 of a tick of the agent's, given a report that was observed at a tick and a time. */
  static timeOf(tick: number, reportTick: number, observedMs: number): number {
    return observedMs - Math.max(0, reportTick - tick) * TICK_MS;
  }
}
