// Writing to a stream at the reader's pace: nothing is made before there is room for it, and nothing after the
// reader has gone.

import { status } from "@grpc/grpc-js";
import type { ServerWritableStream } from "@grpc/grpc-js";
import { FilterError } from "../query/filter-error.ts";

/** A call as the helpers here need it. */
type Call<Response> = ServerWritableStream<unknown, Response>;

/** Writes a message and waits until the stream takes more; false where the reader has gone. */
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

/** Runs the body of a streaming call: its end ends the stream, what it throws becomes a gRPC status. */
export function runStream<Response>(call: Call<Response>, body: () => Promise<void>): void {
  // A reader that goes away is no error of ours.
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

/**
 * The status that tells a caller of an error: a filter that cannot be meant is the caller's, all else is ours.
 */
function toStatus(error: unknown): { code: status; details: string } {
  if (error instanceof FilterError) return { code: status.INVALID_ARGUMENT, details: error.message };
  return { code: status.INTERNAL, details: error instanceof Error ? error.message : String(error) };
}

/** Lets others run: a long answer must not keep reports waiting. */
export function yieldToOthers(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
