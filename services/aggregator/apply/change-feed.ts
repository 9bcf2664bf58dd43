// Reports to watchers that a connection opened, changed or closed. Each opening and closing is reported once.

import type { Change } from "../../../lib/vocabulary/changes.ts";
import { CONNECTIONS_MAX } from "../gen/connection-columns.ts";
import { FIRST_ROWS, grownColumn, nextCapacity } from "../model/storage/capacity.ts";

/** Called with each change and the slot of the connection. */
export type ChangeListener = (change: Change, connection: number) => void;

/** Bits of what was announced about a connection, and of what is to be announced. */
const Announced = { opened: 1, closed: 2, changing: 4 } as const;

/** The feed. */
export class ChangeFeed {
  #announced = new Uint8Array(FIRST_ROWS);
  readonly #listeners = new Set<ChangeListener>();

  /** Whether anyone is subscribed. */
  get isWatched(): boolean {
    return this.#listeners.size > 0;
  }

  /** Adds a listener; returns a function that removes it. */
  subscribe(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Makes room for a connection. */
  reserve(connection: number): void {
    const { length } = this.#announced;
    if (connection >= length)
      this.#announced = grownColumn(this.#announced, nextCapacity(length, CONNECTIONS_MAX));
  }

  /** Clears the state of a connection that was freed. */
  forget(connection: number): void {
    this.#announced[connection] = 0;
  }

  /** Records that something visible about a connection changed: the next announcement reports it. */
  note(connection: number): void {
    this.#announced[connection]! |= Announced.changing;
  }

  /** Records that a connection that was announced as closed is open again. */
  reopen(connection: number): void {
    this.#announced[connection]! &= ~Announced.closed;
  }

  /** Announces what happened to a connection since its last announcement. */
  announce(connection: number, isClosed: boolean): void {
    const announced = this.#announced[connection]!;
    const closes = isClosed && (announced & Announced.closed) === 0;
    this.#announced[connection] =
      (announced & ~Announced.changing) | Announced.opened | (closes ? Announced.closed : 0);
    if (this.#listeners.size === 0) return;
    if ((announced & Announced.opened) === 0) this.#notify("opened", connection);
    else if ((announced & Announced.changing) !== 0 && !closes) this.#notify("changed", connection);
    if (closes) this.#notify("closed", connection);
  }

  /**
   * Announces the end of a connection that turned out to be part of another one, if its opening was announced.
   */
  withdraw(connection: number): void {
    if ((this.#announced[connection]! & (Announced.opened | Announced.closed)) === Announced.opened)
      this.#notify("closed", connection);
  }

  #notify(change: Change, connection: number): void {
    for (const listener of this.#listeners) listener(change, connection);
  }
}
