// Where the stream is read from. An aggregator that starts begins where the stream does, unless less is asked
// for, since its sums count all that it has read (docs/adr/0010). Otherwise reading begins for each node at a
// keyframe at or before the time that is asked for, which the stream's index of subjects finds without a scan.

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
  /** From when on everything is replayed; 0 for the newest keyframes only, Infinity for the whole stream. */
  readonly lookbackMs: number;
  /** Keyframes that are older than this, now or at the time from which everything is replayed, are ignored. */
  readonly keyframeAgeMsMax: number;
}

/** Where to start, and where the replay ends. Sequence numbers are the stream's. */
export interface ReplayStart {
  /** First message to read. */
  readonly sequence: number;
  /** Last message in the stream at the start: it completes the replay. */
  readonly lastSequence: number;
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
  if (depth.lookbackMs === Infinity) return { sequence: stream.state.first_seq, lastSequence };
  let sequence = Number.POSITIVE_INFINITY;
  const newest = { filter_subject: KEYFRAME_SUBJECTS, deliver_policy: DeliverPolicy.LastPerSubject } as const;
  await eachHead(manager, client, newest, (subject, found, timeMs) => {
    if (parseReportSubject(subject) !== null && nowMs - timeMs <= depth.keyframeAgeMsMax)
      sequence = Math.min(sequence, found);
    return true;
  });
  // No keyframe at all: a recreated stream, whose first reports build on what is already known.
  if (sequence === Number.POSITIVE_INFINITY) sequence = stream.state.first_seq;
  if (depth.lookbackMs > 0 && stream.state.messages > 0)
    sequence = Math.min(sequence, await findBefore(manager, client, nowMs - depth.lookbackMs, depth));
  return { sequence, lastSequence };
}

// Returns the first of the nodes' last keyframes at or before a time, or the first message after it.
async function findBefore(
  manager: JetStreamManager,
  client: JetStreamClient,
  beforeMs: number,
  { keyframeAgeMsMax }: ReplayDepth,
): Promise<number> {
  let sequence = Number.POSITIVE_INFINITY;
  const all = { filter_subject: STREAM_SUBJECTS, ...startingAt(beforeMs) };
  await eachHead(manager, client, all, (_subject, found) => {
    sequence = found;
    return false;
  });
  const last = new Map<string, number>();
  const before = { filter_subject: KEYFRAME_SUBJECTS, ...startingAt(beforeMs - keyframeAgeMsMax) };
  await eachHead(manager, client, before, (subject, found, timeMs) => {
    if (timeMs <= beforeMs) last.set(subject, found);
    return timeMs <= beforeMs;
  });
  for (const found of last.values()) sequence = Math.min(sequence, found);
  return sequence;
}

function startingAt(timeMs: number): Pick<HeadSelection, "deliver_policy" | "opt_start_time"> {
  return {
    deliver_policy: DeliverPolicy.StartTime,
    opt_start_time: new Date(Math.max(0, timeMs)).toISOString(),
  };
}

/** Takes the head of a message; returns whether to go on. */
type HeadTaker = (subject: string, sequence: number, timeMs: number) => boolean;

type HeadSelection = Readonly<{
  filter_subject: string;
  deliver_policy: typeof DeliverPolicy.LastPerSubject | typeof DeliverPolicy.StartTime;
  opt_start_time?: string;
}>;

// Reads subjects, sequence numbers and times of the selected messages, without their bodies, until `take` has
// enough.
async function eachHead(
  manager: JetStreamManager,
  client: JetStreamClient,
  selection: HeadSelection,
  take: HeadTaker,
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
    let left = selected;
    while (left > 0) {
      const { got, enough } = await fetchHeads(consumer, Math.min(left, FETCH_MESSAGES), take);
      // Messages that the stream's limits have removed meanwhile are not delivered.
      if (got === 0 || enough) break;
      left -= got;
    }
  } finally {
    await manager.consumers.delete(STREAM_NAME, name).catch(() => undefined);
  }
}

async function fetchHeads(
  consumer: Consumer,
  count: number,
  take: HeadTaker,
): Promise<{ got: number; enough: boolean }> {
  let got = 0;
  let enough = false;
  // A fetch is read to its end, as the next one would get what is left of it.
  for await (const message of await consumer.fetch({ max_messages: count, expires: FETCH_MS })) {
    enough ||= !take(message.subject, message.seq, Math.floor(message.info.timestampNanos / 1e6));
    got++;
  }
  return { got, enough };
}
