// The aggregator's end of the stream: replays it from the nodes' newest keyframes, then goes on live, in one
// reading without a seam. Each aggregator reads the whole stream for itself.
//
// A stream can go back (a NATS that crashed before its disk had synced) or be made anew. Then messages that
// have never been read come under sequence numbers that have, and no ordered reading would notice. So the last
// message read is remembered, and looked at again whenever anything was out of order: where it is not the same
// message any more, the reading begins anew at the newest keyframes. Reports that were handed over before then
// come a second time: whoever takes them tells by (node, epoch, sequence).

import { setTimeout as delay } from "node:timers/promises";
import {
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamClient,
  jetstream,
  jetstreamManager,
  type JetStreamManager,
  type JsMsg,
} from "@nats-io/jetstream";
import type { ReportHandler } from "../../../lib/bus.ts";
import { type Log, LogThrottle } from "../../../lib/program/log.ts";
import type { NatsLink } from "../../../lib/nats/connection.ts";
import { readReportHead } from "../../../lib/nats/report-head.ts";
import { reportTimeMs } from "../../../lib/nats/report-message.ts";
import { ensureStream, type StreamSettings } from "../../../lib/nats/stream.ts";
import { parseReportSubject, STREAM_NAME, STREAM_SUBJECTS } from "../../../lib/nats/subjects.ts";
import { type RetryRange, retryDelayMs } from "../../../lib/retry-delay.ts";
import { findReplayStart, type ReplayDepth, type ReplayStart } from "./nats-replay-start.ts";
import { type StreamPoint, streamWentBack } from "./nats-stream-point.ts";

/** Messages that NATS sends ahead at most: 64 reports of 512 KiB, 32 MiB. */
const AHEAD_MESSAGES_MAX = 64;

/** How often the stream is looked at although nothing was out of order. */
const CHECK_INTERVAL_MS = 60_000;

/** How long one request for messages stands, and how often NATS says meanwhile that there is none. */
const PULL_MS = 10_000;
const HEARTBEAT_MS = 2500;

/** NATS forgets a reader that is gone after this long. */
const CONSUMER_INACTIVE_MS = 60_000;

/**
 * Pause before a stream that went back is looked at anew. nats-server 2.9 may never tell a reader of a message
 * where the stream is made again while it is still clearing the deleted one away.
 */
const SETTLE_MS = 1000;

/** Waits after JetStream did not answer. */
const RETRY: RetryRange = { firstMs: 250, maxMs: 5000 };

/** What a reader may complain about that can mean that the stream is not what it was. */
const troubles: ReadonlySet<string> = new Set([
  "heartbeats_missed",
  "consumer_not_found",
  "stream_not_found",
  "consumer_deleted",
  "no_responders",
  "reset",
  "ordered_consumer_recreated",
]);

/** What the subscription needs. */
interface NatsSubscriptionOptions {
  readonly link: NatsLink;
  readonly stream: StreamSettings;
  readonly depth: ReplayDepth;
  /** Takes each report with the time at which its agent handed it over, by the stream's clock. */
  readonly handler: ReportHandler;
  readonly log: Log;
}

/** Counts since the start, and how far the reading is. */
export interface SubscriptionCounters {
  readonly reports: number;
  /** Messages that are no report, or a report of another node than their subject says. */
  readonly rejected: number;
  /** Reports of the replay that come before their node's first keyframe. */
  readonly skipped: number;
  /** Times that the handler threw. */
  readonly failed: number;
  /** Times that the reading began anew. */
  readonly restarts: number;
  /** Messages in the stream that are still to come, as of the last one read. */
  readonly behind: number;
  readonly lastSequence: number;
  /** The stream's time of the last message, milliseconds since 1970; 0 before the first. */
  readonly lastTimeMs: number;
}

/** One reading of the stream, from its construction to stop(). */
export class NatsSubscription {
  /** Resolves once everything that was in the stream at the start has been handed over. */
  readonly ready: Promise<void>;

  readonly #options: NatsSubscriptionOptions;
  readonly #throttle = new LogThrottle(() => performance.now());
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  readonly #replayed = Promise.withResolvers<void>();
  readonly #counts = { reports: 0, rejected: 0, skipped: 0, failed: 0, restarts: 0, behind: 0 };
  #last: StreamPoint = { sequence: 0, timeNs: null, created: "" };
  /** The last message before something was out of order; null while all is well. */
  #suspect: StreamPoint | null = null;
  /** Ends the present reading of messages, so that the stream is looked at. */
  #interrupt: () => void = () => undefined;
  /** Nodes of which a replay still awaits the first keyframe, by that of their newest one. */
  #awaited = new Map<string, number>();

  constructor(options: NatsSubscriptionOptions) {
    this.#options = options;
    this.ready = this.#replayed.promise;
    this.#running = this.#run();
  }

