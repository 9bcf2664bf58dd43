// Writes to a stream at the reader's pace: builds nothing before there is room for it, and nothing after the
// reader is gone.

import { status } from "@grpc/grpc-js";
import type { ServerWritableStream } from "@grpc/grpc-js";
import { FilterError } from "../query/filter-error.ts";

/** The parts of a call that these functions use. */
type Call<Response> = ServerWritableStream<unknown, Response>;

/** Writes a message and waits until the stream accepts more; returns false if the reader is gone. */
export async function write<Response>(call: Call<Response>, message: Response): Promise<boolean> {
  if (call.cancelled || call.destroyed) return false;
  if (call.write(message)) return true;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      call.off("drain", done);
      call.off("cancelled", done);
      call.off("close", done);
      call.off("error", done);
      resolve();
    };
    call.on("drain", done);
    call.on("cancelled", done);
    call.on("close", done);
    call.on("error", done);
  });
  return !call.cancelled && !call.destroyed;
}

/** Runs the body of a streaming call: its return ends the stream, its error becomes a gRPC status. */
export function runStream<Response>(call: Call<Response>, body: () => Promise<void>): void {
  // A reader that disconnects is not an error.
  call.on("error", () => undefined);
  void finish(call, body);
}

async function finish<Response>(call: Call<Response>, body: () => Promise<void>): Promise<void> {
  try {
    await body();
    call.end();
  } catch (error) {
    call.emit("error", toStatus(error));
  }
}

/** Returns the status for an error: an invalid filter is the caller's error, everything else is ours. */
function toStatus(error: unknown): { code: status; details: string } {
  if (error instanceof FilterError) return { code: status.INVALID_ARGUMENT, details: error.message };
  return { code: status.INTERNAL, details: error instanceof Error ? error.message : String(error) };
}

/** Yields to other work: a long answer must not block reports. */
export function yieldToOthers(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
