// Events that watchers have not read yet. All watchers share one store of events, in which the oldest make
// room for the newest; each has a bounded queue of its own that refers to it. What a watcher lost is counted,
// and a gap marker keeps its place.

import type { ConnectionEvent } from "../../../lib/gen/whotalks/v1/query.ts";

/** Events queued for one watcher, 8 bytes each. */
export const WATCH_EVENTS_MAX = 10_000;
/** Events kept for all watchers together: about 20 MB of messages. */
const WATCH_STORE_EVENTS_MAX = 10_000;

/** An event in the store; null once newer events took its place. */
export interface WatchEvent {
  event: ConnectionEvent | null;
}

/** An event, or the number of lost ones. */
export type WatchItem = { readonly event: ConnectionEvent } | { readonly missed: number };

/** The store: a ring of events. */
export class WatchEvents {
  readonly #ring: WatchEvent[] = [];
  readonly #max: number;
  #next = 0;

  constructor(max: number = WATCH_STORE_EVENTS_MAX) {
    this.#max = max;
  }

  /** Adds an event; the oldest makes room for it. */
  add(event: ConnectionEvent): WatchEvent {
    const added: WatchEvent = { event };
    const replaced = this.#ring[this.#next];
    if (replaced !== undefined) replaced.event = null;
    this.#ring[this.#next] = added;
    this.#next = (this.#next + 1) % this.#max;
    return added;
  }

  /** Drops everything: the watcher is gone. */
  clear(): void {
    this.#ring.length = 0;
    this.#next = 0;
  }
}

/** A watcher's queue. */
export class WatchQueue {
  #events: WatchEvent[] = [];
  #missed = 0;
  #closed = false;
  #wake: (() => void) | null = null;
  readonly #max: number;

  constructor(max: number = WATCH_EVENTS_MAX) {
    this.#max = max;
  }

  /** Adds an event, or counts it as lost. */
  push(event: WatchEvent): void {
    // Once an event is lost, drop all until the watcher has read up to there: the queue has one gap at its
    // end.
    if (this.#missed > 0 || this.#events.length >= this.#max) this.#missed++;
    else this.#events.push(event);
    this.#notify();
  }

  /**
   * Takes all events, oldest first; resolves when there is one, or with nothing once the queue is closed. An
   * event that leaves the store before it is reached counts as lost.
   */
  async take(): Promise<Iterable<WatchItem> | null> {
    while (this.#events.length === 0 && this.#missed === 0) {
      if (this.#closed) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const items = itemsOf(this.#events, this.#missed);
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

function* itemsOf(events: readonly WatchEvent[], missedAtEnd: number): Generator<WatchItem> {
  let missed = 0;
  for (const { event } of events) {
    if (event === null) missed++;
    else {
      if (missed > 0) yield { missed };
      missed = 0;
      yield { event };
    }
  }
  missed += missedAtEnd;
  if (missed > 0) yield { missed };
}
