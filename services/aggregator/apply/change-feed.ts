// What watchers are told: that a connection opened, changed or closed. Each opening and closing is told once.

import type { Change } from "../../../lib/vocabulary/changes.ts";
import { CONNECTIONS_MAX } from "../gen/connection-columns.ts";
import { FIRST_ROWS, grownColumn, nextCapacity } from "../model/storage/capacity.ts";

/** Is called with each change and the slot of the connection. */
export type ChangeListener = (change: Change, connection: number) => void;

/** Bits of what was announced of a connection, and of what is to be. */
const Told = { opened: 1, closed: 2, changing: 4 } as const;

/** The feed. */
export class ChangeFeed {
  #told = new Uint8Array(FIRST_ROWS);
  readonly #listeners = new Set<ChangeListener>();

  /** Whether anyone listens. */
  get isWatched(): boolean {
    return this.#listeners.size > 0;
  }

  /** Adds a listener; returns what removes it. */
  subscribe(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Makes room for a connection. */
  reserve(connection: number): void {
    const { length } = this.#told;
    if (connection >= length) this.#told = grownColumn(this.#told, nextCapacity(length, CONNECTIONS_MAX));
  }

  /** Forgets a connection that was freed. */
  forget(connection: number): void {
    this.#told[connection] = 0;
  }

  /** Notes that something visible about a connection changed: the next announcement says so. */
  note(connection: number): void {
    this.#told[connection]! |= Told.changing;
  }

  /** A connection that was announced as closed is open again. */
  reopen(connection: number): void {
    this.#told[connection]! &= ~Told.closed;
  }

  /** Announces what happened to a connection since it was last announced. */
  announce(connection: number, isClosed: boolean): void {
    const told = this.#told[connection]!;
    const closes = isClosed && (told & Told.closed) === 0;
    this.#told[connection] = (told & ~Told.changing) | Told.opened | (closes ? Told.closed : 0);
    if (this.#listeners.size === 0) return;
    if ((told & Told.opened) === 0) this.#tell("opened", connection);
    else if ((told & Told.changing) !== 0 && !closes) this.#tell("changed", connection);
    if (closes) this.#tell("closed", connection);
  }

  /** A connection turned out to be part of another one: announces its end, if its beginning was announced. */
  withdraw(connection: number): void {
    if ((this.#told[connection]! & (Told.opened | Told.closed)) === Told.opened)
      this.#tell("closed", connection);
  }

  #tell(change: Change, connection: number): void {
    for (const listener of this.#listeners) listener(change, connection);
  }
}
