// The headers of a report's NATS message, written by the agent's publisher and read by the aggregator's
// subscription.

import { headers, type MsgHdrs } from "@nats-io/transport-node";
import type { ReportHead } from "./report-head.ts";

/** Milliseconds that the report waited in the agent before it was sent. */
const WAITED_HEADER = "Whotalks-Waited-Ms";

/** The longest wait that is accepted: a day. Larger values come from a forgery or a broken clock. */
const WAITED_MS_MAX = 86_400_000;

/** The id by which JetStream drops duplicates of a report (within the stream's duplicate window). */
export function reportMessageId(head: ReportHead): string {
  return `${head.node}/${head.epoch}/${head.sequence}`;
}

/** The headers for a report that waited this long. */
export function reportHeaders(waitedMs: number): MsgHdrs {
  const written = headers();
  if (waitedMs >= 1) written.set(WAITED_HEADER, String(Math.round(waitedMs)));
  return written;
}

/**
 * When the report was handed over for publishing, in milliseconds since 1970 by the stream's clock: the
 * message's time minus how long the report waited while NATS was away. An invalid header counts as no wait.
 */
export function reportTimeMs(streamTimeMs: number, messageHeaders: MsgHdrs | undefined): number {
  const text = messageHeaders?.get(WAITED_HEADER) ?? "";
  if (!/^\d{1,9}$/.test(text)) return streamTimeMs;
  const waitedMs = Number(text);
  return waitedMs <= WAITED_MS_MAX ? streamTimeMs - waitedMs : streamTimeMs;
}
