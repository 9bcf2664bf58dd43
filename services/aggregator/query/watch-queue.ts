// A bounded queue of the events that one watcher has not read yet. Events that do not fit are dropped and
// counted; a gap marker keeps their place in the queue.

import type { ConnectionEvent } from "../../../lib/gen/whotalks/v1/query.ts";

/** Events queued for one watcher: about 20 MB of messages. */
export const WATCH_EVENTS_MAX = 10_000;

/** An event, or the number of dropped ones. */
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

  /** Adds an event, or counts it as dropped. */
  push(event: ConnectionEvent): void {
    // Once an event is dropped, drop all until the watcher has read up to there: the queue has one gap at
    // most.
    if (this.#missed > 0 || this.#events.length >= this.#max) this.#missed++;
    else this.#events.push(event);
    this.#notify();
  }

  /**
   * Takes all events, oldest first; resolves when there is one, or with an empty list once the queue is
   * closed.
   */
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

  /** Closes the queue: take() returns what is left, then nothing. */
  close(): void {
    this.#closed = true;
    this.#notify();
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = null;
  }
}
