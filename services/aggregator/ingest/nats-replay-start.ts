// Where a starting aggregator begins to read the stream: at the oldest of the nodes' newest keyframes. The
// stream's subject index finds it without a scan.

import {
  AckPolicy,
  type Consumer,
  DeliverPolicy,
  type JetStreamClient,
  type JetStreamManager,
  type StreamInfo,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import {
  KEYFRAME_SUBJECTS,
  parseReportSubject,
  STREAM_NAME,
  STREAM_SUBJECTS,
} from "../../../lib/nats/subjects.ts";

/**
 * A node whose newest keyframe is older than this (several keyframe intervals) is gone. Starting there would
 * replay hours of every other node's reports.
 */
export const KEYFRAME_AGE_MS_MAX = 15 * 60_000;

/** How far back a replay goes. */
export interface ReplayDepth {
  /** Minimum depth, so that recently closed connections are replayed; 0 for the newest keyframes only. */
  readonly lookbackMs: number;
  /** Newest keyframes older than this are ignored. */
  readonly keyframeAgeMsMax: number;
}

/** Where to start, and what to expect. Sequence numbers are the stream's. */
export interface ReplayStart {
  /** First message to read. */
  readonly sequence: number;
  /** Last message in the stream at the start: it completes the replay. */
  readonly lastSequence: number;
  /**
   * Each node's newest keyframe. A node's reports before its first keyframe in the replay cannot be applied.
   */
  readonly keyframes: ReadonlyMap<string, number>;
  /** Nodes whose newest keyframe is too old. */
  readonly nodesGone: number;
}

/** Messages per fetch; they have no bodies. */
const FETCH_MESSAGES = 500;
/** Timeout of one fetch, and of one lookup. */
const FETCH_MS = 5000;
/** NATS removes the lookup's consumer after this long. */
const INACTIVE_MS = 30_000;

/** Finds the start. Passes on JetStream's errors. */
export async function findReplayStart(
  manager: JetStreamManager,
  client: JetStreamClient,
  stream: StreamInfo,
  depth: ReplayDepth,
): Promise<ReplayStart> {
  // Use the time of the stream's last message as the clock: the aggregator's may differ.
  const nowMs = Date.parse(stream.state.last_ts);
  const lastSequence = stream.state.last_seq;
  let sequence = lastSequence + 1;
  const keyframes = new Map<string, number>();
  let nodesGone = 0;
  const newest = { filter_subject: KEYFRAME_SUBJECTS, deliver_policy: DeliverPolicy.LastPerSubject } as const;
  await eachHead(manager, client, newest, Number.POSITIVE_INFINITY, (subject, found, timeMs) => {
    const node = parseReportSubject(subject)?.node;
    if (node === undefined) return;
    if (nowMs - timeMs > depth.keyframeAgeMsMax) {
      nodesGone++;
      return;
    }
    keyframes.set(node, found);
    sequence = Math.min(sequence, found);
  });
  if (depth.lookbackMs > 0 && stream.state.messages > 0) {
    const since = {
      filter_subject: STREAM_SUBJECTS,
      deliver_policy: DeliverPolicy.StartTime,
      opt_start_time: new Date(nowMs - depth.lookbackMs).toISOString(),
    } as const;
    await eachHead(manager, client, since, 1, (_subject, found) => {
      sequence = Math.min(sequence, found);
    });
  }
  // No keyframe at all: a recreated stream, whose first reports build on what is already known.
  if (keyframes.size === 0) sequence = Math.min(sequence, stream.state.first_seq);
  return { sequence, lastSequence, keyframes, nodesGone };
}

type HeadSelection = Readonly<{
  filter_subject: string;
  deliver_policy: typeof DeliverPolicy.LastPerSubject | typeof DeliverPolicy.StartTime;
  opt_start_time?: string;
}>;

// Reads subjects, sequence numbers and times of the selected messages, without their bodies.
async function eachHead(
  manager: JetStreamManager,
  client: JetStreamClient,
  selection: HeadSelection,
  messagesMax: number,
  take: (subject: string, sequence: number, timeMs: number) => void,
): Promise<void> {
  const { name, num_pending: selected } = await manager.consumers.add(STREAM_NAME, {
    ...selection,
    ack_policy: AckPolicy.None,
    headers_only: true,
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: nanos(INACTIVE_MS),
  });
  try {
    const consumer = await client.consumers.get(STREAM_NAME, name);
    let left = Math.min(selected, messagesMax);
    while (left > 0) {
      const got = await fetchHeads(consumer, Math.min(left, FETCH_MESSAGES), take);
      // Messages that the stream's limits have removed meanwhile are not delivered.
      if (got === 0) break;
      left -= got;
    }
  } finally {
    await manager.consumers.delete(STREAM_NAME, name).catch(() => undefined);
  }
}

async function fetchHeads(
  consumer: Consumer,
  count: number,
  take: (subject: string, sequence: number, timeMs: number) => void,
): Promise<number> {
  let got = 0;
  for await (const message of await consumer.fetch({ max_messages: count, expires: FETCH_MS })) {
    take(message.subject, message.seq, Math.floor(message.info.timestampNanos / 1e6));
    got++;
  }
  return got;
}
