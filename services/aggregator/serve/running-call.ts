// One call while it runs: what waits for its reader, and since when.

import type { AnyCall, Caller } from "./http2-stream.ts";
import { resetStream } from "./http2-stream.ts";
import { AHEAD_BYTES_MAX } from "./serving-limits.ts";

/** gRPC copies each message into its frame; both are there until HTTP/2 has taken it. */
export const COPIES = 2;
/** Counts the bytes of all calls. */
export interface ByteCount {
  add(call: RunningCall, bytes: number): void;
}

/** A call and what it has in memory. */
export class RunningCall {
  readonly caller: Caller;
  /** Bytes sent, by which turns are given. */
  sentBytes = 0;
  readonly #call: AnyCall;
  readonly #count: ByteCount;
  readonly #now: () => number;
  /** Bytes that are counted for this call. */
  #counted = 0;
  /** Bytes of messages that HTTP/2 has not taken. */
  #ahead = 0;
  #movedMs = 0;
  #isDropped = false;
  #isReleased = false;
  #wake: (() => void) | null = null;

  constructor(call: AnyCall, caller: Caller, count: ByteCount, now: () => number) {
    this.#call = call;
    this.caller = caller;
    this.#count = count;
    this.#now = now;
    for (const event of ["cancelled", "close", "error"]) call.on(event, () => this.#notify());
  }

  /** Whether the caller has stopped reading. */
  get isGone(): boolean {
    return this.#isDropped || this.#call.cancelled || this.#call.destroyed;
  }

  /** For how long the reader has taken nothing of what waits for it, in milliseconds. */
  get stalledMs(): number {
    return this.#ahead === 0 || this.isGone ? 0 : this.#now() - this.#movedMs;
  }

  /** Sends a message and waits until the reader is close enough behind; returns false if it is gone. */
  async send(message: Uint8Array): Promise<boolean> {
    if (this.isGone) return false;
    const bytes = message.length;
    if (this.#ahead === 0) this.#movedMs = this.#now();
    this.#ahead += bytes;
    this.sentBytes += bytes;
    this.#add(COPIES * bytes);
    this.#call.write(message, () => {
      this.#ahead -= bytes;
      this.#movedMs = this.#now();
      this.#add(-COPIES * bytes);
      this.#notify();
    });
    return this.#aheadBelow(AHEAD_BYTES_MAX);
  }

  /** Resolves once the reader has taken everything, or is gone. */
  async taken(): Promise<void> {
    await this.#aheadBelow(1);
  }

  /** Ends the call at once: its reader does not read. */
  drop(): void {
    this.#isDropped = true;
    resetStream(this.#call);
    this.release();
    this.#notify();
  }

  /** Counts nothing for this call any more. */
  release(): void {
    this.#count.add(this, -this.#counted);
    this.#counted = 0;
    this.#isReleased = true;
  }

  async #aheadBelow(bytes: number): Promise<boolean> {
    while (this.#ahead >= bytes && !this.isGone) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return !this.isGone;
  }

  #add(bytes: number): void {
    if (this.#isReleased) return;
    this.#counted += bytes;
    this.#count.add(this, bytes);
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = null;
  }
}
