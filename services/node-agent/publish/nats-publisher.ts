// The end of the agent's pipeline in a cluster: buffers reports up to a bound until JetStream acknowledges
// them, and requests a keyframe from the pipeline when the stream needs one.

import type { ReportSink } from "../../../lib/bus.ts";
import type { Log } from "../../../lib/program/log.ts";
import type { NatsLink } from "../../../lib/nats/connection.ts";
import { endsKeyframe, readReportHead, startsKeyframe } from "../../../lib/nats/report-head.ts";
import { OrderedSender } from "./ordered-sender.ts";
import { PublishError } from "./publish-failure.ts";
import {
  KEYFRAME_BYTES_MAX,
  type QueuedReport,
  ReportQueue,
  TAIL_AGE_MS_MAX,
  TAIL_BYTES_MAX,
  type TailBounds,
  UNACKNOWLEDGED_BYTES_MAX,
} from "./report-queue.ts";

/**
 * Minimum milliseconds between the keyframes that the publisher requests, since each carries all sockets of
 * the node.
 */
const KEYFRAME_REQUEST_INTERVAL_MS = 10_000;

/** Bounds of the waiting reports, and of those kept for a second sending. */
interface QueueBounds extends TailBounds {
  readonly unacknowledgedBytesMax: number;
}

/** Options of the publisher. */
export interface NatsPublisherOptions {
  readonly log: Log;
  /** Milliseconds of a monotonic clock. */
  readonly monotonicMs: () => number;
  /** Overrides of the default bounds. */
  readonly bounds?: Partial<QueueBounds>;
}

/** Counts since the start, and what waits now. */
interface PublisherCounters {
  readonly acknowledged: number;
  /** Those of the acknowledged reports that NATS already had. */
  readonly duplicates: number;
  readonly retries: number;
  /** Reports that did not fit, that depended on one that did not, or that were too large. */
  readonly dropped: number;
  /** How often the stream went back, and the reports that were sent again because of it. */
  readonly wentBack: number;
  readonly resent: number;
  /** Reports that wait for an acknowledgement. */
  readonly waiting: number;
  readonly waitingBytes: number;
  readonly tailBytes: number;
}

/** Publishes the reports of one node. Accepts reports before there is a connection; attach() provides it. */
export class NatsPublisher implements ReportSink {
  /** Whether a whole keyframe of this run has been acknowledged: the agent is then ready. */
  keyframeAcknowledged = false;

  readonly #options: NatsPublisherOptions;
  readonly #bounds: QueueBounds;
  readonly #queue: ReportQueue;
  readonly #sender: OrderedSender;
  readonly #counts = { acknowledged: 0, duplicates: 0, dropped: 0, wentBack: 0, resent: 0 };
  readonly #startMs: number;
  #link: NatsLink | null = null;
  #closed = false;
  #keyframeNeeded = false;
  #keyframeRequestedMs = Number.NEGATIVE_INFINITY;
  /** Whether a report was dropped: what follows is useless until a keyframe starts. */
  #broken = false;

