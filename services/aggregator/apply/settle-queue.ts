// The connections that wait to be settled, each at most once.

import { CONNECTIONS_MAX } from "../gen/connection-columns.ts";
import { FIRST_ROWS, grownColumn, nextCapacity } from "../model/storage/capacity.ts";

/** What a connection is queued for, as bits: to be settled, or only to have its bytes added up on its edge. */
export const Waiting = { settle: 1, bytes: 2 } as const;

/** The queue. Skips connections that were freed while they waited. */
export class SettleQueue {
  #waiting = new Uint8Array(FIRST_ROWS);
  readonly #queue: number[] = [];
  #at = 0;

  /** Connections in the queue. */
  get size(): number {
    return this.#queue.length - this.#at;
  }

  /** Makes room for a connection. */
  reserve(connection: number): void {
    const { length } = this.#waiting;
    if (connection >= length)
      this.#waiting = grownColumn(this.#waiting, nextCapacity(length, CONNECTIONS_MAX));
  }

  /** Queues a connection to be settled. */
  add(connection: number): void {
    this.#put(connection, Waiting.settle);
  }

  /** Queues a connection to have its bytes added up. */
  addBytes(connection: number): void {
    this.#put(connection, Waiting.bytes);
  }

  /** Dequeues the next connection; -1 if there is none. More may be added meanwhile. */
  next(): number {
    if (this.#at < this.#queue.length) return this.#queue[this.#at++]!;
    this.#queue.length = 0;
    this.#at = 0;
    return -1;
  }

  /** Returns what a dequeued connection waits for, as bits of Waiting, and clears it; 0 if it was freed. */
  take(connection: number): number {
    const waiting = this.#waiting[connection]!;
    this.#waiting[connection] = 0;
    return waiting;
  }

  #put(connection: number, reason: number): void {
    const waiting = this.#waiting[connection]!;
    if (waiting === 0) this.#queue.push(connection);
    this.#waiting[connection] = waiting | reason;
  }
}
