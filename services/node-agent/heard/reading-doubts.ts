// Where a reading and the records disagree, until the records of what happened while it was made have come.
// What they do not explain then was missed: the reading is believed, and the miss is counted.

/**
 * Milliseconds for which records may still come. The kernel takes a socket out of its tables before it
 * reports CLOSE (tcp_set_state() of net/ipv4/tcp.c), and a process that closes one may have to wait for a CPU
 * in between: on two cores with a load of 18 that took more than 100 ms.
 */
export const DOUBT_MS = 1000;

// A socket that a reading did not find, and when that was.
interface Unread {
  readonly id: number;
  readonly sinceMs: number;
}

/** The doubts about readings. Rows are those of the latest one's table. */
export class ReadingDoubts {
  /** Changes that a reading found and no record reported, since start. */
  missed = 0;
  /**
   * By cookie, rows that a reading found for the first time, or in another state, before their records were
   * taken.
   */
  readonly unheard = new Map<number, number>();
  // Since when, by cookie.
  readonly #unheardSince = new Map<number, number>();
  // Rows that records keep and that a reading of every TCP socket did not find.
  readonly #unread = new Map<number, Unread>();
  // TIME_WAIT entries by the cookie of the socket that left them: the record of its end may still wait.
  readonly #entries = new Map<number, number>();
  // Those of readings before: since when, by cookie and by the socket's id.
  #unheardBefore: ReadonlyMap<number, number> = new Map();
  #unreadBefore: ReadonlyMap<number, number> = new Map();
  #nowMs = 0;

  /**
   * Begins with another reading, whose rows are added next. Doubts of those before last if their sockets are
   * added.
   */
  begin(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#unheardBefore = new Map([...this.unheard.keys()].map((cookie) => [cookie, this.#since(cookie)]));
    this.#unreadBefore = new Map([...this.#unread.values()].map(({ id, sinceMs }) => [id, sinceMs]));
    this.unheard.clear();
    this.#unheardSince.clear();
    this.#unread.clear();
    this.#entries.clear();
  }

  /** Adds a socket that the reading found; `isUnheard` says that no record has reported it so. */
  addFound(cookie: number, row: number, isUnheard: boolean): void {
    const since = this.#unheardBefore.get(cookie) ?? (isUnheard ? this.#nowMs : null);
    if (since === null) return;
    this.unheard.set(cookie, row);
    this.#unheardSince.set(cookie, since);
  }

  /** Adds a socket that the reading did not find; `isUnread` says that it should have. */
  addKept(id: number, row: number, isUnread: boolean): void {
    const sinceMs = this.#unreadBefore.get(id) ?? (isUnread ? this.#nowMs : null);
    if (sinceMs !== null) this.#unread.set(row, { id, sinceMs });
  }

  addEntry(cookie: number, row: number): void {
    this.#entries.set(cookie, row);
  }

  /** The TIME_WAIT entry that a socket left; undefined if the reading found none. */
  entryOf(cookie: number): number | undefined {
    return this.#entries.get(cookie);
  }

  /** Takes note of a record of a socket; `row` is undefined where it is in no row. */
  explain(cookie: number, row: number | undefined): void {
    this.unheard.delete(cookie);
    if (row !== undefined) this.#unread.delete(row);
  }

  /** Whether settle() has still something to decide. */
  get areOpen(): boolean {
    return this.unheard.size > 0 || this.#unread.size > 0;
  }

  /** Counts what no record explained that was taken until `heardMs`, and returns the rows that are gone. */
  settle(heardMs: number): number[] {
    const untilMs = heardMs - DOUBT_MS;
    for (const cookie of this.unheard.keys()) {
      if (this.#since(cookie) > untilMs) continue;
      this.unheard.delete(cookie);
      this.missed++;
    }
    const gone: number[] = [];
    for (const [row, { sinceMs }] of this.#unread) {
      if (sinceMs > untilMs) continue;
      this.#unread.delete(row);
      gone.push(row);
    }
    this.missed += gone.length;
    return gone;
  }

  #since(cookie: number): number {
    return this.#unheardSince.get(cookie) ?? this.#nowMs;
  }
}
