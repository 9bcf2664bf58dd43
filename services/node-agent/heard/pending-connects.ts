// connect() calls that have neither succeeded nor failed yet: who made them, by the socket's cookie.

import type { Caller } from "../attribute/callers.ts";

/**
 * Calls that are remembered at most: 65,536, about 8 MB. Beyond, the oldest are forgotten, and their
 * connections have no process until a reading finds who holds them.
 */
const CONNECTS_MAX = 2 ** 16;

/** A call. */
interface PendingConnect {
  /** Null where it is not known. */
  readonly caller: Caller | null;
  /** When it was made, in nanoseconds of CLOCK_MONOTONIC. */
  readonly timeNs: number;
}

/** Pending calls, the oldest first. */
export class PendingConnects {
  /** Calls that were forgotten because too many were pending, since start. */
  forgotten = 0;
  readonly #byCookie = new Map<number, PendingConnect>();

  get size(): number {
    return this.#byCookie.size;
  }

  add(cookie: number, caller: Caller | null, timeNs: number): void {
    this.#byCookie.delete(cookie);
    if (this.#byCookie.size >= CONNECTS_MAX) {
      const [oldest] = this.#byCookie.keys();
      this.#byCookie.delete(oldest!);
      this.forgotten++;
    }
    this.#byCookie.set(cookie, { caller, timeNs });
  }

  has(cookie: number): boolean {
    return this.#byCookie.has(cookie);
  }

  /** Ends a call and returns it; null where it was not pending. */
  take(cookie: number): PendingConnect | null {
    const call = this.#byCookie.get(cookie) ?? null;
    this.#byCookie.delete(cookie);
    return call;
  }
}
