// Merges the sockets that were destroyed since the pass before with the two passes: what was known gets its
// final figures, what came and went between them becomes a row of its own. Nothing is counted twice:
//
// - The events are taken before the tables are read, so that of a socket that was destroyed the tables show
//   at most its
//   TIME_WAIT entry. It has the socket's tuple; its cookie too, but only where one was given before it was made.
// - After a reset of its own a socket has lost its remote port: it is known by its cookie, by a row that has
//   gone with
//   the same local port and remote address, or by its other end, whose tuple mirrors what is left.

import { isLoopback, isWildcard } from "../../../lib/address.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import { Attempt } from "../../../lib/vocabulary/outcomes.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import type { DestroyedTable } from "../destroyed/destroyed-table.ts";
import { MaybeFin } from "../destroyed/destroyed-table.ts";
import type { AwaitedEnds } from "./awaited-ends.ts";
import type { IdPool } from "../ids/id-pool.ts";
import { RowIndex } from "./row-index.ts";
import {
  cookieHash,
  endHash,
  isHalfOpen,
  isTimeWait,
  isUnheld,
  listeningPorts,
  localPortHash,
  portKey,
  sameAddress,
  sameCookie,
  sameTuple,
  tupleHash,
} from "./row-tuples.ts";

/** What is merged. */
export interface MergeInput {
  /** Oldest first. Their namespace column is filled in here. */
  readonly events: DestroyedTable;
  /** Ids of namespaces by inode. */
  readonly namespaceIds: ReadonlyMap<number, number>;
  /** The tables of the pass before and of this one, ids settled. */
  readonly previous: SocketTable;
  readonly next: SocketTable;
  /** 1 for each row of the pass before that goes on in this one; null where all do. */
  readonly continued: Uint8Array | null;
  /** The time of the pass, in ticks since the epoch's start: rows that were first seen now are new. */
  readonly ticks: number;
  /** Ids of the rows of this pass that are new. */
  readonly added: ReadonlySet<number>;
  /** Whether a namespace was heard since before the events of the pass before were taken. */
  readonly heard: (namespaceId: number) => boolean;
  /** Where events were lost since then: when that was, in ticks; null where none was. */
  readonly lostSinceTicks: number | null;
}

/** What came of it. */
export interface MergedEnds {
  /** Sockets that came and went, each with an id of its own. */
  readonly added: SocketTable;
  /** Known sockets that are gone, with what was last known of them. */
  readonly finals: SocketTable;
  /**
   * Ends of TCP connections seen for the first time, by namespace id; less those that were found among the new
   * rows and left out again.
   */
  readonly newTcpEnds: ReadonlyMap<number, number>;
}

/** One merging: each step matches some of the events that are left, the surest way first. */
export class Merge {
  readonly #input: MergeInput;
  readonly #ids: IdPool;
  readonly #mark: (id: number) => void;
  readonly #isTold: (id: number) => boolean;
  readonly #awaited: AwaitedEnds;
  readonly #events: SocketTable;
  readonly #matched: Uint8Array;
  #left: number;
  readonly #added = new SocketTable(64);
  readonly #finals = new SocketTable(64);
  readonly #newTcpEnds = new Map<number, number>();
  // Namespaces and ports that something listens on; made when first asked for.
  #listeners: Set<number> | null = null;

  constructor(
    input: MergeInput,
    ids: IdPool,
    mark: (id: number) => void,
    isTold: (id: number) => boolean,
    awaited: AwaitedEnds,
  ) {
    this.#awaited = awaited;
    this.#input = input;
    this.#ids = ids;
    this.#mark = mark;
    this.#isTold = isTold;
    this.#events = input.events.sockets;
    this.#matched = new Uint8Array(input.events.length);
    this.#left = input.events.length;
  }