  /** Counts for metrics. */
  counters(): SubscriptionCounters {
    const { sequence, timeNs } = this.#last;
    return { ...this.#counts, lastSequence: sequence, lastTimeMs: Number((timeNs ?? 0n) / 1_000_000n) };
  }

  /** Ends the reading; resolves once nothing more is handed over. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#interrupt();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { link, log } = this.#options;
    const { signal } = this.#stopping;
    const unsubscribe = link.onChange(() => this.#suspectNow());
    let failures = 0;
    while (!signal.aborted) {
      try {
        const manager = await jetstreamManager(link.connection, { checkAPI: false });
        await this.#read(manager, jetstream(link.connection), () => (failures = 0));
        await delay(SETTLE_MS, undefined, { signal }).catch(() => undefined);
      } catch (error) {
        failures++;
        const reason = error instanceof Error ? error.message : String(error);
        if (!signal.aborted && this.#throttle.allows(reason)) {
          log.warn({ reason }, "cannot read the stream of reports; trying again");
        }
        await delay(retryDelayMs(failures, RETRY), undefined, { signal }).catch(() => undefined);
      }
      if (!signal.aborted) this.#counts.restarts++;
    }
    unsubscribe();
  }

  // Reads until the stream went back (returns), JetStream fails (throws) or stop() (returns).
  async #read(manager: JetStreamManager, client: JetStreamClient, begun: () => void): Promise<void> {
    const { stream, depth, log } = this.#options;
    const info = await ensureStream(manager, stream);
    const start = await findReplayStart(manager, client, info, depth);
    this.#last = { sequence: Math.max(0, start.sequence - 1), timeNs: null, created: info.created };
    this.#suspect = null;
    this.#awaited = new Map(start.keyframes);
    const { lastSequence, sequence, keyframes, nodesGone } = start;
    log.info(
      { from: sequence, to: lastSequence, nodes: keyframes.size, nodesGone },
      "replaying the stream of reports",
    );
    begun();
    do await this.#readOn(client, start);
    while (!this.#stopping.signal.aborted && !(await this.#wentBack(manager)));
  }

  // Reads on after the last message until something is out of order, or it is time to look at the stream.
  async #readOn(client: JetStreamClient, start: ReplayStart): Promise<void> {
    const trouble = Promise.withResolvers<void>();
    this.#interrupt = trouble.resolve;
    if (!this.#options.link.connected) await this.#connected();
    const consumer = await client.consumers.get(STREAM_NAME, {
      filter_subjects: STREAM_SUBJECTS,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: this.#last.sequence + 1,
      inactive_threshold: CONSUMER_INACTIVE_MS,
    });
    const messages = await consumer.consume({
      max_messages: AHEAD_MESSAGES_MAX,
      expires: PULL_MS,
      idle_heartbeat: HEARTBEAT_MS,
      callback: (message) => this.#take(message, start),
    });
    void this.#followTrouble(messages);
    if ((await consumer.info(true)).num_pending === 0) this.#replayed.resolve();
    const timer = setTimeout(trouble.resolve, CHECK_INTERVAL_MS);
    try {
      await Promise.race([trouble.promise, messages.closed()]);
    } finally {
      clearTimeout(timer);
      await messages.close().catch(() => undefined);
    }
  }

  async #connected(): Promise<void> {
    const back = Promise.withResolvers<void>();
    const unsubscribe = this.#options.link.onChange(() => back.resolve());
    this.#stopping.signal.addEventListener("abort", () => back.resolve(), { once: true });
    await back.promise;
    unsubscribe();
  }

  #take(message: JsMsg, start: ReplayStart): void {
    const { handler, log } = this.#options;
    const { seq, subject, data } = message;
    // A reader that was given up may have had messages under way that its successor brings again.
    if (seq <= this.#last.sequence) return;
    const { pending, timestampNanos } = message.info;
    this.#last = { ...this.#last, sequence: seq, timeNs: BigInt(timestampNanos) };
    this.#counts.behind = pending;
    const addressed = parseReportSubject(subject);
    if (addressed === null || readReportHead(data)?.node !== addressed.node) {
      this.#counts.rejected++;
      if (this.#throttle.allows(`rejected ${subject}`))
        log.warn({ subject, seq }, "rejected a report: it is not its subject's node's");
    } else if (this.#comesTooEarly(addressed.node, addressed.startsKeyframe, seq)) {
      this.#counts.skipped++;
    } else {
      this.#handOver(handler, message, Math.floor(timestampNanos / 1e6));
    }
    if (seq >= start.lastSequence || pending === 0) this.#replayed.resolve();
  }

  #comesTooEarly(node: string, startsKeyframe: boolean, sequence: number): boolean {
    const newest = this.#awaited.get(node);
    if (newest === undefined) return false;
    if (!startsKeyframe && sequence < newest) return true;
    this.#awaited.delete(node);
    return false;
  }

  #handOver(handler: ReportHandler, message: JsMsg, streamTimeMs: number): void {
    try {
      handler(message.data, reportTimeMs(streamTimeMs, message.headers));
      this.#counts.reports++;
    } catch (error) {
      this.#counts.failed++;
      if (this.#throttle.allows("handler")) {
        this.#options.log.error(
          { err: error, subject: message.subject, seq: message.seq },
          "a report could not be taken in",
        );
      }
    }
  }

  async #followTrouble(messages: ConsumerMessages): Promise<void> {
    for await (const { type } of messages.status()) if (troubles.has(type)) this.#suspectNow();
  }

  #suspectNow(): void {
    this.#suspect ??= this.#last;
    this.#interrupt();
  }

  async #wentBack(manager: JetStreamManager): Promise<boolean> {
    const { link, log } = this.#options;
    const { signal } = this.#stopping;
    for (let failures = 1; !signal.aborted; failures++) {
      if (!link.connected) await this.#connected();
      const point = this.#suspect ?? this.#last;
      try {
        const reason = await streamWentBack(manager, point);
        if (reason !== null) {
          log.warn({ reason, sequence: point.sequence }, "the stream of reports went back; reading it anew");
          return true;
        }
        if (this.#suspect === point) this.#suspect = null;
        if (this.#suspect === null) return false;
      } catch (error) {
        // Away just now: the question stays open until the stream answers.
        this.#suspect ??= point;
        log.debug({ err: error }, "cannot look at the stream yet");
        await delay(retryDelayMs(failures, RETRY), undefined, { signal }).catch(() => undefined);
      }
    }
    return false;
  }
}
