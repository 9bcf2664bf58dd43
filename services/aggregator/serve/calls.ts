// All calls that run. They share limits by number and by bytes, per caller and together. What has no room is
// refused with the time to ask again. A reader that takes nothing is dropped after the reader timeout, and
// sooner where others need its room.

import { setTimeout as delay } from "node:timers/promises";

import type { AnyCall, Caller } from "./http2-stream.ts";
import { callerOf } from "./http2-stream.ts";
import type { CallStatus } from "./refusal.ts";
import { refusal, RefusedError } from "./refusal.ts";
import { COPIES, RunningCall } from "./running-call.ts";
import type { ServingLimits } from "./serving-limits.ts";
import {
  AHEAD_BYTES_MAX,
  CALLER_SHARE_MAX,
  HELD_SHARE_MAX,
  RETRY_MS,
  STALLED_MS_MIN,
} from "./serving-limits.ts";

/** Interval at which stalled readers are looked for. */
const SWEEP_MS = 500;
/** Bytes of a batch in memory. */
const BATCH_BYTES = COPIES * AHEAD_BYTES_MAX;
/** Interval at which a call that waits for room tries again. */
const ROOM_MS = 50;

/** What the query API does, for metrics. */
export interface ServingCounts {
  readonly calls: number;
  readonly callers: number;
  readonly bytes: number;
  readonly started: number;
  /** Refused because the caller, or all together, had too many calls. */
  readonly refusedForCaller: number;
  readonly refusedForAll: number;
  /** Refused because the answer had no room. */
  readonly refusedForBytes: number;
  /** Readers dropped after the reader timeout, and sooner to make room. */
  readonly droppedStalled: number;
  readonly droppedForRoom: number;
}

interface CallerUse {
  calls: number;
  bytes: number;
}

/** The calls of one server. */
export class Calls {
  readonly #limits: ServingLimits;
  readonly #now: () => number;
  readonly #running = new Set<RunningCall>();
  readonly #callers = new Map<Caller, CallerUse>();
  readonly #counts = {
    bytes: 0,
    started: 0,
    refusedForCaller: 0,
    refusedForAll: 0,
    refusedForBytes: 0,
    droppedStalled: 0,
    droppedForRoom: 0,
  };
  /** No reader has stalled for long enough before this. */
  #lookAgainMs = 0;
  /** Those of the bytes that hold() counts. */
  #held = 0;
  #sweep: NodeJS.Timeout | null = null;

  constructor(limits: ServingLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
  }

  get counts(): ServingCounts {
    return { ...this.#counts, calls: this.#running.size, callers: this.#callers.size };
  }

  /** How long a reader may take nothing of what waits for it. */
  get readerTimeoutMs(): number {
    return this.#limits.readerTimeoutMs;
  }

  /** Lets a call run, or returns the status with which it is refused. */
  admit(call: AnyCall): RunningCall | CallStatus {
    const { callsMax, callsPerCallerMax } = this.#limits;
    const caller = callerOf(call);
    const use = this.#callers.get(caller) ?? { calls: 0, bytes: 0 };
    if (use.calls >= callsPerCallerMax) {
      this.#counts.refusedForCaller++;
      return refusal(
        `this caller has ${callsPerCallerMax} calls already, which is the limit: end some first`,
        RETRY_MS,
      );
    }
    if (this.#running.size >= callsMax && !this.#dropStalled(null)) {
      this.#counts.refusedForAll++;
      return refusal(`${callsMax} calls run already, which is the limit`, RETRY_MS);
    }
    use.calls++;
    this.#callers.set(caller, use);
    const running = new RunningCall(
      call,
      caller,
      { add: (each, bytes) => this.#add(each.caller, bytes) },
      this.#now,
    );
    this.#running.add(running);
    this.#counts.started++;
    this.#sweep ??= setInterval(() => this.sweep(), SWEEP_MS).unref();
    return running;
  }

  /** Ends the account of a call. */
  end(running: RunningCall): void {
    if (!this.#running.delete(running)) return;
    running.release();
    const use = this.#callers.get(running.caller)!;
    use.calls--;
    if (use.calls === 0) this.#callers.delete(running.caller);
    if (this.#running.size > 0 || this.#sweep === null) return;
    clearInterval(this.#sweep);
    this.#sweep = null;
  }

  /** Whether there is room for a call's next batch; makes it where a stalled reader has it. */
  hasRoom(running: RunningCall): boolean {
    const use = this.#callers.get(running.caller)!;
    const callerIsFull = use.bytes > 0 && use.bytes + BATCH_BYTES > this.#limits.bytesMax * CALLER_SHARE_MAX;
    const ahead = this.#counts.bytes - this.#held;
    // A batch alone always has room, whatever the limit.
    const isFull = ahead > 0 && ahead + BATCH_BYTES > this.#limits.bytesMax * (1 - HELD_SHARE_MAX);
    if (!callerIsFull && !isFull) return true;
    return this.#dropStalled(callerIsFull ? running.caller : null) && this.hasRoom(running);
  }

  /** Waits until there may be room again. */
  async waitForRoom(): Promise<void> {
    await delay(ROOM_MS);
  }

  /**
   * Counts bytes of an answer that several calls share; returns a function that ends it. Throws RefusedError.
   */
  hold(bytes: number): () => void {
    const bytesMax = this.#limits.bytesMax * HELD_SHARE_MAX;
    while (this.#held + bytes > bytesMax) {
      if (bytes <= bytesMax && this.#dropStalled(null)) continue;
      this.#counts.refusedForBytes++;
      throw new RefusedError(
        bytes > bytesMax
          ? `the answer has ${bytes} bytes, and ${bytesMax} are the limit: ask for less by filters or a limit`
          : "the answers that wait for their readers take all the room",
      );
    }
    this.#hold(bytes);
    return () => this.#hold(-bytes);
  }

  /** Drops the readers that have taken nothing for the reader timeout. */
  sweep(): void {
    for (const running of this.#running) {
      if (running.stalledMs < this.#limits.readerTimeoutMs) continue;
      this.#counts.droppedStalled++;
      running.drop();
    }
  }

  #hold(bytes: number): void {
    this.#held += bytes;
    this.#counts.bytes += bytes;
  }

  #add(caller: Caller, bytes: number): void {
    this.#counts.bytes += bytes;
    const use = this.#callers.get(caller);
    if (use !== undefined) use.bytes += bytes;
  }

  // Drops the reader that has taken nothing for the longest time, if that is long enough; of one caller only
  // if given.
  #dropStalled(caller: Caller | null): boolean {
    const nowMs = this.#now();
    if (nowMs < this.#lookAgainMs) return false;
    let longest: RunningCall | null = null;
    for (const running of this.#running) {
      if (caller !== null && running.caller !== caller) continue;
      if (running.stalledMs > (longest?.stalledMs ?? STALLED_MS_MIN)) longest = running;
    }
    if (longest === null) {
      if (caller === null) this.#lookAgainMs = nowMs + ROOM_MS;
      return false;
    }
    this.#counts.droppedForRoom++;
    longest.drop();
    this.end(longest);
    return true;
  }
}
