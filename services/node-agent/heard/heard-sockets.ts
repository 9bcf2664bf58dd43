// Applies the kernel's records of TCP sockets to the sockets of the latest reading, and collects the changes
// for the next report. A connection that begins and ends between two reports is reported once, as ended.
//
// Rows are found by their cookie. A row that ended stays where it is, with id 0, until the next reading: rows
// never move between readings.

import { Timer } from "../../../lib/vocabulary/timers.ts";
import type { ProcessInfo } from "../../../lib/gen/whotalks/v1/report.ts";
import { HolderTable } from "../../../lib/holder-table.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import { Attempt } from "../../../lib/vocabulary/outcomes.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import type { Caller, Callers } from "../attribute/callers.ts";
import type { HeardChanges } from "../observation.ts";
import type { IdPool } from "../ids/id-pool.ts";
import { hostIsLittleEndian } from "../kernel/byte-order.ts";
import { TcpStateRecord as Record } from "../kernel/bpf/trace/tcp-state-record.ts";
import { isHalfOpen, sameTuple, tupleHash } from "../observe/row-tuples.ts";
import { PendingConnects } from "./pending-connects.ts";
import { ReadingDoubts } from "./reading-doubts.ts";
import {
  attemptOf,
  callerOf,
  cookieOf,
  hasRemoteAddress,
  isCaller,
  leaveTimeWait,
  sourcePortOf,
  timeOf,
  writeCookie,
  writeFigures,
  writeSocket,
} from "./tcp-state-row.ts";
import type { HeardTables } from "./unreported-changes.ts";
import { UnreportedChanges } from "./unreported-changes.ts";

/** Maximum rows in TIME_WAIT; beyond it, a connection ends when its socket does. */
const TIME_WAIT_ROWS_MAX = 2 ** 14;

/** Changes that a reading found and that records should explain, as ids of its rows. */
export interface ReadingNews {
  /** Sockets that no earlier reading had, or had in another state. */
  readonly unheard: ReadonlySet<number>;
  /** Sockets that it did not find, and those of them that it should have, since it read every one. */
  readonly kept: ReadonlySet<number>;
  readonly unread: ReadonlySet<number>;
}

/** The parts that HeardSockets needs. */
interface HeardSocketsParts {
  readonly ids: IdPool;
  readonly callers: Callers;
  /**
   * Counts an end of a TCP connection in a namespace; `openedNs` of CLOCK_MONOTONIC is when the kernel
   * counted it.
   */
  readonly hear: (namespaceId: number, openedNs: number) => void;
}

/** The sockets between two readings. */
export class HeardSockets {
  readonly connects = new PendingConnects();
  readonly #parts: HeardSocketsParts;
  #tables: HeardTables = { sockets: new SocketTable(1), holders: new HolderTable(1) };
  readonly #rowOfCookie = new Map<number, number>();
  // Rows without a cookie, which some readers cannot see: sockets that no file refers to.
  #withoutCookie: number[] = [];
  // Rows of the latest reading.
  #rowsRead = 0;
  readonly #changes = new UnreportedChanges();
  // Rows in TIME_WAIT by the hash of their tuple.
  readonly #timeWaits = new Map<number, number>();
  readonly #doubts = new ReadingDoubts();
  #lastCaller: Caller | null = null;

  constructor(parts: HeardSocketsParts) {
    this.#parts = parts;
  }

  /** Changes that a reading found without an event for them, since start. */
  get missed(): number {
    return this.#doubts.missed;
  }

  /** Continues from another reading, of `nowMs`, whose rows are settled and all reported. */
  install(tables: HeardTables, news: ReadingNews, nowMs: number): void {
    const { sockets } = tables;
    this.#tables = tables;
    this.#rowsRead = sockets.length;
    this.#rowOfCookie.clear();
    this.#withoutCookie = [];
    this.#timeWaits.clear();
    this.#doubts.begin(nowMs);
    for (let row = 0; row < sockets.length; row++) {
      if (sockets.protocol[row] !== Protocol.tcp) continue;
      const cookie = rowCookie(sockets, row);
      if (sockets.timer[row] === Timer.timeWait) {
        this.#timeWaits.set(tupleHash(sockets, row), row);
        if (cookie !== 0) this.#doubts.addEntry(cookie, row);
      } else if (cookie !== 0) this.#rowOfCookie.set(cookie, row);
      else if (sockets.state[row] !== SocketState.LISTEN) this.#withoutCookie.push(row);
      const id = sockets.id[row]!;
      if (cookie !== 0)
        this.#doubts.addFound(cookie, row, news.unheard.has(id) && !this.connects.has(cookie));
      if (news.kept.has(id)) this.#doubts.addKept(id, row, news.unread.has(id));
    }
    this.#changes.begin(sockets.length);
  }

