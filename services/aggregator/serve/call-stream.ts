// A call's stream of messages, made at its reader's pace: nothing is encoded before there is room for it, and
// nothing after the reader is gone.

import { Metadata, status } from "@grpc/grpc-js";

import { TooSlowError } from "../query/connection-orders.ts";
import { FilterError } from "../query/filter-error.ts";
import type { Calls } from "./calls.ts";
import type { AnyCall } from "./http2-stream.ts";
import type { CallStatus } from "./refusal.ts";
import { refusal, RefusedError } from "./refusal.ts";
import { RunningCall } from "./running-call.ts";
import { RETRY_MS } from "./serving-limits.ts";
import type { Turns } from "./turns.ts";

/** The header that announces the reader timeout, in milliseconds. */
const READER_TIMEOUT_HEADER = "whotalks-reader-timeout-ms";

/**
 * A list of connections counts as one that has had so much: edges and coverage that begin with it are
 * shorter.
 */
const LONG_ANSWER_BYTES = 1024 * 1024;

/** The stream of an admitted call. */
export class CallStream {
  readonly #running: RunningCall;
  readonly #calls: Calls;
  readonly #turns: Turns;

  constructor(running: RunningCall, calls: Calls, turns: Turns) {
    this.#running = running;
    this.#calls = calls;
    this.#turns = turns;
  }

  /** Lets the short answers that begin at the same time have their turns first. */
  expectLongAnswer(): void {
    this.#running.sentBytes += LONG_ANSWER_BYTES;
  }

  /** Runs work that makes the next message once there is room for it; returns null if the reader is gone. */
  async make<Result>(work: () => Result): Promise<Result | null> {
    while (await this.#hasRoom()) {
      // What others sent meanwhile may have taken the room.
      const made = await this.#turns.run(this.#running.sentBytes, () =>
        this.#running.isGone || !this.#calls.hasRoom(this.#running) ? null : { result: work() },
      );
      if (made !== null) return made.result;
    }
    return null;
  }

  /** Sends a message; returns false if the reader is gone. */
  send(message: Uint8Array): Promise<boolean> {
    return this.#running.send(message);
  }

  /** Sends a message that is there already, once there is room for it; returns false if the reader is gone. */
  async sendReady(message: Uint8Array): Promise<boolean> {
    return (await this.#hasRoom()) && this.send(message);
  }

  /** Makes and sends a message; returns false if the reader is gone. */
  async sendMade(work: () => Uint8Array): Promise<boolean> {
    const message = await this.make(work);
    return message !== null && this.send(message);
  }

  // Waits for room; returns false if the reader is gone.
  async #hasRoom(): Promise<boolean> {
    while (!this.#running.isGone && !this.#calls.hasRoom(this.#running)) await this.#calls.waitForRoom();
    return !this.#running.isGone;
  }
}

/**
 * Runs the body of a call, if there is room for it: its return ends the stream, its error becomes a gRPC
 * status.
 */
export function runCall(
  call: AnyCall,
  calls: Calls,
  turns: Turns,
  body: (stream: CallStream) => Promise<void>,
): void {
  // A reader that disconnects is not an error.
  call.on("error", () => undefined);
  const running = calls.admit(call);
  if (!(running instanceof RunningCall)) {
    call.emit("error", running);
    return;
  }
  void finish(call, running, calls, () => body(new CallStream(running, calls, turns)));
}

async function finish(
  call: AnyCall,
  running: RunningCall,
  calls: Calls,
  body: () => Promise<void>,
): Promise<void> {
  const announced = new Metadata();
  announced.set(READER_TIMEOUT_HEADER, String(calls.readerTimeoutMs));
  try {
    call.sendMetadata(announced);
    await body();
    call.end();
  } catch (error) {
    call.emit("error", toStatus(error));
  }
  // What the reader has still to take counts until it is taken.
  await running.taken();
  calls.end(running);
}

/** Returns the status for an error: an invalid filter is the caller's error, everything else is ours. */
function toStatus(error: unknown): CallStatus {
  if (error instanceof FilterError) return { code: status.INVALID_ARGUMENT, details: error.message };
  if (error instanceof RefusedError || error instanceof TooSlowError) return refusal(error.message, RETRY_MS);
  return { code: status.INTERNAL, details: error instanceof Error ? error.message : String(error) };
}
