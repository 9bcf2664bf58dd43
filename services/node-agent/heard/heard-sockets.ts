// Applies what the kernel reports of TCP sockets, record by record, to the sockets of the latest reading, and collects what
// the next report must say of it. A connection that begins and ends between two reports is reported once, as ended.
//
// Rows are found by their cookie. A row that ended stays where it is, with id 0, until the next reading: rows never move
// between readings.

import { Timer } from "../../../lib/vocabulary/timers.ts";
import type { ProcessInfo } from "../../../lib/gen/whotalks/v1/report.ts";
import { HolderTable, UNKNOWN_FD } from "../../../lib/holder-table.ts";
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
import { sameTuple, tupleHash } from "../observe/row-tuples.ts";
import { PendingConnects } from "./pending-connects.ts";
import {
  attemptOf,
  callerOf,
  cookieOf,
  hasRemoteAddress,
  isCaller,
  leaveTimeWait,
  sourcePortOf,
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

/** What HeardSockets works with. */
interface HeardSocketsParts {
  readonly ids: IdPool;
  readonly callers: Callers;
  /** Counts an end of a TCP connection in a namespace. */
  readonly see: (namespaceId: number) => void;
}

/** The sockets between two readings. */
export class HeardSockets {
  /** Sockets that a reading found and that had not been heard of, since start. */
  missed = 0;
  readonly connects = new PendingConnects();
  readonly #parts: HeardSocketsParts;
  #tables: HeardTables = { sockets: new SocketTable(1), holders: new HolderTable(1) };
  readonly #rowOfCookie = new Map<number, number>();
  // Rows of readers that see no cookie: sockets that no file refers to.
  #withoutCookie: number[] = [];
  // Rows from here on are not reported yet; beside them, who opened each.
  #firstNew = 0;
  #openers: (ProcessInfo | null)[] = [];
  #ended = new SocketTable(64);
  #endedOpeners: (ProcessInfo | null)[] = [];
  #finals = new SocketTable(64);
  #removed: number[] = [];
  readonly #changed = new Set<number>();
  // Listeners that closed: they leave with the report, since connections that they accepted before are in it, too.
  #closedListeners: number[] = [];
  // Rows in TIME_WAIT by the hash of their tuple.
  readonly #timeWaits = new Map<number, number>();
  // Rows that the latest reading added: each should be heard of by the next report, if it was read first.
  readonly #unheard = new Map<number, number>();
  #lastCaller: Caller | null = null;

  constructor(parts: HeardSocketsParts) {
    this.#parts = parts;
  }

  /**
   * Continues from another reading, whose rows are settled and all reported. `added` are the ids of rows that no earlier
   * reading had; empty for the first one, when nothing was heard yet.
   */
  install(tables: HeardTables, added: ReadonlySet<number>): void {
    const { sockets } = tables;
    this.#tables = tables;
    this.#rowOfCookie.clear();
    this.#withoutCookie = [];
    this.#timeWaits.clear();
    for (let row = 0; row < sockets.length; row++) {
      if (sockets.protocol[row] !== Protocol.tcp) continue;
      const cookie = rowCookie(sockets, row);
      if (sockets.timer[row] === Timer.timeWait) this.#timeWaits.set(tupleHash(sockets, row), row);
      else if (cookie !== 0) this.#rowOfCookie.set(cookie, row);
      else if (sockets.state[row] !== SocketState.LISTEN) this.#withoutCookie.push(row);
    }
    this.#begin();
    this.#unheard.clear();
    if (added.size > 0) this.#awaitRecords(added);
  }

  // Of sockets whose files were read before their records.
  #awaitRecords(added: ReadonlySet<number>): void {
    const { sockets } = this.#tables;
    for (const [cookie, row] of this.#rowOfCookie)
      if (added.has(sockets.id[row]!) && !this.connects.has(cookie)) this.#unheard.set(cookie, row);
  }

  /** Applies one record; `namespaceId` is the id of its network namespace, `ticks` the time that it bears. */
  take(view: DataView, at: number, namespaceId: number, ticks: number): void {
    switch (view.getUint8(at + Record.newState)) {
      case SocketState.SYN_SENT:
        this.connects.add(cookieOf(view, at), this.#caller(view, at));
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
    if (state === SocketState.SYN_SENT) this.connects.add(cookieOf(view, at), this.#caller(view, at));
    else if (state === SocketState.CLOSE) this.connects.take(cookieOf(view, at));
  }

  /** Counts what the latest reading found and nothing has been heard of, now that everything waiting was taken. */
  confirm(): void {
    this.missed += this.#unheard.size;
    this.#unheard.clear();
  }

  /** Whether a report has anything to say. */
  get hasChanges(): boolean {
    return (
      this.#tables.sockets.length > this.#firstNew ||
      this.#ended.length > 0 ||
      this.#finals.length > 0 ||
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
    hold(added, openers, this.#tables, newHolders);
    for (let row = 0; row < newHolders.length; row++)
      holders.append(newHolders.socket[row]!, newHolders.process[row]!, newHolders.fd[row]!);
    hold(this.#ended, this.#endedOpeners, this.#tables, newHolders);
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
    this.#ended = new SocketTable(64);
    this.#endedOpeners = [];
    this.#finals = new SocketTable(64);
    this.#removed = [];
    this.#changed.clear();
    this.#closedListeners = [];
  }

  #establish(view: DataView, at: number, namespaceId: number, ticks: number): void {
    const { sockets } = this.#tables;
    const cookie = cookieOf(view, at);
    const caller = this.connects.take(cookie);
    const known = this.#rowOfCookie.get(cookie) ?? this.#findSubflow(view, at, namespaceId, cookie);
    if (known !== undefined) {
      this.#unheard.delete(cookie);
      if (sockets.state[known] === SocketState.SYN_SENT) this.#setState(known, SocketState.ESTABLISHED);
      return;
    }
    const row = this.#append(view, at, namespaceId, ticks);
    if (row < 0) return;
    this.#openers[row - this.#firstNew] = this.#processOf(caller);
    this.#parts.see(namespaceId);
  }

  #listen(view: DataView, at: number, namespaceId: number, ticks: number): void {
    const { sockets } = this.#tables;
    const cookie = cookieOf(view, at);
    this.#unheard.delete(cookie);
    if (this.#rowOfCookie.has(cookie)) return;
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
    const caller = this.connects.take(cookie);
    const row = this.#rowOfCookie.get(cookie) ?? this.#findByTuple(view, at, namespaceId);
    if (row !== undefined) {
      this.#unheard.delete(cookie);
      if (before === SocketState.LISTEN) this.#closedListeners.push(row);
      else this.#end(view, at, row, ticks);
    } else if (
      before !== SocketState.LISTEN &&
      before !== SocketState.SYN_RECV &&
      sourcePortOf(view, at) !== 0
    ) {
      this.#endUnknown(view, at, { namespaceId, ticks, opener: this.#processOf(caller) });
    }
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
    const final = this.#leave(row);
    if (final >= 0 && failed) {
      this.#finals.state[final] = SocketState.SYN_SENT;
      this.#finals.attempt[final] = attemptOf(view, at);
    }
  }

  // A known row leaves; returns its row among the last figures, or -1.
  #leave(row: number): number {
    const { sockets } = this.#tables;
    const final = this.#finals.appendRow(sockets, row);
    if (final >= 0) this.#finals.state[final] = SocketState.CLOSE;
    this.#removed.push(sockets.id[row]!);
    this.#kill(row);
    return final;
  }

  // An attempt that failed, or a connection whose beginning was lost.
  #endUnknown(
    view: DataView,
    at: number,
    { namespaceId, ticks, opener }: { namespaceId: number; ticks: number; opener: ProcessInfo | null },
  ): void {
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
    this.#parts.see(namespaceId);
  }

  #move(view: DataView, at: number): void {
    const row = this.#rowOfCookie.get(cookieOf(view, at));
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
    if (this.#unheard.size === 0) return undefined;
    const { sockets } = this.#tables;
    const localPort = view.getUint16(at + Record.localPort, hostIsLittleEndian);
    const remotePort = view.getUint16(at + Record.remotePort);
    for (const [rowsCookie, row] of this.#unheard) {
      const fits =
        sockets.localPort[row] === localPort &&
        sockets.remotePort[row] === remotePort &&
        sockets.namespace[row] === namespaceId &&
        hasRemoteAddress(view, at, sockets, row);
      if (!fits) continue;
      this.#unheard.delete(rowsCookie);
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

// Holders of sockets: who opened each, or who holds the listener that accepted it.
function hold(
  sockets: SocketTable,
  openers: readonly (ProcessInfo | null)[],
  living: HeardTables,
  into: HolderTable,
): void {
  for (let row = 0; row < sockets.length; row++) {
    const opener = openers[row] ?? null;
    if (opener !== null) into.append(sockets.id[row]!, opener.id, UNKNOWN_FD);
  }
  const wasAccepted = (row: number): boolean => (openers[row] ?? null) === null;
  holdByListeners(sockets, wasAccepted, living.sockets, living.holders, into);
}

function rowCookie({ cookieLow, cookieHigh }: SocketTable, row: number): number {
  return cookieHigh[row]! * 2 ** 32 + cookieLow[row]!;
}
