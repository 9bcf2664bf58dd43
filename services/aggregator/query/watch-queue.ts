// What one watcher has not read yet: a bounded queue of events. What does not fit is left out and counted, and
// the hole stands in the queue's place where it is.

import type { ConnectionEvent } from "../../../lib/gen/whotalks/v1/query.ts";

/** Events that wait for one watcher at most: about 20 MB of messages. */
export const WATCH_EVENTS_MAX = 10_000;

/** An event, or how many were left out. */
export type WatchItem = { readonly event: ConnectionEvent } | { readonly missed: number };

/** A watcher's queue. */
export class WatchQueue {
  #events: ConnectionEvent[] = [];
  #missed = 0;
  #closed = false;
  #wake: (() => void) | null = null;
  readonly #max: number;

  constructor(max: number = WATCH_EVENTS_MAX) {
    this.#max = max;
  }

  /** Adds an event, or counts it as left out. */
  push(event: ConnectionEvent): void {
    // Once something is left out, all is until the watcher has read up to there: the hole has one place.
    if (this.#missed > 0 || this.#events.length >= this.#max) this.#missed++;
    else this.#events.push(event);
    this.#notify();
  }

  /** All that waits, oldest first; resolves when there is something, with nothing once the queue is closed. */
  async take(): Promise<WatchItem[]> {
    while (this.#events.length === 0 && this.#missed === 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const items: WatchItem[] = this.#events.map((event) => ({ event }));
    if (this.#missed > 0) items.push({ missed: this.#missed });
    this.#events = [];
    this.#missed = 0;
    return items;
  }

  /** Ends the queue: take() gives what is left, then nothing. */
  close(): void {
    this.#closed = true;
    this.#notify();
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = null;
  }
}
