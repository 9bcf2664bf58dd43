// The aggregator's end of the stream: replays what it has kept, then continues live, in one uninterrupted
// reading. Each aggregator reads the whole stream.
//
// A stream can go back (a NATS that crashed before its disk had synced) or be recreated. Unread messages then
// arrive under sequence numbers that were already read, which no ordered consumer would notice. The
// subscription therefore remembers the last message read and checks it after every disturbance: if it is no
// longer the same message, reading restarts at earlier keyframes. Earlier reports are then delivered twice;
// consumers deduplicate by (node, epoch, sequence).

import { setTimeout as delay } from "node:timers/promises";
import {
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamClient,
  jetstream,
  jetstreamManager,
  type JetStreamManager,
  type JsMsg,
  type StreamInfo,
} from "@nats-io/jetstream";
import type { ReportHandler } from "../../../lib/bus.ts";
import { type Log, LogThrottle } from "../../../lib/program/log.ts";
import type { NatsLink } from "../../../lib/nats/connection.ts";
import { readReportHead } from "../../../lib/nats/report-head.ts";
import { reportTimeMs } from "../../../lib/nats/report-message.ts";
import { ensureStream, newerVersion, type StreamSettings } from "../../../lib/nats/stream.ts";
import { parseReportSubject, STREAM_NAME, STREAM_SUBJECTS } from "../../../lib/nats/subjects.ts";
import { type RetryRange, retryDelayMs } from "../../../lib/retry-delay.ts";
import { findReplayStart, type ReplayDepth, type ReplayStart } from "./nats-replay-start.ts";
import { type StreamPoint, streamWentBack } from "./nats-stream-point.ts";

/** Messages that NATS sends ahead: 64 reports of 512 KiB, 32 MiB. */
const AHEAD_MESSAGES_MAX = 64;

/** Interval of checks of the stream without a disturbance. */
const CHECK_INTERVAL_MS = 60_000;

/** Lifetime of one pull request, and the interval of NATS's heartbeats while it is idle. */
const PULL_MS = 10_000;
const HEARTBEAT_MS = 2500;

/** NATS removes the consumer of a reader that is gone after this long. */
const CONSUMER_INACTIVE_MS = 60_000;

/**
 * Pause before a stream that went back is read again. nats-server 2.9 may never deliver a message to a
 * consumer if the stream is recreated while the deleted one is still being removed.
 */
const SETTLE_MS = 1000;

/** Backoff after JetStream did not answer. */
const RETRY: RetryRange = { firstMs: 250, maxMs: 5000 };

/** Statuses of a consumer that can mean that the stream has changed. */
const troubles: ReadonlySet<string> = new Set([
  "heartbeats_missed",
  "consumer_not_found",
  "stream_not_found",
  "consumer_deleted",
  "no_responders",
  "reset",
  "ordered_consumer_recreated",
]);

/** Dependencies and options of the subscription. */
interface NatsSubscriptionOptions {
  readonly link: NatsLink;
  readonly stream: StreamSettings;
  /** How far back the first reading begins, and one after the stream went back: that knows earlier reports. */
  readonly depth: ReplayDepth;
  readonly againDepth: ReplayDepth;
  /** Receives each report with the time at which its agent handed it over, by the stream's clock. */
  readonly handler: ReportHandler;
  readonly log: Log;
}

/** Counters since start, and the position in the stream. */
export interface SubscriptionCounters {
  readonly reports: number;
  /** Messages that are not reports, or whose report is from another node than their subject says. */
  readonly rejected: number;
  /** How often the handler threw. */
  readonly failed: number;
  /** How often reading restarted. */
  readonly restarts: number;
  /** Messages not yet read, as of the last one read. */
  readonly behind: number;
  readonly lastSequence: number;
  /** The stream's time of the last message, milliseconds since 1970; 0 before the first. */
  readonly lastTimeMs: number;
}

