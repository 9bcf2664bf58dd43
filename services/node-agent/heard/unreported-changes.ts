// What the next report must say of the sockets that records changed: new, changed and ended sockets with their
// openers. Rows of sockets that are in a report already are "known", later rows are new.

import type { ProcessInfo } from "../../../lib/gen/whotalks/v1/report.ts";
import { firstRowsBySocket, HolderTable, UNKNOWN_FD } from "../../../lib/holder-table.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import { holdByListeners } from "../attribute/listener-holders.ts";
import type { HeardChanges } from "../observation.ts";

/** The tables that records are applied to. */
export interface HeardTables {
  /** Rows of the latest reading, changed in place. */
  readonly sockets: SocketTable;
  readonly holders: HolderTable;
}

/** Changes since the latest report. */
export class UnreportedChanges {
  // The first new row, and the openers of the new rows.
  #firstNew = 0;
  #openers: (ProcessInfo | null)[] = [];
  // Openers of known rows, by socket id.
  readonly #openerOfKnown = new Map<number, ProcessInfo>();
  #ended = new SocketTable(64);
  #endedOpeners: (ProcessInfo | null)[] = [];
  #finals = new SocketTable(64);
  #removed: number[] = [];
  readonly #changed = new Set<number>();
  // Listeners that closed: they leave with the report, since it may have connections that they accepted.
  #closedListeners: number[] = [];

  /** Begins again with a table of which all `rows` are reported. */
  begin(rows: number): void {
    this.#firstNew = rows;
    this.#openers = [];
    this.#openerOfKnown.clear();
    this.#ended = new SocketTable(64);
    this.#endedOpeners = [];
    this.#finals = new SocketTable(64);
    this.#removed = [];
    this.#changed.clear();
    this.#closedListeners = [];
  }

  /** Whether a row is new. */
  isNew(row: number): boolean {
    return row >= this.#firstNew;
  }

  /** Whether there is anything to report; the table has this many rows. */
  hasAny(rows: number): boolean {
    return (
      rows > this.#firstNew ||
      this.#ended.length > 0 ||
      this.#finals.length > 0 ||
      this.#openerOfKnown.size > 0 ||
      this.#removed.length > 0 ||
      this.#closedListeners.length > 0 ||
      this.#changed.size > 0
    );
  }

  /** Sets the opener of a new row. */
  setOpener(row: number, opener: ProcessInfo | null): void {
    this.#openers[row - this.#firstNew] = opener;
  }

  /** The opener of a new row; null if unknown. */
  openerOf(row: number): ProcessInfo | null {
    return this.#openers[row - this.#firstNew] ?? null;
  }

  /** Sets the opener of a known socket, which holds it unless a reading found a holder. */
  setOpenerOfKnown(socketId: number, opener: ProcessInfo): void {
    this.#openerOfKnown.set(socketId, opener);
  }

  /** Reports a known row with its figures. */
  change(row: number): void {
    this.#changed.add(row);
  }

  /** Does not report a row as changed. */
  unchange(row: number): void {
    this.#changed.delete(row);
  }

  /** Lets a listener leave with the next report. */
  closeListener(row: number): void {
    this.#closedListeners.push(row);
  }

  /** Reports the id of a known socket as gone. */
  remove(socketId: number): void {
    this.#removed.push(socketId);
  }

  /** Reports a known row as gone, with its last figures and a state. */
  finish(sockets: SocketTable, row: number, state: number): void {
    const final = this.#finals.appendRow(sockets, row);
    if (final >= 0) this.#finals.state[final] = state;
    this.#removed.push(sockets.id[row]!);
  }

  /** Sockets that opened and closed. */
  get ended(): SocketTable {
    return this.#ended;
  }

  /** Appends a row to `ended`, which the caller fills; returns it, or -1 if there is no room. */
  end(opener: ProcessInfo | null): number {
    const row = this.#ended.append();
    if (row >= 0) this.#endedOpeners[row] = opener;
    return row;
  }

  /** Returns the changes and begins again. `leave` ends the row of a listener that closed. */
  flush(tables: HeardTables, leave: (row: number) => void): HeardChanges {
    const { sockets, holders } = tables;
    const added = new SocketTable(64);
    const openers: (ProcessInfo | null)[] = [];
    for (let row = this.#firstNew; row < sockets.length; row++) {
      if (sockets.id[row] === 0) continue;
      added.appendRow(sockets, row);
      openers.push(this.openerOf(row));
    }
    const newHolders = new HolderTable(64);
    holdUnheld(this.#openerOfKnown, holders, newHolders);
    appendRows(holders, newHolders, 0);
    const found = newHolders.length;
    // The holders of new listeners first: they have accepted others of the new sockets.
    holdByOpeners(added, openers, newHolders);
    appendRows(holders, newHolders, found);
    const opened = newHolders.length;
    holdAccepted(added, openers, tables, newHolders);
    appendRows(holders, newHolders, opened);
    holdByOpeners(this.#ended, this.#endedOpeners, newHolders);
    holdAccepted(this.#ended, this.#endedOpeners, tables, newHolders);
    for (const row of this.#closedListeners) leave(row);
    this.#dropHolders(holders);
    const changes = this.#finals;
    for (const row of this.#changed) if (sockets.id[row] !== 0) changes.appendRow(sockets, row);
    const ended = this.#ended;
    for (let row = 0; row < ended.length; row++) {
      added.appendRow(ended, row);
      this.#removed.push(ended.id[row]!);
    }
    const removed = this.#removed;
    this.begin(sockets.length);
    return { sockets: added, holders: newHolders, changes, removed, ended: ended.length };
  }

  // Drops the holders of sockets that are gone.
  #dropHolders(holders: HolderTable): void {
    if (this.#removed.length === 0) return;
    const gone = new Set(this.#removed);
    let kept = 0;
    for (let row = 0; row < holders.length; row++) {
      if (gone.has(holders.socket[row]!)) continue;
      if (kept < row) holders.copyRow(kept, holders, row);
      kept++;
    }
    holders.length = kept;
  }
}

// A socket without a known holder is held by its opener.
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

// New sockets are held by their openers.
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

// Accepted sockets are held by the holders of their listener.
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