  /** Applies one record; `namespaceId` is the id of its network namespace, `ticks` its time. */
  take(view: DataView, at: number, namespaceId: number, ticks: number): void {
    switch (view.getUint8(at + Record.newState)) {
      case SocketState.SYN_SENT:
        this.#connect(view, at);
        break;
      case SocketState.ESTABLISHED:
        this.#establish(view, at, namespaceId, ticks);
        break;
      case SocketState.LISTEN:
        this.#listen(view, at, namespaceId, ticks);
        break;
      case SocketState.CLOSE:
        this.#close(view, at, namespaceId, ticks);
        break;
      default:
        this.#move(view, at);
    }
  }

  /** Stores the caller of a connect() that was reported before the first reading. */
  takeConnect(view: DataView, at: number): void {
    const state = view.getUint8(at + Record.newState);
    if (state === SocketState.SYN_SENT) this.#connect(view, at);
    else if (state === SocketState.CLOSE) this.connects.take(cookieOf(view, at));
  }

  /** Ends sockets that are gone although no record until `heardMs` says so. Called before each report. */
  settle(heardMs: number): void {
    const { sockets } = this.#tables;
    for (const row of this.#doubts.settle(heardMs)) {
      if (sockets.id[row] === 0) continue;
      this.#rowOfCookie.delete(rowCookie(sockets, row));
      this.#leave(row);
    }
  }

  /** Whether the time of an entry in TIME_WAIT is over by `ticks`. */
  hasExpired(ticks: number): boolean {
    const { timerDeadline } = this.#tables.sockets;
    for (const row of this.#timeWaits.values()) if (timerDeadline[row]! <= ticks) return true;
    return false;
  }

  /** Rows that were added since the latest reading. */
  get grown(): number {
    return this.#tables.sockets.length - this.#rowsRead;
  }

  /** Whether settle() still has to decide about the latest reading. */
  get hasDoubts(): boolean {
    return this.#doubts.areOpen;
  }

  /** Whether there is anything to report. */
  get hasChanges(): boolean {
    return this.#changes.hasAny(this.#tables.sockets.length);
  }

  /** Returns the changes for the next report; from now on they count as reported. */
  flush(): HeardChanges {
    const changes = this.#changes.flush(this.#tables, (row) => this.#leave(row));
    this.#parts.ids.settle();
    return changes;
  }

  #connect(view: DataView, at: number): void {
    const cookie = cookieOf(view, at);
    this.#doubts.explain(cookie, this.#rowOfCookie.get(cookie));
    this.connects.add(cookie, this.#caller(view, at), timeOf(view, at));
  }

  #establish(view: DataView, at: number, namespaceId: number, ticks: number): void {
    const { sockets } = this.#tables;
    const cookie = cookieOf(view, at);
    const call = this.connects.take(cookie);
    const caller = call?.caller ?? null;
    // The kernel counts a connection when its SYN is sent, or when its handshake is over.
    const openedNs = call?.timeNs ?? timeOf(view, at);
    if (this.#doubts.entryOf(cookie) !== undefined) return;
    const known = this.#rowOfCookie.get(cookie) ?? this.#findSubflow(view, at, namespaceId, cookie);
    if (known !== undefined) {
      this.#doubts.explain(cookie, known);
      this.#noteOpener(known, caller);
      if (isHalfOpen(sockets, known)) this.#parts.hear(namespaceId, openedNs);
      else if (sockets.state[known] !== SocketState.SYN_SENT) return;
      this.#setState(known, SocketState.ESTABLISHED);
      return;
    }
    const row = this.#append(view, at, namespaceId, ticks);
    if (row < 0) return;
    this.#changes.setOpener(row, this.#processOf(caller));
    this.#parts.hear(namespaceId, openedNs);
  }

  #listen(view: DataView, at: number, namespaceId: number, ticks: number): void {
    const { sockets } = this.#tables;
    const cookie = cookieOf(view, at);
    const known = this.#rowOfCookie.get(cookie);
    this.#doubts.explain(cookie, known);
    if (known !== undefined) return;
    // An MPTCP listener's subflow follows the listener itself, with the same file.
    const last = sockets.length - 1;
    const inode = view.getUint32(at + Record.inode, hostIsLittleEndian);
    if (
      this.#changes.isNew(last) &&
      sockets.state[last] === SocketState.LISTEN &&
      sockets.inode[last] === inode
    )
      return;
    const row = this.#append(view, at, namespaceId, ticks);
    if (row >= 0) this.#changes.setOpener(row, this.#processOf(this.#caller(view, at)));
  }

