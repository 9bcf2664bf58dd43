// The reports between the pipeline and NATS: those that wait for an acknowledgement, and a tail of
// acknowledged ones in case the stream goes back (JetStream acknowledges before it syncs to disk). Plain data
// with two bounds.

import type { ReportHead } from "../../../lib/nats/report-head.ts";

/**
 * Maximum bytes that wait for an acknowledgement: a keyframe of 150,000 sockets, or some minutes of deltas.
 */
export const UNACKNOWLEDGED_BYTES_MAX = 16 * 2 ** 20;

/**
 * Maximum bytes that wait while one keyframe is sent: 2^21 sockets of 80 bytes and the rest. All its parts
 * exist already when the first one is queued, so rejecting further ones would save nothing and lose the
 * keyframe.
 */
export const KEYFRAME_BYTES_MAX = 192 * 2 ** 20;

/** Maximum bytes of the tail. */
export const TAIL_BYTES_MAX = 16 * 2 ** 20;

/**
 * How long a report stays in the tail: the stream's duplicate window, and the interval at which NATS syncs.
 */
export const TAIL_AGE_MS_MAX = 120_000;

/** One report in the queue. */
export interface QueuedReport {
  readonly head: ReportHead;
  readonly bytes: Uint8Array;
  /** When the pipeline passed it on, by the monotonic clock. */
  readonly handedOverMs: number;
  /** When it was last acknowledged; null before. */
  acknowledgedMs: number | null;
  /** Reports the outcome to the pipeline; does nothing after a second sending. */
  settle(error: Error | null): void;
}

/** Bounds of the tail. */
export interface TailBounds {
  readonly tailBytesMax: number;
  readonly tailAgeMsMax: number;
}

/** Queues reports in order, and can queue the acknowledged ones again. */
export class ReportQueue {
  readonly #bounds: TailBounds;
  #waiting: QueuedReport[] = [];
  #tail: QueuedReport[] = [];
  #waitingBytes = 0;
  #tailBytes = 0;

  constructor(bounds: TailBounds) {
    this.#bounds = bounds;
  }

  /** Number of waiting reports. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Bytes of the waiting reports. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Bytes of the tail. */
  get tailBytes(): number {
    return this.#tailBytes;
  }

  /** Appends a report; returns false if more than `bytesMax` bytes would then wait. */
  push(report: QueuedReport, bytesMax: number): boolean {
    if (this.#waitingBytes + report.bytes.length > bytesMax) return false;
    this.#waiting.push(report);
    this.#waitingBytes += report.bytes.length;
    return true;
  }

  /** Returns the report to send next; undefined if none waits. */
  first(): QueuedReport | undefined {
    return this.#waiting[0];
  }

  /** Moves the first report to the tail after its acknowledgement. */
  acknowledge(nowMs: number): void {
    const report = this.drop();
    if (report === undefined) return;
    report.acknowledgedMs = nowMs;
    this.#tail.push(report);
    this.#tailBytes += report.bytes.length;
    this.#trimTail(nowMs);
  }

  /** Removes the first report without keeping it. */
  drop(): QueuedReport | undefined {
    const report = this.#waiting.shift();
    if (report !== undefined) this.#waitingBytes -= report.bytes.length;
    return report;
  }

  /**
   * Puts the tail before everything that waits, so that it is sent again in order; returns its number of
   * reports. Until it is sent, the waiting bytes may exceed their bound by the tail's.
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

  /** Removes everything; returns the reports that waited. */
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