  run(): MergedEnds {
    this.#place();
    this.#matchCookies();
    if (this.#left > 0) this.#matchTuples();
    if (this.#left > 0) this.#matchPortless();
    if (this.#left > 0) this.#addRest();
    return { added: this.#added, finals: this.#finals, newTcpEnds: this.#newTcpEnds };
  }

  // Events of namespaces that have no id: nobody would know whose they were.
  #place(): void {
    const { events, namespaceIds } = this.#input;
    let place = -1;
    let id: number | undefined;
    for (let event = 0; event < events.length; event++) {
      if (events.place[event] !== place) {
        place = events.place[event]!;
        id = namespaceIds.get(place);
      }
      if (id === undefined) this.#take(event);
      else this.#events.namespace[event] = id;
    }
  }

  #matchCookies(): void {
    const index = new RowIndex(this.#events, (table, row) => cookieHash(table, row), this.#isLeft);
    const find = (table: SocketTable, row: number): number => {
      if (table.cookieLow[row] === 0 && table.cookieHigh[row] === 0) return -1;
      for (let event = index.first(cookieHash(table, row)); event >= 0; event = index.after(event)) {
        if (this.#matched[event] === 0 && sameCookie(this.#events, event, table, row)) return event;
      }
      return -1;
    };
    const { next } = this.#input;
    for (let row = 0; row < next.length; row++) {
      const event = find(next, row);
      if (event >= 0) this.#finishInPlace(event, row);
    }
    this.#forEachGone((row) => {
      const event = find(this.#input.previous, row);
      if (event >= 0) this.#finish(event, row);
    });
  }

  // Of several with one tuple the newest left the TIME_WAIT entry, and the oldest is the one that was known.
  #matchTuples(): void {
    const index = new RowIndex(this.#events, tupleHash, this.#isLeft);
    const { next, previous } = this.#input;
    for (let row = 0; row < next.length && this.#left > 0; row++) {
      if (!isTimeWait(next, row) || this.#isTold(next.id[row]!)) continue;
      let newest = -1;
      for (let event = index.first(tupleHash(next, row)); event >= 0; event = index.after(event))
        if (this.#matched[event] === 0 && sameTuple(this.#events, event, next, row)) newest = event;
      if (newest >= 0) this.#finishInPlace(newest, row);
    }
    this.#matchUnheld(index);
    this.#forEachGone((row) => {
      if (this.#isTold(previous.id[row]!)) return;
      for (let event = index.first(tupleHash(previous, row)); event >= 0; event = index.after(event)) {
        if (this.#matched[event] !== 0 || !sameTuple(this.#events, event, previous, row)) continue;
        this.#finish(event, row);
        return;
      }
    });
  }

  // A reader may show again what it read earlier of sockets that no file refers to (half-open, not yet
  // accepted, orphaned): of those that a pass before knew already the event is the end.
  #matchUnheld(index: RowIndex): void {
    const { next, added } = this.#input;
    for (let row = 0; row < next.length && this.#left > 0; row++) {
      if (!isUnheld(next, row) || added.has(next.id[row]!) || this.#isTold(next.id[row]!)) continue;
      for (let event = index.first(tupleHash(next, row)); event >= 0; event = index.after(event)) {
        if (this.#matched[event] !== 0 || !sameTuple(this.#events, event, next, row)) continue;
        // A handshake that was under way counted as no end so far.
        if (isHalfOpen(next, row)) this.#countEnd(next.namespace[row]!);
        this.#finishInPlace(event, row);
        break;
      }
    }
  }

  #matchPortless(): void {
    const events = this.#events;
    const isPortless = (event: number): boolean => this.#isLeft(event) && events.remotePort[event] === 0;
    const byLocal = new RowIndex(events, localPortHash, isPortless);
    if (byLocal.size === 0) return;
    const { previous, next } = this.#input;
    this.#forEachGone((row) => {
      if (this.#isTold(previous.id[row]!) || previous.protocol[row] !== Protocol.tcp) return;
      for (
        let event = byLocal.first(localPortHash(previous, row));
        event >= 0;
        event = byLocal.after(event)
      ) {
        const same =
          this.#matched[event] === 0 &&
          events.namespace[event] === previous.namespace[row] &&
          events.localPort[event] === previous.localPort[row] &&
          sameAddress(events, event, 4, previous, row, 4);
        if (!same) continue;
        this.#finish(event, row);
        return;
      }
    });
    if (this.#left === 0) return;
    const byMate = new RowIndex(
      events,
      (table, row) => endHash(table, row, 4, table.localPort[row]!),
      (event) => isPortless(event) && events.attempt[event] === Attempt.none,
    );
    if (byMate.size === 0) return;
    for (let event = 0; event < events.length; event++) this.#completeFrom(events, event, byMate);
    for (let row = 0; row < next.length; row++)
      if (!this.#isTold(next.id[row]!)) this.#completeFrom(next, row, byMate);
    this.#forEachGone((row) => {
      if (!this.#isTold(previous.id[row]!)) this.#completeFrom(previous, row, byMate);
    });
  }

  // Whether this row is the other end of a socket that has lost its remote port: then it is given back.
  #completeFrom(table: SocketTable, row: number, byMate: RowIndex): void {
    const remotePort = table.remotePort[row]!;
    if (remotePort === 0 || table.protocol[row] !== Protocol.tcp) return;
    const events = this.#events;
    for (
      let event = byMate.first(endHash(table, row, 0, remotePort));
      event >= 0;
      event = byMate.after(event)
    ) {
      const mirrors =
        this.#matched[event] === 0 &&
        events.remotePort[event] === 0 &&
        events.localPort[event] === remotePort &&
        sameAddress(events, event, 4, table, row, 0) &&
        (isWildcard(events.addresses, event * 8) || sameAddress(events, event, 0, table, row, 4)) &&
        (!isLoopback(events.addresses, event * 8 + 4) || events.namespace[event] === table.namespace[row]);
      if (!mirrors) continue;
      for (let i = 0; i < 4; i++) events.addresses[event * 8 + i] = table.addresses[row * 8 + 4 + i]!;
      events.family[event] = table.family[row]!;
      events.remotePort[event] = table.localPort[row]!;
      return;
    }
  }

  #countEnd(namespace: number): void {
    this.#newTcpEnds.set(namespace, (this.#newTcpEnds.get(namespace) ?? 0) + 1);
  }

  #addRest(): void {
    const events = this.#events;
    for (let event = 0; event < events.length; event++) {
      if (this.#matched[event] !== 0) continue;
      // Who reads reports still has an awaited one's row and gives it the last figures, by its cookie.
      if (events.protocol[event] === Protocol.tcp && !this.#awaited.take(events, event))
        this.#countEnd(events.namespace[event]!);
      // A connection of which this end alone is known, and not to which port: its other end tells of it, if
      // anyone does.
      if (events.remotePort[event] === 0 && events.attempt[event] === Attempt.none) continue;
      const row = this.#added.appendRow(events, event);
      if (row < 0) continue;
      const id = this.#ids.take();
      this.#added.id[row] = id;
      this.#ids.giveBack(id);
      if (this.#hasFin(event)) this.#added.bytesReceived[row] = Math.max(0, events.bytesReceived[event]! - 1);
    }
  }

  // A TIME_WAIT entry is that of who said goodbye first: the other's FIN came after the socket was destroyed.
  #finishInPlace(event: number, row: number): void {
    const { next } = this.#input;
    this.#take(event);
    this.#mark(next.id[row]!);
    // Tables of /proc tell no cookies: by the event's the next connection of the same ports is known to be
    // another one.
    if (next.cookieLow[row] === 0 && next.cookieHigh[row] === 0) {
      next.copyCookie(row, this.#events, event);
    }
    this.#writeFigures(event, next, row, isTimeWait(next, row));
  }

  #finish(event: number, previousRow: number): void {
    const { previous } = this.#input;
    this.#take(event);
    this.#mark(previous.id[previousRow]!);
    const row = this.#finals.appendRow(previous, previousRow);
    if (row < 0) return;
    this.#writeFigures(event, this.#finals, row, false);
    const attempt = this.#events.attempt[event]!;
    if (attempt === Attempt.none) {
      if (previous.protocol[previousRow] === Protocol.tcp && !isTimeWait(previous, previousRow))
        this.#finals.state[row] = SocketState.CLOSE;
      return;
    }
    // Whoever had to send its SYN again was not answered.
    const again = previous.retransmits[previousRow]! > 0;
    this.#finals.attempt[row] = again ? Attempt.unanswered : attempt;
  }

  #writeFigures(event: number, table: SocketTable, row: number, finIsOut: boolean): void {
    const events = this.#events;
    if (events.counted[event] === 0) return;
    const fin = !finIsOut && this.#hasFin(event) ? 1 : 0;
    const sent = Math.max(table.bytesSent[row]!, events.bytesSent[event]!);
    const received = Math.max(table.bytesReceived[row]!, events.bytesReceived[event]! - fin);
    table.copyCounters(row, events, event);
    table.bytesSent[row] = sent;
    table.bytesReceived[row] = received;
  }

  #hasFin(event: number): boolean {
    const maybe = this.#input.events.maybeFin[event]!;
    if (maybe !== MaybeFin.ofServer) return maybe === MaybeFin.ofAnyone;
    this.#listeners ??= listeningPorts(this.#input.next);
    return this.#listeners.has(portKey(this.#events, event));
  }

  readonly #isLeft = (event: number): boolean => this.#matched[event] === 0;

  #take(event: number): void {
    this.#matched[event] = 1;
    this.#left--;
  }

  #forEachGone(callback: (row: number) => void): void {
    const { previous, continued } = this.#input;
    if (continued === null) return;
    for (let row = 0; row < previous.length && this.#left > 0; row++) if (continued[row] === 0) callback(row);
  }
}
