// Explains a failed request to a server: gRPC's status codes as sentences that say what to do.

import { type Metadata, status } from "@grpc/grpc-js";
import { writeDuration } from "../../lib/duration.ts";
import { UsageError } from "../../lib/program/usage-error.ts";
import { FailureError } from "../command/errors.ts";

/** Trailer of a refused call (gRFC A6), in milliseconds. */
const RETRY_HEADER = "grpc-retry-pushback-ms";
/** The client's error for a stream that the server reset with ENHANCE_YOUR_CALM. */
const RESET_BY_SERVER = /^Bandwidth exhausted or memory limit exceeded|RST_STREAM with code 11\b/;

/** The failure: a gRPC status, or "late" if our own timeout ended the wait. */
export interface AskError {
  readonly code?: number | string;
  readonly details?: string;
  readonly message?: string;
  readonly metadata?: Metadata;
  /** How long the server lets an answer wait for its reader. */
  readonly readerTimeoutMs?: number | undefined;
}

/** Returns after how many milliseconds a refused call may be asked again; null if the server names no time. */
export function retryAfterMs({ code, metadata }: AskError): number | null {
  const text = metadata?.get(RETRY_HEADER)[0];
  if (code !== status.RESOURCE_EXHAUSTED || typeof text !== "string" || !/^\d{1,7}$/.test(text)) return null;
  return Number(text);
}

/** Returns the error to show to the user. */
export function explainAskError(error: AskError, address: string, timeoutMs: number): Error {
  const details = error.details ?? error.message ?? "";
  switch (error.code) {
    case "late":
    case status.DEADLINE_EXCEEDED:
      return new FailureError(
        `The server at ${address} sent nothing for ${writeDuration(timeoutMs)}: look whether it is well, or give it more --timeout.`,
      );
    case status.UNAVAILABLE:
      return new FailureError(
        `Cannot reach a whotalks server at ${address}${reason(details)}: look whether it runs there ('whotalks local' serves on 127.0.0.1:4180), or name another with --server.`,
      );
    case status.UNIMPLEMENTED:
      return new FailureError(
        `The server at ${address} does not know this question: it is older than this program, or no whotalks server.`,
      );
    case status.INVALID_ARGUMENT:
      return new UsageError(`The server at ${address} refused the question: ${details}`);
    case status.UNAUTHENTICATED:
    case status.PERMISSION_DENIED:
      return new FailureError(`The server at ${address} does not let you ask this: ${details}`);
    case status.RESOURCE_EXHAUSTED:
      if (RESET_BY_SERVER.test(details)) {
        const forMs =
          error.readerTimeoutMs === undefined
            ? ""
            : ` for ${writeDuration(error.readerTimeoutMs)}, or less where others needed the room`;
        return new FailureError(
          `The server at ${address} ended the answer, because nobody read it${forMs}: do not pause the output, or ask for less.`,
        );
      }
      return new FailureError(`The server at ${address} has too much to do: ${details}`);
    case undefined:
    default:
      return new FailureError(
        `The server at ${address} failed${reason(details)}: ask again, and look at its log if it stays so.`,
      );
  }
}

// grpc-js wraps the reason: "No connection established. Last error: connect ECONNREFUSED 127.0.0.1:1.
// Resolution note: ".
function reason(details: string): string {
  const inner = /Last error: (.*?)\.?(?: Resolution note:.*)?$/s.exec(details)?.[1] ?? details;
  const bare = inner.replace(/^Error: /, "").replace(/[.\s]+$/, "");
  return bare === "" ? "" : ` (${bare})`;
}
