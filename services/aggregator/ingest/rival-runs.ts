// One node has one agent. A report that begins a new run is accepted at once if the previous run announced
// its end, else once the previous run has been silent for a while; until then it is held. If the previous run
// continues, two agents report for one node, or somebody else publishes in its name: the first run stays.

import type { Report } from "../../../lib/gen/whotalks/v1/report.ts";
import type { NodeRecord } from "../model/nodes/node-record.ts";

/**
 * Bytes of reports that are held of all nodes: some hundred keyframes. What finds no room waits for its next
 * keyframe.
 */
const HELD_BYTES_MAX = 64 * 2 ** 20;
/** Reports that are held of one node: those of a run's first minute. */
const HELD_REPORTS_MAX = 600;
/** Silence after which a run is over: so many of its intervals, and this many milliseconds. */
const SILENT_INTERVALS = 2;
const SILENT_MS = 1000;

/** A report that is held. */
interface HeldReport {
  readonly bytes: Uint8Array;
  readonly timeMs: number;
}

/** Applies a report that was held. */
type Release = (bytes: Uint8Array, timeMs: number) => void;

/** Holds reports of new runs. */
export class RivalRuns {
  readonly #held = new Map<NodeRecord, HeldReport[]>();
  #bytes = 0;

  /**
   * Whether a report of a new run must be held until a time to come; if so it is kept, or counted as refused
   * if there is no room.
   */
  holds(node: NodeRecord, bytes: Uint8Array, timeMs: number): boolean {
    if (isOver(node, timeMs)) return false;
    const held = this.#held.get(node) ?? [];
    if (held.length >= HELD_REPORTS_MAX || this.#bytes + bytes.length > HELD_BYTES_MAX) {
      node.noteRival(timeMs);
      return true;
    }
    held.push({ bytes: bytes.slice(), timeMs });
    this.#bytes += bytes.length;
    this.#held.set(node, held);
    return true;
  }

  /** Notes a report of the present run: whatever is held meanwhile contradicts it. */
  heard(node: NodeRecord, { ends }: Report, timeMs: number): void {
    if (!ends && this.#held.has(node)) node.noteRival(timeMs);
  }

  /** Lets go what is held of runs whose run before is over by now. */
  release(nowMs: number, release: Release): void {
    for (const [node, held] of this.#held) {
      if (!isOver(node, nowMs)) continue;
      this.#held.delete(node);
      for (const { bytes, timeMs } of held) {
        this.#bytes -= bytes.length;
        release(bytes, timeMs);
      }
    }
  }
}

function isOver({ stream, intervalMs }: NodeRecord, nowMs: number): boolean {
  return stream.hasEnded || nowMs - stream.arrivedMs > intervalMs * SILENT_INTERVALS + SILENT_MS;
}