/** One reader of the stream, from its construction to stop(). */
export class NatsSubscription {
  readonly #options: NatsSubscriptionOptions;
  readonly #throttle = new LogThrottle(() => performance.now());
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  readonly #replayed = Promise.withResolvers<void>();
  readonly #counts = { reports: 0, rejected: 0, failed: 0, restarts: 0, behind: 0 };
  #last: StreamPoint = { sequence: 0, timeNs: null, created: "" };
  /** Where the current reading began; null if that is to be found first. */
  #start: ReplayStart | null = null;
  /** Whether everything that was in the stream at the start has been delivered. */
  #isReplayed = false;
  /** The last message before a disturbance; null while there is none. */
  #suspect: StreamPoint | null = null;
  /** Interrupts the current reading, so that the stream is checked. */
  #interrupt: () => void = () => undefined;

  constructor(options: NatsSubscriptionOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** Resolves once everything that was in the stream at the start has been delivered. */
  get ready(): Promise<void> {
    return this.#replayed.promise;
  }

  /** Counters for metrics. */
  counters(): SubscriptionCounters {
    const { sequence, timeNs } = this.#last;
    return { ...this.#counts, lastSequence: sequence, lastTimeMs: Number((timeNs ?? 0n) / 1_000_000n) };
  }

  /** Stops reading; resolves once nothing more is delivered. */
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

  // Reads until the stream went back (returns), JetStream fails (throws) or stop() is called (returns). Where
  // an earlier call failed, reading continues after the last message, so that nothing in between is left out.
  async #read(manager: JetStreamManager, client: JetStreamClient, begun: () => void): Promise<void> {
    const info = await ensureStream(manager, this.#options.stream);
    const newer = newerVersion(info);
    if (newer !== null && this.#throttle.allows("newer"))
      this.#options.log.warn(
        { newer },
        "a newer aggregator has set up the stream; its settings are left as they are",
      );
    if (this.#start !== null && (await this.#wentBack(manager))) this.#start = null;
    this.#start ??= await this.#findStart(manager, client, info);
    begun();
    do await this.#readOn(client, this.#start);
    while (!this.#stopping.signal.aborted && !(await this.#wentBack(manager)));
    this.#start = null;
  }

  async #findStart(
    manager: JetStreamManager,
    client: JetStreamClient,
    info: StreamInfo,
  ): Promise<ReplayStart> {
    const { depth, againDepth, log } = this.#options;
    const start = await findReplayStart(manager, client, info, this.#isReplayed ? againDepth : depth);
    this.#last = { sequence: Math.max(0, start.sequence - 1), timeNs: null, created: info.created };
    this.#suspect = null;
    log.info({ from: start.sequence, to: start.lastSequence }, "replaying the stream of reports");
    return start;
  }

  // Reads on after the last message until there is a disturbance or a check is due.
  async #readOn(client: JetStreamClient, start: ReplayStart): Promise<void> {
    const trouble = Promise.withResolvers<void>();
    this.#interrupt = trouble.resolve;
    // stop() may have come before there was anything to interrupt.
    if (this.#stopping.signal.aborted) return;
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
    if ((await consumer.info(true)).num_pending === 0) this.#endReplay();
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
    // A closed consumer may have had messages in flight that its successor delivers again.
    if (seq <= this.#last.sequence) return;
    const { pending, timestampNanos } = message.info;
    this.#last = { ...this.#last, sequence: seq, timeNs: BigInt(timestampNanos) };
    this.#counts.behind = pending;
    const addressed = parseReportSubject(subject);
    if (addressed === null || readReportHead(data)?.node !== addressed.node) {
      this.#counts.rejected++;
      if (this.#throttle.allows(`rejected ${subject}`))
        log.warn({ subject, seq }, "rejected a report: it is not its subject's node's");
    } else {
      this.#handOver(handler, message, Math.floor(timestampNanos / 1e6));
    }
    if (seq >= start.lastSequence || pending === 0) this.#endReplay();
  }

  #endReplay(): void {
    this.#isReplayed = true;
    this.#replayed.resolve();
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
          log.warn({ reason, sequence: point.sequence }, "the stream of reports went back; reading it again");
          return true;
        }
        if (this.#suspect === point) this.#suspect = null;
        if (this.#suspect === null) return false;
      } catch (error) {
        // JetStream is unavailable: retry the check until it answers.
        this.#suspect ??= point;
        log.debug({ err: error }, "cannot look at the stream yet");
        await delay(retryDelayMs(failures, RETRY), undefined, { signal }).catch(() => undefined);
      }
    }
    return false;
  }
}
