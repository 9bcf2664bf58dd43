// Applies what the kernel reports of TCP sockets, record by record, to the sockets of the latest reading, and collects what
// the next report must say of it. A connection that begins and ends between two reports is reported once, as ended.
//
// Rows are found by their cookie. A row that ended stays where it is, with id 0, until the next reading: rows never move
// between readings.

import { Timer } from "../../../lib/vocabulary/timers.ts";
import type { ProcessInfo } from "../../../lib/gen/whotalks/v1/report.ts";
import { firstRowsBySocket, HolderTable, UNKNOWN_FD } from "../../../lib/holder-table.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import { Attempt } from "../../../lib/vocabulary/outcomes.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import type { Caller, Callers } from "../attribute/callers.ts";
import { holdByListeners } from "../attribute/listener-holders.ts";
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

/** Rows in TIME_WAIT that are kept at most; beyond, a connection ends when its socket does. */
const TIME_WAIT_ROWS_MAX = 2 ** 14;

/** What records are applied to. */
export interface HeardTables {
  /** Rows of the latest reading, changed in place. */
  readonly sockets: SocketTable;
  readonly holders: HolderTable;
}

/** What a reading found that records should explain, as ids of its rows. */
export interface ReadingNews {
  /** Sockets that no earlier reading had, or had in another state. */
  readonly unheard: ReadonlySet<number>;
  /** Sockets that it did not find, and those of them that it should have, since it read every one. */
  readonly kept: ReadonlySet<number>;
  readonly unread: ReadonlySet<number>;
}

/** What HeardSockets works with. */
interface HeardSocketsParts {
  readonly ids: IdPool;
  readonly callers: Callers;
  /** Counts an end of a TCP connection in a namespace; `openedNs` of CLOCK_MONOTONIC is when the kernel counted it. */
  readonly hear: (namespaceId: number, openedNs: number) => void;
}

/** The sockets between two readings. */
export class HeardSockets {
  readonly connects = new PendingConnects();
  readonly #parts: HeardSocketsParts;
  #tables: HeardTables = { sockets: new SocketTable(1), holders: new HolderTable(1) };
  readonly #rowOfCookie = new Map<number, number>();
  // Rows of readers that see no cookie: sockets that no file refers to.
  #withoutCookie: number[] = [];
  // Rows of the latest reading.
  #rowsRead = 0;
  // Rows from here on are not reported yet; beside them, who opened each.
  #firstNew = 0;
  #openers: (ProcessInfo | null)[] = [];
  // Of rows that are reported, by the socket's id.
  readonly #openerOfKnown = new Map<number, ProcessInfo>();
  #ended = new SocketTable(64);
  #endedOpeners: (ProcessInfo | null)[] = [];
  #finals = new SocketTable(64);
  #removed: number[] = [];
  readonly #changed = new Set<number>();
  // Listeners that closed: they leave with the report, since connections that they accepted before are in it, too.
  #closedListeners: number[] = [];
  // Rows in TIME_WAIT by the hash of their tuple.
  readonly #timeWaits = new Map<number, number>();
  readonly #doubts = new ReadingDoubts();
  #lastCaller: Caller | null = null;

  constructor(parts: HeardSocketsParts) {
    this.#parts = parts;
  }