  constructor(options: NatsPublisherOptions) {
    this.#options = options;
    this.#startMs = options.monotonicMs();
    this.#bounds = {
      unacknowledgedBytesMax: UNACKNOWLEDGED_BYTES_MAX,
      tailBytesMax: TAIL_BYTES_MAX,
      tailAgeMsMax: TAIL_AGE_MS_MAX,
      ...options.bounds,
    };
    this.#queue = new ReportQueue(this.#bounds);
    this.#sender = new OrderedSender({
      queue: this.#queue,
      log: options.log,
      monotonicMs: options.monotonicMs,
      onAcknowledged: (report, duplicate) => {
        this.#counts.acknowledged++;
        if (duplicate) this.#counts.duplicates++;
        if (endsKeyframe(report.head)) this.keyframeAcknowledged = true;
      },
      onTooLarge: (report) => {
        this.#counts.dropped++;
        // Do not request a keyframe: it would have a part of the same size. The next regular one repairs this
        // if it can.
        options.log.error(
          { bytes: report.bytes.length },
          "a report is larger than NATS allows: raise its max_payload",
        );
      },
      onWentBack: (resent) => {
        this.#counts.wentBack++;
        this.#counts.resent += resent;
        this.#keyframeNeeded = true;
      },
    });
  }

  /** Starts sending over this link. */
  attach(link: NatsLink): void {
    this.#link = link;
    this.#sender.attach(link);
  }

  /**
   * Queues a report. Resolves when NATS has acknowledged it; rejects with PublishError if it will not be
   * delivered: "overflow" (takeKeyframeRequest() then requests a keyframe), "too-large", "malformed" or
   * "closed".
   */
  publish(report: Uint8Array): Promise<void> {
    const head = readReportHead(report);
    if (head === null) return Promise.reject(new PublishError("malformed", "the bytes are not a report"));
    if (this.#closed) return Promise.reject(new PublishError("closed", "the publisher is closed"));
    if (startsKeyframe(head)) this.#broken = false;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const queued: QueuedReport = {
      head,
      bytes: report,
      handedOverMs: this.#options.monotonicMs(),
      acknowledgedMs: null,
      settle: (error) => (error === null ? resolve() : reject(error)),
    };
    const { unacknowledgedBytesMax } = this.#bounds;
    const bytesMax = head.keyframe && head.part > 0 ? KEYFRAME_BYTES_MAX : unacknowledgedBytesMax;
    if (this.#broken || !this.#queue.push(queued, bytesMax)) {
      this.#overflow(queued);
      return promise;
    }
    if (startsKeyframe(head)) this.#keyframeNeeded = false;
    this.#sender.wake();
    return promise;
  }

  /**
   * Returns whether the next report must be a keyframe because reports were dropped or the stream went back.
   * Returns true only if there is a connection and room, since a keyframe would be dropped otherwise, and at
   * most once per KEYFRAME_REQUEST_INTERVAL_MS.
   */
  takeKeyframeRequest(): boolean {
    if (!this.#keyframeNeeded || this.#link?.connected !== true) return false;
    if (this.#queue.waitingBytes > this.#bounds.unacknowledgedBytesMax / 2) return false;
    const nowMs = this.#options.monotonicMs();
    if (nowMs - this.#keyframeRequestedMs < KEYFRAME_REQUEST_INTERVAL_MS) return false;
    this.#keyframeRequestedMs = nowMs;
    return true;
  }

  /** What currently keeps reports from the aggregator, as sentences; empty if nothing does. */
  limits(): string[] {
    const waiting = `${this.#queue.length} reports (${this.#queue.waitingBytes} bytes) wait`;
    if (this.#link === null) {
      const seconds = Math.round((this.#options.monotonicMs() - this.#startMs) / 1000);
      return [`no connection to NATS since the agent's start ${seconds} s ago: ${waiting}`];
    }
    if (!this.#link.connected) return [`the connection to NATS is lost: ${waiting}`];
    return this.#sender.trouble === null ? [] : [this.#sender.trouble];
  }

  /** Counts for metrics. */
  counters(): PublisherCounters {
    const { length: waiting, waitingBytes, tailBytes } = this.#queue;
    return { ...this.#counts, retries: this.#sender.retries, waiting, waitingBytes, tailBytes };
  }

  /**
   * Waits up to `timeoutMs` until everything is acknowledged, and not at all if there never was a connection.
   * Returns whether everything is acknowledged.
   */
  async flush(timeoutMs: number): Promise<boolean> {
    if (this.#link === null) return this.#queue.length === 0;
    const deadline = Promise.withResolvers<"over">();
    const timer = setTimeout(() => deadline.resolve("over"), timeoutMs);
    while (this.#queue.length > 0) {
      const ended = await Promise.race([this.#sender.progress.next(), deadline.promise]);
      if (ended === "over") break;
    }
    clearTimeout(timer);
    return this.#queue.length === 0;
  }

  /** Stops sending. Waiting reports are dropped: call flush() first. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#sender.close();
    for (const report of this.#queue.clear())
      report.settle(new PublishError("closed", "the publisher is closed"));
  }

  #overflow(report: QueuedReport): void {
    this.#counts.dropped++;
    if (!this.#broken) {
      const { waitingBytes } = this.#queue;
      this.#options.log.warn({ waitingBytes }, "no room for reports until NATS acknowledges: dropping them");
    }
    this.#broken = true;
    this.#keyframeNeeded = true;
    report.settle(
      new PublishError("overflow", "no room for the report: NATS has not acknowledged the ones before it"),
    );
  }
}