  #close(view: DataView, at: number, namespaceId: number, ticks: number): void {
    const before = view.getUint8(at + Record.oldState);
    const cookie = cookieOf(view, at);
    const call = this.connects.take(cookie);
    const caller = call?.caller ?? null;
    const row = this.#rowOfCookie.get(cookie) ?? this.#findByTuple(view, at, namespaceId);
    const entry = this.#doubts.entryOf(cookie);
    this.#doubts.explain(cookie, row);
    if (row !== undefined) {
      this.#noteOpener(row, caller);
      // A handshake whose end was lost.
      if (before !== SocketState.SYN_RECV && isHalfOpen(this.#tables.sockets, row))
        this.#parts.hear(namespaceId, timeOf(view, at));
      if (before === SocketState.LISTEN) this.#endListener(row);
      else this.#end(view, at, row, ticks);
    } else if (entry !== undefined) {
      writeFigures(view, at, this.#tables.sockets, entry);
      this.#changes.change(entry);
    } else if (
      before !== SocketState.LISTEN &&
      before !== SocketState.SYN_RECV &&
      sourcePortOf(view, at) !== 0
    ) {
      const openedNs = call?.timeNs ?? timeOf(view, at);
      this.#endUnknown(view, at, { namespaceId, ticks, openedNs, opener: this.#processOf(caller) });
    }
  }

  // The socket may listen again.
  #endListener(row: number): void {
    this.#rowOfCookie.delete(rowCookie(this.#tables.sockets, row));
    this.#changes.closeListener(row);
  }

  #end(view: DataView, at: number, row: number, ticks: number): void {
    const { sockets } = this.#tables;
    const failed = view.getUint8(at + Record.oldState) === SocketState.SYN_SENT;
    writeFigures(view, at, sockets, row);
    this.#rowOfCookie.delete(rowCookie(sockets, row));
    if (this.#changes.isNew(row)) {
      this.#endNew(row);
      this.#kill(row);
      return;
    }
    if (this.#timeWaits.size < TIME_WAIT_ROWS_MAX && leaveTimeWait(view, at, sockets, row, ticks)) {
      this.#timeWaits.set(tupleHash(sockets, row), row);
      this.#changes.change(row);
      return;
    }
    if (failed) sockets.attempt[row] = attemptOf(view, at);
    this.#leave(row, failed ? SocketState.SYN_SENT : SocketState.CLOSE);
  }

