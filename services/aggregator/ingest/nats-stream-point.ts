// Whether a stream is still the one that was read: the question after every interruption.

import { JetStreamApiCodes, JetStreamApiError, type JetStreamManager } from "@nats-io/jetstream";
import { STREAM_NAME } from "../../../lib/nats/subjects.ts";

/** A message as it was read, and of which making of the stream. */
export interface StreamPoint {
  /** Its sequence number; where none was read yet, the one before the first that will be. */
  readonly sequence: number;
  /** Its time, in nanoseconds since 1970, to the microsecond at least; null where none was read yet. */
  readonly timeNs: bigint | null;
  /** When the stream was made, as NATS writes it. */
  readonly created: string;
}

/** A difference in times below this is the rounding of nanoseconds in a double: less than a microsecond. */
const ROUNDING_NS = 1000n;

/**
 * Why the stream is not the one that was read any more; null where it is. Throws where JetStream does not
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
  if (info.created !== point.created) return "it was made anew";
  if (point.sequence > info.state.last_seq) return `it ends at ${info.state.last_seq}`;
  // Removed by the limits: older than what the stream keeps, so nothing before it can come again.
  if (point.timeNs === null || point.sequence < info.state.first_seq) return null;
  const message = await manager.streams.getMessage(STREAM_NAME, { seq: point.sequence });
  if (message === null) return null;
  const difference = timeNs(message.timestamp) - point.timeNs;
  return difference > ROUNDING_NS || difference < -ROUNDING_NS
    ? "it has another message in this place"
    : null;
}

/** Nanoseconds since 1970 of a time as Go writes it: RFC 3339 with up to nine digits of a second. */
export function timeNs(text: string): bigint {
  const match = /^(.*:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (match === null) throw new RangeError(`not a time: "${text}"`);
  const seconds = Date.parse(`${match[1]}${match[3]}`) / 1000;
  if (Number.isNaN(seconds)) throw new RangeError(`not a time: "${text}"`);
  return BigInt(seconds) * 1_000_000_000n + BigInt((match[2] ?? "").padEnd(9, "0"));
}
