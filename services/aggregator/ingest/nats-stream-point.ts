// Checks, after every interruption, whether a stream is still the one that was read.

import { JetStreamApiCodes, JetStreamApiError, type JetStreamManager } from "@nats-io/jetstream";
import { STREAM_NAME } from "../../../lib/nats/subjects.ts";

/** Position of a message, and the stream's creation time. */
export interface StreamPoint {
  /** Its sequence number; if none was read yet, the one before the first to read. */
  readonly sequence: number;
  /** Its time in nanoseconds since 1970, accurate to the microsecond; null if none was read yet. */
  readonly timeNs: bigint | null;
  /** When the stream was created, in NATS's format. */
  readonly created: string;
}

/** Smaller differences in time are rounding errors of nanoseconds in a double: less than a microsecond. */
const ROUNDING_NS = 1000n;

/**
 * Returns why the stream is no longer the one that was read; null if it still is. Throws if JetStream does not
 * answer.
 */
export async function streamWentBack(manager: JetStreamManager, point: StreamPoint): Promise<string | null> {
  let info;
  try {
    info = await manager.streams.info(STREAM_NAME);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound)
      return "it is gone";
    throw error;
  }
  if (info.created !== point.created) return "it was created again";
  if (point.sequence > info.state.last_seq) return `it ends at ${info.state.last_seq}`;
  // Removed by the stream's limits: nothing before it can be delivered again.
  if (point.timeNs === null || point.sequence < info.state.first_seq) return null;
  const message = await manager.streams.getMessage(STREAM_NAME, { seq: point.sequence });
  if (message === null) return null;
  const difference = timeNs(message.timestamp) - point.timeNs;
  return difference > ROUNDING_NS || difference < -ROUNDING_NS
    ? "it has another message in this place"
    : null;
}

/** Parses a time in Go's format, RFC 3339 with up to nine fractional digits, into nanoseconds since 1970. */
export function timeNs(text: string): bigint {
  const match = /^(.*:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (match === null) throw new RangeError(`not a time: "${text}"`);
  const seconds = Date.parse(`${match[1]}${match[3]}`) / 1000;
  if (Number.isNaN(seconds)) throw new RangeError(`not a time: "${text}"`);
  return BigInt(seconds) * 1_000_000_000n + BigInt((match[2] ?? "").padEnd(9, "0"));
}