  // Removes a known row, with its last figures.
  #leave(row: number, state: number = SocketState.CLOSE): void {
    const { sockets } = this.#tables;
    this.#changes.finish(sockets, row, state);
    this.#kill(row);
  }

  // Reports a failed attempt, or a connection whose beginning was lost.
  #endUnknown(
    view: DataView,
    at: number,
    of: { namespaceId: number; ticks: number; openedNs: number; opener: ProcessInfo | null },
  ): void {
    const { namespaceId, ticks, openedNs, opener } = of;
    const row = this.#changes.end(opener);
    if (row < 0) return;
    const { ended } = this.#changes;
    writeSocket(view, at, ended, row);
    writeFigures(view, at, ended, row);
    ended.localPort[row] = sourcePortOf(view, at);
    ended.namespace[row] = namespaceId;
    ended.firstSeen[row] = ticks;
    ended.id[row] = this.#parts.ids.take();
    this.#parts.ids.giveBack(ended.id[row]);
    if (view.getUint8(at + Record.oldState) === SocketState.SYN_SENT) {
      ended.state[row] = SocketState.SYN_SENT;
      ended.attempt[row] = attemptOf(view, at);
    }
    this.#parts.hear(namespaceId, openedNs);
  }

  // The reading may have found a socket but not yet its holder.
  #noteOpener(row: number, caller: Caller | null): void {
    if (caller !== null && !this.#changes.isNew(row))
      this.#changes.setOpenerOfKnown(this.#tables.sockets.id[row]!, this.#parts.callers.of(caller));
  }

  #move(view: DataView, at: number): void {
    const cookie = cookieOf(view, at);
    const row = this.#rowOfCookie.get(cookie);
    this.#doubts.explain(cookie, row);
    if (row !== undefined) this.#setState(row, view.getUint8(at + Record.newState));
  }

  #setState(row: number, state: number): void {
    const { sockets } = this.#tables;
    if (sockets.state[row] === state) return;
    sockets.state[row] = state;
    if (!this.#changes.isNew(row)) this.#changes.change(row);
  }

  #append(view: DataView, at: number, namespaceId: number, ticks: number): number {
    const { sockets } = this.#tables;
    const row = sockets.append();
    if (row < 0) return row;
    writeSocket(view, at, sockets, row);
    sockets.namespace[row] = namespaceId;
    sockets.firstSeen[row] = ticks;
    sockets.id[row] = this.#parts.ids.take();
    this.#rowOfCookie.set(cookieOf(view, at), row);
    this.#replaceTimeWait(row);
    return row;
  }

  // The kernel drops a TIME_WAIT entry for a new connection with the same tuple.
  #replaceTimeWait(row: number): void {
    const { sockets } = this.#tables;
    const hash = tupleHash(sockets, row);
    const before = this.#timeWaits.get(hash);
    if (before === undefined || !sameTuple(sockets, row, sockets, before)) return;
    this.#timeWaits.delete(hash);
    this.#changes.remove(sockets.id[before]!);
    this.#kill(before);
  }

  #endNew(row: number): void {
    const endedRow = this.#changes.end(this.#changes.openerOf(row));
    if (endedRow < 0) return;
    const { ended } = this.#changes;
    ended.copyRow(endedRow, this.#tables.sockets, row);
    ended.state[endedRow] = SocketState.CLOSE;
    ended.attempt[endedRow] = Attempt.none;
  }

  #kill(row: number): void {
    const { sockets } = this.#tables;
    this.#parts.ids.giveBack(sockets.id[row]!);
    sockets.id[row] = 0;
    sockets.state[row] = 0;
    this.#changes.unchange(row);
  }

  // Readings identify an MPTCP connection by the cookie of the MPTCP socket, records by the subflow's: a row
  // that was read before its first record is found by its tuple, and has the subflow's cookie from then on.
  #findSubflow(view: DataView, at: number, namespaceId: number, cookie: number): number | undefined {
    const { unheard } = this.#doubts;
    if (unheard.size === 0) return undefined;
    const { sockets } = this.#tables;
    const localPort = view.getUint16(at + Record.localPort, hostIsLittleEndian);
    const remotePort = view.getUint16(at + Record.remotePort);
    for (const [rowsCookie, row] of unheard) {
      const fits =
        sockets.localPort[row] === localPort &&
        sockets.remotePort[row] === remotePort &&
        sockets.namespace[row] === namespaceId &&
        hasRemoteAddress(view, at, sockets, row);
      if (!fits) continue;
      unheard.delete(rowsCookie);
      this.#rowOfCookie.delete(rowsCookie);
      this.#rowOfCookie.set(cookie, row);
      writeCookie(view, at, sockets, row);
      this.#changes.change(row);
      return row;
    }
    return undefined;
  }

  #findByTuple(view: DataView, at: number, namespaceId: number): number | undefined {
    if (this.#withoutCookie.length === 0) return undefined;
    const { sockets } = this.#tables;
    const localPort = sourcePortOf(view, at);
    const remotePort = view.getUint16(at + Record.remotePort);
    return this.#withoutCookie.find(
      (row) =>
        sockets.id[row] !== 0 &&
        sockets.localPort[row] === localPort &&
        sockets.remotePort[row] === remotePort &&
        sockets.namespace[row] === namespaceId &&
        hasRemoteAddress(view, at, sockets, row),
    );
  }

  #processOf(caller: Caller | null): ProcessInfo | null {
    return caller === null ? null : this.#parts.callers.of(caller);
  }

  // Mostly one process makes many calls.
  #caller(view: DataView, at: number): Caller | null {
    const last = this.#lastCaller;
    if (last !== null && isCaller(view, at, last)) return last;
    const caller = callerOf(view, at);
    this.#lastCaller = caller ?? last;
    return caller;
  }
}

function rowCookie({ cookieLow, cookieHigh }: SocketTable, row: number): number {
  return cookieHigh[row]! * 2 ** 32 + cookieLow[row]!;
}
