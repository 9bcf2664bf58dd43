// Merges the sockets that were destroyed since the previous pass with the two passes: known sockets get their
// final figures, sockets that opened and closed in between become rows of their own. Nothing is counted twice:
//
// - Events are taken before the tables are read, so the tables show at most the TIME_WAIT entry of a destroyed
//   socket. The entry has the socket's tuple; it has its cookie only if one was assigned before the entry was
//   created.
// - A socket that sent a reset has lost its remote port: it is recognized by its cookie, by a missing row with
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

/** The input of a merge. */
export interface MergeInput {
  /** Oldest first. Their namespace column is filled in here. */
  readonly events: DestroyedTable;
  /** Ids of namespaces by inode. */
  readonly namespaceIds: ReadonlyMap<number, number>;
  /** The tables of the previous pass and of this one, with settled ids. */
  readonly previous: SocketTable;
  readonly next: SocketTable;
  /** 1 for each row of the previous pass that continues in this one; null if all do. */
  readonly continued: Uint8Array | null;
  /** The time of the pass, in ticks since the epoch's start: rows first seen then are new. */
  readonly ticks: number;
  /** Ids of the rows of this pass that are new. */
  readonly added: ReadonlySet<number>;
  /** Whether a namespace was listened to since before the events of the previous pass were taken. */
  readonly heard: (namespaceId: number) => boolean;
  /** When events were lost since then, in ticks; null if none was. */
  readonly lostSinceTicks: number | null;
}

/** The result of a merge. */
export interface MergedEnds {
  /** Sockets that opened and closed between the passes, each with its own id. */
  readonly added: SocketTable;
  /** Known sockets that are gone, with their last known figures. */
  readonly finals: SocketTable;
  /**
   * Ends of TCP connections seen for the first time, by namespace id, minus those found among the new rows
   * and dropped.
   */
  readonly newTcpEnds: ReadonlyMap<number, number>;
}

/** One merge: each step matches some of the remaining events, the most reliable step first. */
export class Merge {
  readonly #input: MergeInput;
  readonly #ids: IdPool;
  readonly #mark: (id: number) => void;
  readonly #hadEvent: (id: number) => boolean;
  readonly #awaited: AwaitedEnds;
  readonly #events: SocketTable;
  readonly #matched: Uint8Array;
  #left: number;
  readonly #added = new SocketTable(64);
  readonly #finals = new SocketTable(64);
  readonly #newTcpEnds = new Map<number, number>();
  // Namespaces and ports that sockets listen on; built on first use.
  #listeners: Set<number> | null = null;

  constructor(
    input: MergeInput,
    ids: IdPool,
    mark: (id: number) => void,
    hadEvent: (id: number) => boolean,
    awaited: AwaitedEnds,
  ) {
    this.#awaited = awaited;
    this.#input = input;
    this.#ids = ids;
    this.#mark = mark;
    this.#hadEvent = hadEvent;
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

  // Assigns namespace ids to the events; drops events of namespaces without an id, since nothing would show
  // their owner.
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

  // Of several events with one tuple, the newest left the TIME_WAIT entry and the oldest is the known
  // connection's.
  #matchTuples(): void {
    const index = new RowIndex(this.#events, tupleHash, this.#isLeft);
    const { next, previous } = this.#input;
    for (let row = 0; row < next.length && this.#left > 0; row++) {
      if (!isTimeWait(next, row) || this.#hadEvent(next.id[row]!)) continue;
      let newest = -1;
      for (let event = index.first(tupleHash(next, row)); event >= 0; event = index.after(event))
        if (this.#matched[event] === 0 && sameTuple(this.#events, event, next, row)) newest = event;
      if (newest >= 0) this.#finishInPlace(newest, row);
    }
    this.#matchUnheld(index);
    this.#forEachGone((row) => {
      if (this.#hadEvent(previous.id[row]!)) return;
      for (let event = index.first(tupleHash(previous, row)); event >= 0; event = index.after(event)) {
        if (this.#matched[event] !== 0 || !sameTuple(this.#events, event, previous, row)) continue;
        this.#finish(event, row);
        return;
      }
    });
  }

  // A reader may return earlier rows of sockets that no file refers to (half-open, not yet accepted,
  // orphaned): if an earlier pass had the row, the event is its end.
  #matchUnheld(index: RowIndex): void {
    const { next, added } = this.#input;
    for (let row = 0; row < next.length && this.#left > 0; row++) {
      if (!isUnheld(next, row) || added.has(next.id[row]!) || this.#hadEvent(next.id[row]!)) continue;
      for (let event = index.first(tupleHash(next, row)); event >= 0; event = index.after(event)) {
        if (this.#matched[event] !== 0 || !sameTuple(this.#events, event, next, row)) continue;
        // A handshake in progress has not been counted as an end.
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
      if (this.#hadEvent(previous.id[row]!) || previous.protocol[row] !== Protocol.tcp) return;
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
      if (!this.#hadEvent(next.id[row]!)) this.#completeFrom(next, row, byMate);
    this.#forEachGone((row) => {
      if (!this.#hadEvent(previous.id[row]!)) this.#completeFrom(previous, row, byMate);
    });
  }

  // If this row is the other end of a socket that lost its remote port, restores the port.
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
      // The aggregator still has the row of an awaited end and assigns the last figures to it, by its cookie.
      if (events.protocol[event] === Protocol.tcp && !this.#awaited.take(events, event))
        this.#countEnd(events.namespace[event]!);
      // Only this end of the connection is known, without the remote port: its other end reports it, if seen.
      if (events.remotePort[event] === 0 && events.attempt[event] === Attempt.none) continue;
      const row = this.#added.appendRow(events, event);
      if (row < 0) continue;
      const id = this.#ids.take();
      this.#added.id[row] = id;
      this.#ids.giveBack(id);
      if (this.#hasFin(event)) this.#added.bytesReceived[row] = Math.max(0, events.bytesReceived[event]! - 1);
    }
  }

  // A TIME_WAIT entry belongs to the end that closed first: the other's FIN arrived after the socket was
  // destroyed.
  #finishInPlace(event: number, row: number): void {
    const { next } = this.#input;
    this.#take(event);
    this.#mark(next.id[row]!);
    // Tables of /proc have no cookies: the event's cookie distinguishes the next connection with the same
    // ports.
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
    // An end that retransmitted its SYN got no answer.
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
