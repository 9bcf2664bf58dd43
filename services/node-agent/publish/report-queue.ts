// The reports between the pipeline and NATS: those that wait to be acknowledged, and a tail of those that
// were, in case the stream goes back (JetStream acknowledges before it syncs to disk). Plain data with two
// bounds.

import type { ReportHead } from "../../../lib/nats/report-head.ts";

/**
 * Bytes that wait for an acknowledgement at most: a keyframe of 150,000 sockets, or some minutes of deltas.
 */
export const UNACKNOWLEDGED_BYTES_MAX = 16 * 2 ** 20;

/**
 * Bytes that wait at most while one keyframe goes out: 2^21 sockets of 80 bytes and the rest. Its parts exist
 * already when the first one is taken, so that to refuse the further ones would save nothing and lose the
 * keyframe.
 */
export const KEYFRAME_BYTES_MAX = 192 * 2 ** 20;

/** Bytes of the tail at most. */
export const TAIL_BYTES_MAX = 16 * 2 ** 20;

/**
 * How long a report stays in the tail: the stream's duplicate window, and the interval at which NATS syncs.
 */
export const TAIL_AGE_MS_MAX = 120_000;

/** One report on its way. */
export interface QueuedReport {
  readonly head: ReportHead;
  readonly bytes: Uint8Array;
  /** When the pipeline handed it over, by the monotonic clock. */
  readonly handedOverMs: number;
  /** When it was last acknowledged; null before. */
  acknowledgedMs: number | null;
  /** Tells the pipeline how it went; does nothing on a second sending. */
  settle(error: Error | null): void;
}

/** Bounds of the tail. */
export interface TailBounds {
  readonly tailBytesMax: number;
  readonly tailAgeMsMax: number;
}

/** Takes reports in order, gives them in order, and can give the acknowledged ones again. */
export class ReportQueue {
  readonly #bounds: TailBounds;
  #waiting: QueuedReport[] = [];
  #tail: QueuedReport[] = [];
  #waitingBytes = 0;
  #tailBytes = 0;

  constructor(bounds: TailBounds) {
    this.#bounds = bounds;
  }

  /** Reports that wait. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Bytes that wait. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Bytes of the tail. */
  get tailBytes(): number {
    return this.#tailBytes;
  }

  /** Appends a report; false where with its bytes more than `bytesMax` would wait. */
  push(report: QueuedReport, bytesMax: number): boolean {
    if (this.#waitingBytes + report.bytes.length > bytesMax) return false;
    this.#waiting.push(report);
    this.#waitingBytes += report.bytes.length;
    return true;
  }

  /** The report to send next; undefined where none waits. */
  first(): QueuedReport | undefined {
    return this.#waiting[0];
  }

  /** The first report was acknowledged: it moves to the tail. */
  acknowledge(nowMs: number): void {
    const report = this.drop();
    if (report === undefined) return;
    report.acknowledgedMs = nowMs;
    this.#tail.push(report);
    this.#tailBytes += report.bytes.length;
    this.#trimTail(nowMs);
  }

  /** Takes the first report out without remembering it. */
  drop(): QueuedReport | undefined {
    const report = this.#waiting.shift();
    if (report !== undefined) this.#waitingBytes -= report.bytes.length;
    return report;
  }

  /**
   * Puts the tail before everything that waits, so that it is sent again in its order; gives how many reports
   * that is. What waits may exceed its bound by the tail's for as long as that takes.
   */
  resendTail(nowMs: number): number {
    this.#trimTail(nowMs);
    const count = this.#tail.length;
    this.#waiting = [...this.#tail, ...this.#waiting];
    this.#waitingBytes += this.#tailBytes;
    this.#tail = [];
    this.#tailBytes = 0;
    return count;
  }

  /** Takes everything out. */
  clear(): QueuedReport[] {
    const all = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#tail = [];
    this.#tailBytes = 0;
    return all;
  }

  #trimTail(nowMs: number): void {
    let drop = 0;
    while (drop < this.#tail.length) {
      const report = this.#tail[drop]!;
      const fresh = nowMs - report.acknowledgedMs! <= this.#bounds.tailAgeMsMax;
      if (fresh && this.#tailBytes <= this.#bounds.tailBytesMax) break;
      this.#tailBytes -= report.bytes.length;
      drop++;
    }
    if (drop > 0) this.#tail.splice(0, drop);
  }
}
