// Sends a queue of reports to JetStream one after the other.
//
// A report is sent only after the previous one was acknowledged, so that a node's reports are in the stream in
// order whatever fails in between; at one report per second this costs nothing. Each message states the last
// sequence number of its subject that this agent knows. If NATS finds the subject further back, the stream has
// lost acknowledged reports (a crash before its disk synced, a purge, a recreated stream): the tail is sent
// again and the pipeline notified. The sender needs only the permission to publish.

import { setTimeout as delay } from "node:timers/promises";
import { jetstream, type JetStreamClient, type PubAck } from "@nats-io/jetstream";
import { type Log, LogThrottle } from "../../../lib/program/log.ts";
import type { NatsLink } from "../../../lib/nats/connection.ts";
import { startsKeyframe } from "../../../lib/nats/report-head.ts";
import { reportHeaders, reportMessageId } from "../../../lib/nats/report-message.ts";
import { reportSubject } from "../../../lib/nats/subjects.ts";
import { type RetryRange, retryDelayMs } from "../../../lib/retry-delay.ts";
import { Bell } from "./bell.ts";
import { PublishError, publishFailure } from "./publish-failure.ts";
import type { QueuedReport, ReportQueue } from "./report-queue.ts";

/** Timeout for NATS to acknowledge a report. */
const ACKNOWLEDGE_TIMEOUT_MS = 5000;

/** Delays after a failure while the connection is up. */
const RETRY: RetryRange = { firstMs: 200, maxMs: 5000 };

/** Room for the headers in NATS's largest message. */
const HEADER_BYTES_MAX = 1024;

/** Options and callbacks of the sender. */
interface OrderedSenderOptions {
  readonly queue: ReportQueue;
  readonly log: Log;
  readonly monotonicMs: () => number;
  readonly onAcknowledged: (report: QueuedReport, duplicate: boolean) => void;
  readonly onTooLarge: (report: QueuedReport) => void;
  /** Called when the stream went back; `resent` reports are sent again. */
  readonly onWentBack: (resent: number) => void;
}

/** Sends the queue from attach() to close(). */
export class OrderedSender {
  /** Failed attempts since the start. */
  retries = 0;
  /** Why the last attempt failed, as a sentence; null if it did not. */
  trouble: string | null = null;
  /** Rings whenever a report has left the queue. */
  readonly progress = new Bell();

  readonly #options: OrderedSenderOptions;
  readonly #throttle: LogThrottle;
  readonly #wake = new Bell();
  readonly #closing = new AbortController();
  /** Stream sequence of the last acknowledged report on each subject, if known. */
  readonly #lastSequence = new Map<string, number>();
  #failures = 0;
  #running: Promise<void> | null = null;

  constructor(options: OrderedSenderOptions) {
    this.#options = options;
    this.#throttle = new LogThrottle(options.monotonicMs);
  }

  /** Starts sending over this link. */
  attach(link: NatsLink): void {
    link.onChange(() => this.#wake.ring());
    this.#running ??= this.#run(link, jetstream(link.connection, { timeout: ACKNOWLEDGE_TIMEOUT_MS }));
  }

  /** Signals that the queue has something to send. */
  wake(): void {
    this.#wake.ring();
  }

  /** Stops after the current attempt. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#wake.ring();
    await this.#running;
    this.progress.ring();
  }

  async #run(link: NatsLink, client: JetStreamClient): Promise<void> {
    const { queue } = this.#options;
    while (!this.#closing.signal.aborted) {
      const report = queue.first();
      if (report === undefined || !link.connected) await this.#wake.next();
      else await this.#sendFirst(report, link, client);
    }
  }

  async #sendFirst(report: QueuedReport, link: NatsLink, client: JetStreamClient): Promise<void> {
    const { queue, monotonicMs } = this.#options;
    const payloadMax = link.connection.info?.max_payload ?? Number.POSITIVE_INFINITY;
    if (report.bytes.length + HEADER_BYTES_MAX > payloadMax) {
      queue.drop();
      this.#options.onTooLarge(report);
      const text = `a report of ${report.bytes.length} bytes is larger than NATS allows (max_payload ${payloadMax})`;
      report.settle(new PublishError("too-large", text));
      this.progress.ring();
      return;
    }
    const subject = reportSubject(report.head.node, startsKeyframe(report.head));
    let acknowledgement: PubAck | null;
    try {
      acknowledgement = await this.#attempt(report, subject, link, client);
    } catch (error) {
      await this.#failed(error, subject);
      return;
    }
    // Null: the connection was lost first. The message id makes sending again harmless.
    if (acknowledgement === null) return;
    this.#succeeded();
    // A purge keeps the ids of what it removed: a duplicate's sequence number may belong to a removed message,
    // and expecting it would report that the stream went back forever.
    if (acknowledgement.duplicate) this.#lastSequence.delete(subject);
    else this.#lastSequence.set(subject, acknowledgement.seq);
    queue.acknowledge(monotonicMs());
    this.#options.onAcknowledged(report, acknowledgement.duplicate);
    report.settle(null);
    this.progress.ring();
  }

  async #attempt(
    report: QueuedReport,
    subject: string,
    link: NatsLink,
    client: JetStreamClient,
  ): Promise<PubAck | null> {
    const lost = Promise.withResolvers<null>();
    const unsubscribe = link.onChange((connected) => {
      if (!connected) lost.resolve(null);
    });
    const lastSubjectSequence = this.#lastSequence.get(subject);
    const publishing = client.publish(subject, report.bytes, {
      msgID: reportMessageId(report.head),
      headers: reportHeaders(this.#options.monotonicMs() - report.handedOverMs),
      timeout: ACKNOWLEDGE_TIMEOUT_MS,
      ...(lastSubjectSequence === undefined ? {} : { expect: { lastSubjectSequence } }),
    });
    try {
      return await Promise.race([publishing, lost.promise]);
    } finally {
      unsubscribe();
    }
  }

  async #failed(error: unknown, subject: string): Promise<void> {
    const failure = publishFailure(error);
    if (failure.kind === "moved") {
      const left = this.#lastSequence.get(subject) ?? 0;
      // Further on: the node's previous agent still published, or an attempt that seemed to fail succeeded.
      if (failure.sequence !== null && failure.sequence > left)
        this.#lastSequence.set(subject, failure.sequence);
      else this.#wentBack(subject, left, failure.sequence);
      return;
    }
    this.retries++;
    this.#failures++;
    this.trouble = failure.sentence;
    if (this.#throttle.allows(failure.topic)) {
      this.#options.log.warn({ topic: failure.topic, waiting: this.#options.queue.length }, failure.sentence);
    }
    await this.#pause(retryDelayMs(this.#failures, RETRY));
  }

  #wentBack(subject: string, left: number, found: number | null): void {
    this.#lastSequence.clear();
    const resent = this.#options.queue.resendTail(this.#options.monotonicMs());
    this.#options.log.warn(
      { subject, left, found, resent },
      "the stream has lost reports that it had acknowledged; sending the last ones again, then a keyframe",
    );
    this.#options.onWentBack(resent);
  }

  async #pause(pauseMs: number): Promise<void> {
    try {
      await delay(pauseMs, undefined, { signal: this.#closing.signal });
    } catch {
      // Closed in the meantime.
    }
  }

  #succeeded(): void {
    if (this.#failures > 0) {
      this.#options.log.info({ failures: this.#failures }, "NATS acknowledges reports again");
      this.#throttle.clear();
    }
    this.#failures = 0;
    this.trouble = null;
  }
}
