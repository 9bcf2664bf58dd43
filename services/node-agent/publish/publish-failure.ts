// Classifies a failed publish: what to do about it and how to report it.

import { JetStreamApiCodes, JetStreamApiError } from "@nats-io/jetstream";
import {
  NoRespondersError,
  PermissionViolationError,
  RequestError,
  TimeoutError,
} from "@nats-io/transport-node";
import { STREAM_NAME } from "../../../lib/nats/subjects.ts";

/** Kinds of failures, as named in the metrics. */
type PublishFailure =
  /**
   * The node's subject is not where this agent left it, but at `sequence`; null if its position is unknown.
   */
  | { readonly kind: "moved"; readonly sequence: number | null }
  /** Retry later; `topic` is short and stable, `sentence` says what happened and what to do. */
  | { readonly kind: "retry"; readonly topic: string; readonly sentence: string };

/**
 * "insufficient resources" and similar: NATS's error codes for no room in memory, on disk or in the account.
 */
const NO_ROOM_CODES = new Set([10023, 10028, 10047, 10077]);

/** Classifies an error of JetStream's publish(). */
export function publishFailure(error: unknown): PublishFailure {
  const cause = innermost(error);
  if (cause instanceof NoRespondersError) {
    return retry(
      "no-stream",
      `NATS has no stream for reports: the aggregator creates "${STREAM_NAME}" when it starts: is it running, and does NATS have JetStream?`,
    );
  }
  if (cause instanceof PermissionViolationError) {
    return retry(
      "permission",
      `NATS does not allow this agent to ${cause.operation === "publish" ? "publish to" : "subscribe to"} "${cause.subject}": check the permissions of its user`,
    );
  }
  if (cause instanceof JetStreamApiError) {
    const { StreamWrongLastSequence, StreamWrongLastSequenceUnknown } = JetStreamApiCodes;
    if (cause.code === StreamWrongLastSequence || cause.code === StreamWrongLastSequenceUnknown) {
      const match = /wrong last sequence: (\d+)/.exec(cause.message);
      return { kind: "moved", sequence: match === null ? null : Number(match[1]) };
    }
    if (NO_ROOM_CODES.has(cause.code)) {
      return retry(
        "no-room",
        `NATS has no room for reports (${cause.message}): free its disk or raise its limits`,
      );
    }
    return retry(
      `jetstream-${cause.code}`,
      `NATS JetStream refuses reports: ${cause.message} (code ${cause.code})`,
    );
  }
  if (cause instanceof TimeoutError) {
    return retry(
      "timeout",
      "NATS did not acknowledge a report in time: it is overloaded, stopping, or its disk is stuck",
    );
  }
  return retry("other", `cannot publish reports: ${cause instanceof Error ? cause.message : String(cause)}`);
}

// The client wraps the cause once or twice (JetStreamNotEnabled, RequestError).
function innermost(error: unknown): unknown {
  const wraps =
    error instanceof RequestError || (error instanceof Error && error.name === "JetStreamNotEnabled");
  return wraps && error.cause instanceof Error ? innermost(error.cause) : error;
}

function retry(topic: string, sentence: string): PublishFailure {
  return { kind: "retry", topic, sentence };
}

/** Why a report will not be delivered. */
type PublishErrorCode = "overflow" | "too-large" | "malformed" | "closed";

/** The error of a report that will not be delivered. */
export class PublishError extends Error {
  readonly code: PublishErrorCode;

  constructor(code: PublishErrorCode, message: string) {
    super(message);
    this.name = "PublishError";
    this.code = code;
  }
}