  /** Changes that a reading found and that had not been heard of, since start. */
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
    this.#begin();
  }

  /** Applies one record; `namespaceId` is the id of its network namespace, `ticks` the time that it bears. */
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

  /** Takes the caller of a connect() that was heard before the first reading. */
  takeConnect(view: DataView, at: number): void {
    const state = view.getUint8(at + Record.newState);
    if (state === SocketState.SYN_SENT) this.#connect(view, at);
    else if (state === SocketState.CLOSE) this.connects.take(cookieOf(view, at));
  }

  /** Ends the sockets that are gone though nothing that was heard until `heardMs` says so. Called before each report. */
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

  /** Whether settle() has still to decide about the latest reading. */
  get hasDoubts(): boolean {
    return this.#doubts.areOpen;
  }

  /** Whether a report has anything to say. */
  get hasChanges(): boolean {
    return (
      this.#tables.sockets.length > this.#firstNew ||
      this.#ended.length > 0 ||
      this.#finals.length > 0 ||
      this.#openerOfKnown.size > 0 ||
      this.#removed.length > 0 ||
      this.#closedListeners.length > 0 ||
      this.#changed.size > 0
    );
  }

  /** What the next report must say; from now on it counts as reported. */
  flush(): HeardChanges {
    const { sockets, holders } = this.#tables;
    const added = new SocketTable(64);
    const openers: (ProcessInfo | null)[] = [];
    for (let row = this.#firstNew; row < sockets.length; row++) {
      if (sockets.id[row] === 0) continue;
      added.appendRow(sockets, row);
      openers.push(this.#openers[row - this.#firstNew] ?? null);
    }
    const newHolders = new HolderTable(64);
    holdUnheld(this.#openerOfKnown, holders, newHolders);
    appendRows(holders, newHolders, 0);
    const found = newHolders.length;
    // The holders of new listeners first: they have accepted others of the new sockets.
    holdByOpeners(added, openers, newHolders);
    appendRows(holders, newHolders, found);
    const opened = newHolders.length;
    holdAccepted(added, openers, this.#tables, newHolders);
    appendRows(holders, newHolders, opened);
    holdByOpeners(this.#ended, this.#endedOpeners, newHolders);
    holdAccepted(this.#ended, this.#endedOpeners, this.#tables, newHolders);
    for (const row of this.#closedListeners) this.#leave(row);
    this.#dropHolders();
    const changes = this.#finals;
    for (const row of this.#changed) if (sockets.id[row] !== 0) changes.appendRow(sockets, row);
    const ended = this.#ended;
    for (let row = 0; row < ended.length; row++) {
      added.appendRow(ended, row);
      this.#removed.push(ended.id[row]!);
    }
    const result = {
      sockets: added,
      holders: newHolders,
      changes,
      removed: this.#removed,
      ended: ended.length,
    };
    this.#begin();
    this.#parts.ids.settle();
    return result;
  }

  #begin(): void {
    this.#firstNew = this.#tables.sockets.length;
    this.#openers = [];
    this.#openerOfKnown.clear();
    this.#ended = new SocketTable(64);
    this.#endedOpeners = [];
    this.#finals = new SocketTable(64);
    this.#removed = [];
    this.#changed.clear();
    this.#closedListeners = [];
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
    this.#openers[row - this.#firstNew] = this.#processOf(caller);
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
    if (last >= this.#firstNew && sockets.state[last] === SocketState.LISTEN && sockets.inode[last] === inode)
      return;
    const row = this.#append(view, at, namespaceId, ticks);
    if (row >= 0) this.#openers[row - this.#firstNew] = this.#processOf(this.#caller(view, at));
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
      this.#changed.add(entry);
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
    this.#closedListeners.push(row);
  }

  #end(view: DataView, at: number, row: number, ticks: number): void {
    const { sockets } = this.#tables;
    const failed = view.getUint8(at + Record.oldState) === SocketState.SYN_SENT;
    writeFigures(view, at, sockets, row);
    this.#rowOfCookie.delete(rowCookie(sockets, row));
    if (row >= this.#firstNew) {
      this.#appendEnded(sockets, row, this.#openers[row - this.#firstNew] ?? null);
      this.#kill(row);
      return;
    }
    if (this.#timeWaits.size < TIME_WAIT_ROWS_MAX && leaveTimeWait(view, at, sockets, row, ticks)) {
      this.#timeWaits.set(tupleHash(sockets, row), row);
      this.#changed.add(row);
      return;
    }
    if (failed) sockets.attempt[row] = attemptOf(view, at);
    this.#leave(row, failed ? SocketState.SYN_SENT : SocketState.CLOSE);
  }

  // A known row leaves, with its last figures.
  #leave(row: number, state: number = SocketState.CLOSE): void {
    const { sockets } = this.#tables;
    const final = this.#finals.appendRow(sockets, row);
    if (final >= 0) this.#finals.state[final] = state;
    this.#removed.push(sockets.id[row]!);
    this.#kill(row);
  }

  // An attempt that failed, or a connection whose beginning was lost.
  #endUnknown(
    view: DataView,
    at: number,
    of: { namespaceId: number; ticks: number; openedNs: number; opener: ProcessInfo | null },
  ): void {
    const { namespaceId, ticks, openedNs, opener } = of;
    const ended = this.#ended;
    const row = ended.append();
    if (row < 0) return;
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
    this.#endedOpeners[row] = opener;
    this.#parts.hear(namespaceId, openedNs);
  }

  // The reading may have found a socket and not yet who holds it.
  #noteOpener(row: number, caller: Caller | null): void {
    if (caller !== null && row < this.#firstNew)
      this.#openerOfKnown.set(this.#tables.sockets.id[row]!, this.#parts.callers.of(caller));
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
    if (row < this.#firstNew) this.#changed.add(row);
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

  // The kernel gives a TIME_WAIT entry up for a new connection of the same tuple.
  #replaceTimeWait(row: number): void {
    const { sockets } = this.#tables;
    const hash = tupleHash(sockets, row);
    const before = this.#timeWaits.get(hash);
    if (before === undefined || !sameTuple(sockets, row, sockets, before)) return;
    this.#timeWaits.delete(hash);
    this.#removed.push(sockets.id[before]!);
    this.#kill(before);
  }

  #appendEnded(from: SocketTable, fromRow: number, opener: ProcessInfo | null): void {
    const row = this.#ended.appendRow(from, fromRow);
    if (row < 0) return;
    this.#ended.state[row] = SocketState.CLOSE;
    this.#ended.attempt[row] = Attempt.none;
    this.#endedOpeners[row] = opener;
  }

  #kill(row: number): void {
    const { sockets } = this.#tables;
    this.#parts.ids.giveBack(sockets.id[row]!);
    sockets.id[row] = 0;
    sockets.state[row] = 0;
    this.#changed.delete(row);
  }

  // Readings know an MPTCP connection by the cookie of the MPTCP socket, records by that of its subflow: a row that was
  // read before it was heard of is found by its tuple, and goes by the subflow's cookie from then on.
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
      this.#changed.add(row);
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

  // Of sockets that are gone.
  #dropHolders(): void {
    if (this.#removed.length === 0) return;
    const gone = new Set(this.#removed);
    const { holders } = this.#tables;
    let kept = 0;
    for (let row = 0; row < holders.length; row++) {
      if (gone.has(holders.socket[row]!)) continue;
      if (kept < row) holders.copyRow(kept, holders, row);
      kept++;
    }
    holders.length = kept;
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

// Sockets that nobody was found to hold are held by who opened them.
function holdUnheld(
  openers: ReadonlyMap<number, ProcessInfo>,
  holders: HolderTable,
  into: HolderTable,
): void {
  if (openers.size === 0) return;
  const firstRows = firstRowsBySocket(holders);
  for (const [socket, opener] of openers)
    if ((firstRows[socket] ?? -1) < 0) into.append(socket, opener.id, UNKNOWN_FD);
}

// Sockets are held by who opened them.
function holdByOpeners(
  sockets: SocketTable,
  openers: readonly (ProcessInfo | null)[],
  into: HolderTable,
): void {
  for (let row = 0; row < sockets.length; row++) {
    const opener = openers[row] ?? null;
    if (opener !== null) into.append(sockets.id[row]!, opener.id, UNKNOWN_FD);
  }
}

// The others are held by who holds the listener that accepted them.
function holdAccepted(
  sockets: SocketTable,
  openers: readonly (ProcessInfo | null)[],
  living: HeardTables,
  into: HolderTable,
): void {
  const wasAccepted = (row: number): boolean => (openers[row] ?? null) === null;
  holdByListeners(sockets, wasAccepted, living.sockets, living.holders, into);
}

function appendRows(into: HolderTable, from: HolderTable, first: number): void {
  for (let row = first; row < from.length; row++)
    into.append(from.socket[row]!, from.process[row]!, from.fd[row]!);
}

function rowCookie({ cookieLow, cookieHigh }: SocketTable, row: number): number {
  return cookieHigh[row]! * 2 ** 32 + cookieLow[row]!;
}
