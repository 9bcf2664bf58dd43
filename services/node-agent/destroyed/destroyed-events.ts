// Queues the events of destroyed sockets between two passes.

import { DESTROYED_EVENTS_MAX } from "../gen/destroyed-columns.ts";
import { hostIsLittleEndian } from "../kernel/byte-order.ts";
import type { EventTarget } from "./destroy-event.ts";
import { appendDestroyed, EventKind } from "./destroy-event.ts";
import { DestroyedTable, UNPLACED } from "./destroyed-table.ts";

/** Ticks of 10 ms for which an event waits for its namespace to become known. */
const UNPLACED_TICKS_MAX = 1000;

/** The waiting events, in two tables that alternate. */
export class DestroyedEvents {
  /** Malformed messages, since start. */
  malformed = 0;
  /** Events that did not fit into the table, since start. */
  overflowed = 0;
  /**
   * Events of namespaces in which no process of this node ever was: another machine's on the same kernel, as
   * in kind.
   */
  ofStrangers = 0;
  /** Called once when the table is half full. */
  onCrowd: (() => void) | null = null;
  #table = new DestroyedTable();
  #spare = new DestroyedTable();
  #crowded = false;
  readonly #target: EventTarget = {
    table: this.#table,
    littleEndian: hostIsLittleEndian,
    ticks: 0,
    place: 0,
    nsid: 0,
  };

  /**
   * Says where the next events come from: the tick, the number of their namespace, and its inode if that is
   * known, else UNPLACED.
   */
  from(ticks: number, nsid: number, place: number): this {
    this.#target.ticks = ticks;
    this.#target.nsid = nsid;
    this.#target.place = place;
    return this;
  }

  /** Appends the event in view bytes [start, end). */
  append(view: DataView, start: number, end: number): void {
    const kind = appendDestroyed(view, start, end, this.#target);
    if (kind === EventKind.malformed) this.malformed++;
    else if (kind === EventKind.overflowed) this.overflowed++;
    if (this.#crowded || this.#table.length < DESTROYED_EVENTS_MAX / 2) return;
    this.#crowded = true;
    this.onCrowd?.();
  }

  /**
   * Returns the events since the last call, oldest first; valid until the next call. Events whose namespace is
   * still unknown stay queued, for UNPLACED_TICKS_MAX at most.
   */
  take(nowTicks: number, inodeOf: (nsid: number) => number | undefined): DestroyedTable {
    const taken = this.#table;
    this.#spare.clear();
    this.#table = this.#spare;
    this.#spare = taken;
    this.#target.table = this.#table;
    this.#crowded = false;
    for (let row = 0; row < taken.length; row++) {
      if (taken.place[row] !== UNPLACED) continue;
      taken.place[row] = inodeOf(taken.nsid[row]!) ?? UNPLACED;
      if (taken.place[row] !== UNPLACED) continue;
      const waits = nowTicks - taken.sockets.firstSeen[row]! < UNPLACED_TICKS_MAX;
      if (!waits) this.ofStrangers++;
      else if (this.#table.appendRow(taken, row) < 0) this.overflowed++;
    }
    return taken;
  }

  /** Queued events of a namespace. */
  countOf(inode: number): number {
    let count = 0;
    for (let row = 0; row < this.#table.length; row++) if (this.#table.place[row] === inode) count++;
    return count;
  }
}
