// Tracks the flows of one conntrack table: it takes dumps and events and returns what changed since the last
// report. It assigns the ids: a flow keeps its id while it is the same kernel entry. Pure: no clock, no
// socket.
//
// A dump runs between begin() and end(); flows that it did not contain are gone. Events in between count as
// part of it.

import type { ConntrackEntry } from "../../../lib/conntrack/conntrack-entry.ts";
import { EntryField } from "../../../lib/conntrack/conntrack-entry.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { TcpFlowState } from "../../../lib/vocabulary/states.ts";
import { FlowTable } from "../../../lib/flow-table.ts";
import { FLOW_ROWS_MAX } from "../../../lib/gen/tables/flow-columns.ts";
import { mixWord, mixWords, spread } from "../../../lib/hash.ts";
import type { FlowChanges } from "../observation.ts";
import { IdPool } from "../ids/id-pool.ts";
import { FlowDump } from "./flow-dump.ts";

/**
 * Flow ids of a node: twice the maximum number of flows, since a freed id is not reused before the next
 * report.
 */
const FLOW_IDS_MAX = 2 * FLOW_ROWS_MAX;

/**
 * Creates the ids of a node's flows. Their owner takes the changes of all tables, then calls settle() per
 * report.
 */
export function createFlowIds(): IdPool {
  return new IdPool(1, FLOW_IDS_MAX);
}

/** Creates empty changes for take() to add to. */
export function noFlowChanges(): FlowChanges {
  return { added: new FlowTable(64), changed: new FlowTable(64), removed: [] };
}

/**
 * Maximum flows that ended between two reports and whose last state is still reported: 9 s at the highest
 * rates and then 37 MB; further ones are counted. Memory beyond GHOSTS_KEPT rows is freed after the report.
 */
const GHOSTS_MAX = 2 ** 18;
const GHOSTS_KEPT = 2 ** 12;

/** What happened to a row since the last report. */
const Mark = { none: 0, added: 1, changed: 2 } as const;

/** Tracks the flows of one network namespace. */
export class FlowTracker {
  /** Flows that did not fit, since start. */
  overflowed = 0;
  readonly #ids: IdPool;
  readonly #rowsMax: number;
  readonly #table = new FlowTable(256);
  // Rows by the hash of their original tuple: heads by hash, and each row's hash and next row.
  #heads = new Int32Array(1024).fill(-1);
  #next = new Int32Array(256);
  #hash = new Int32Array(256);
  #mark = new Uint8Array(256);
  readonly #dump = new FlowDump();
  #free: number[] = [];
  #touched: number[] = [];
  #removed: number[] = [];
  #ghosts = new FlowTable(16);
  #size = 0;

  /** Tracks at most `rowsMax` flows; their ids come from a pool that other tables may share. */
  constructor(ids: IdPool, rowsMax = FLOW_ROWS_MAX) {
    this.#ids = ids;
    this.#rowsMax = rowsMax;
  }

  /** Flows that exist now. */
  get size(): number {
    return this.#size;
  }

  /** Begins a dump. */
  begin(): void {
    this.#dump.begin();
  }

  /** Ends a dump: flows that neither it nor an event since begin() contained are gone. */
  end(): void {
    this.#dump.end();
    const { id, length } = this.#table;
    for (let row = 0; row < length; row++) if (id[row] !== 0 && !this.#dump.contains(row)) this.#remove(row);
  }

  /** Abandons a failed dump; no flow is removed. */
  abandon(): void {
    this.#dump.abandon();
  }

  /**
   * Adds or updates an entry of a dump, seen at a tick. The kernel returns its table in nearly the same order
   * each time, so the row that followed the previous one is tried first, which saves the hash lookup.
   */
  see(entry: ConntrackEntry, tick: number): void {
    const row = this.#dump.expected;
    if (row >= 0 && entry.id !== 0 && this.#table.kernelId[row] === entry.id && this.#isAt(row, entry)) {
      this.#refresh(row, entry);
      this.#dump.follow(row);
      return;
    }
    if (this.#dump.isBuried(entry.id)) return;
    const found = this.#put(entry, tick);
    if (found >= 0) this.#dump.follow(found);
  }

  // Whether a row is in use and has an entry's original tuple.
  #isAt(row: number, entry: ConntrackEntry): boolean {
    return this.#table.id[row] !== 0 && hasTuple(this.#table, row, entry, 0);
  }

  /** Adds or updates an existing entry, from a NEW event or a dump. */
  put(entry: ConntrackEntry, tick: number): void {
    this.#put(entry, tick);
  }

  // Returns the entry's row, or -1 if it does not fit.
  #put(entry: ConntrackEntry, tick: number): number {
    const hash = hashOf(entry);
    const known = this.#find(entry, hash);
    if (known >= 0) {
      if (this.#isSame(known, entry)) {
        this.#refresh(known, entry);
        return known;
      }
      this.#remove(known);
    }
    return this.#add(entry, hash, tick);
  }

  /**
   * Applies a DESTROY event: its status, counters and (since 5.11) state are the last ones and are reported
   * with the flow's end. Ignores an unknown entry, which was never reported.
   */
  destroy(entry: ConntrackEntry): void {
    this.#dump.bury(entry.id);
    const row = this.#find(entry, hashOf(entry));
    if (
      row < 0 ||
      (entry.id !== 0 && this.#table.kernelId[row] !== entry.id && this.#table.kernelId[row] !== 0)
    )
      return;
    this.#update(row, entry);
    this.#remove(row);
  }

  /**
   * Adds to `into` what changed since the last take, or all flows; their namespace column gets `namespace`.
   */
  take(namespace: number, everything: boolean, into: FlowChanges): void {
    const { added, changed, removed } = into;
    const first = added.length;
    if (everything) this.#takeAll(added);
    else this.#takeTouched(added, changed);
    for (let row = 0; row < this.#ghosts.length; row++) {
      if (this.#ghosts.firstSeen[row] !== REPORTED) {
        if (added.appendRow(this.#ghosts, row) >= 0) removed.push(this.#ghosts.id[row]!);
        else this.overflowed++;
      } else if (!everything) changed.appendRow(this.#ghosts, row);
    }
    if (!everything) for (const id of this.#removed) removed.push(id);
    added.namespace.fill(namespace, first, added.length);
    if (this.#ghosts.capacity > GHOSTS_KEPT) this.#ghosts = new FlowTable(16);
    this.#ghosts.length = 0;
    this.#touched = [];
    this.#removed = [];
  }

  #takeTouched(added: FlowTable, changed: FlowTable): void {
    for (const row of this.#touched) {
      const mark = this.#mark[row];
      this.#mark[row] = Mark.none;
      if (mark === Mark.none) continue;
      if ((mark === Mark.added ? added : changed).appendRow(this.#table, row) < 0) this.overflowed++;
    }
  }

  #takeAll(added: FlowTable): void {
    for (let row = 0; row < this.#table.length; row++) {
      this.#mark[row] = Mark.none;
      if (this.#table.id[row] === 0) continue;
      if (added.appendRow(this.#table, row) < 0) this.overflowed++;
    }
  }

  /** Ends every flow because the namespace is gone; adds the ids of reported flows to `removed`. */
  endAll(removed: number[]): void {
    for (let row = 0; row < this.#table.length; row++) {
      const id = this.#table.id[row]!;
      if (id === 0) continue;
      if (this.#mark[row] !== Mark.added) removed.push(id);
      this.#ids.giveBack(id);
      this.#table.id[row] = 0;
    }
    for (const id of this.#removed) removed.push(id);
    this.#removed = [];
    this.#size = 0;
  }

  #add(entry: ConntrackEntry, hash: number, tick: number): number {
    const full = this.#size >= this.#rowsMax || this.#ids.exhausted;
    const row = full ? -1 : (this.#free.pop() ?? this.#table.append());
    if (row < 0) {
      this.overflowed++;
      return -1;
    }
    if (this.#table.capacity > this.#next.length) this.#grow(this.#table.capacity);
    const table = this.#table;
    table.write(row, entry);
    table.id[row] = this.#ids.take();
    table.firstSeen[row] = tick;
    this.#dump.reset(row);
    this.#mark[row] = Mark.added;
    this.#touched.push(row);
    this.#hash[row] = hash;
    this.#link(row);
    this.#size++;
    return row;
  }

  #refresh(row: number, entry: ConntrackEntry): void {
    const table = this.#table;
    this.#dump.mark(row);
    if (table.kernelId[row] === 0) table.kernelId[row] = entry.id;
    this.#update(row, entry);
  }

  // Copies an entry's status, state and counters.
  #update(row: number, entry: ConntrackEntry): void {
    const table = this.#table;
    if (entry.status !== 0 && table.status[row] !== entry.status) {
      table.status[row] = entry.status;
      this.#touch(row);
    }
    if ((entry.has & EntryField.state) !== 0 && table.state[row] !== entry.state) {
      table.state[row] = entry.state;
      this.#touch(row);
    }
    if ((entry.has & EntryField.counters) !== 0) this.#count(row, entry);
  }

  #count(row: number, entry: ConntrackEntry): void {
    const { counters } = this.#table;
    for (let i = 0; i < 4; i++) {
      if (counters[row * 4 + i] === entry.counters[i]) continue;
      counters[row * 4 + i] = entry.counters[i]!;
      this.#touch(row);
    }
  }

  #touch(row: number): void {
    if (this.#mark[row] !== Mark.none) return;
    this.#mark[row] = Mark.changed;
    this.#touched.push(row);
  }

  // Unreported changes are still reported: they are further evidence of what lived between two reports.
  #remove(row: number): void {
    const table = this.#table;
    const mark = this.#mark[row];
    const id = table.id[row]!;
    if (mark !== Mark.none) {
      const ghost = this.#ghosts.length < GHOSTS_MAX ? this.#ghosts.appendRow(table, row) : -1;
      if (ghost < 0) this.overflowed++;
      else if (mark === Mark.changed) this.#ghosts.firstSeen[ghost] = REPORTED;
    }
    if (mark !== Mark.added) this.#removed.push(id);
    this.#ids.giveBack(id);
    this.#unlink(row);
    table.id[row] = 0;
    this.#mark[row] = Mark.none;
    this.#free.push(row);
    this.#size--;
  }

  #find(entry: ConntrackEntry, hash: number): number {
    for (let row = this.#heads[hash & (this.#heads.length - 1)]!; row >= 0; row = this.#next[row]!)
      if (this.#hash[row] === hash && hasTuple(this.#table, row, entry, 0)) return row;
    return -1;
  }

  // Whether the row is the same kernel entry, not a later one with the same original tuple.
  #isSame(row: number, entry: ConntrackEntry): boolean {
    const table = this.#table;
    const kernelId = table.kernelId[row]!;
    if (kernelId !== 0 && entry.id !== 0) return kernelId === entry.id;
    if (!hasTuple(table, row, entry, 2)) return false;
    // Without ids: TCP never goes from its closing states back to its opening states except in a new entry.
    return !(
      entry.protocol === Protocol.tcp &&
      (entry.has & EntryField.state) !== 0 &&
      table.state[row]! >= TcpFlowState.finWait &&
      table.state[row]! <= TcpFlowState.close &&
      (entry.state === TcpFlowState.synSent || entry.state === TcpFlowState.synReceived)
    );
  }

  #link(row: number): void {
    const bucket = this.#hash[row]! & (this.#heads.length - 1);
    this.#next[row] = this.#heads[bucket]!;
    this.#heads[bucket] = row;
  }

  #unlink(row: number): void {
    const bucket = this.#hash[row]! & (this.#heads.length - 1);
    let at = this.#heads[bucket]!;
    if (at === row) {
      this.#heads[bucket] = this.#next[row]!;
      return;
    }
    while (this.#next[at] !== row) at = this.#next[at]!;
    this.#next[at] = this.#next[row]!;
  }

  #grow(capacity: number): void {
    this.#next = grown(this.#next, capacity);
    this.#hash = grown(this.#hash, capacity);
    this.#mark = grown(this.#mark, capacity);
    this.#dump.grow(capacity);
    this.#heads = new Int32Array(2 ** Math.ceil(Math.log2(capacity)) * 2).fill(-1);
    // The row being added has no id yet; its caller links it.
    for (let row = 0; row < this.#table.length - 1; row++) if (this.#table.id[row] !== 0) this.#link(row);
  }
}

// Value of firstSeen for a ghost that was reported before: its row is reported as a change.
const REPORTED = 0xffffffff;

function grown<Column extends Int32Array | Uint32Array | Uint8Array>(
  column: Column,
  capacity: number,
): Column {
  const larger = new (column.constructor as new (length: number) => Column)(capacity);
  larger.set(column);
  return larger;
}

// Whether a row has the entry's zone and its tuple that starts at `place` (0 original, 2 reply).
function hasTuple(table: FlowTable, row: number, entry: ConntrackEntry, place: number): boolean {
  if (table.protocol[row] !== entry.protocol || table.zone[row] !== entry.zone) return false;
  const first = place * 4;
  for (let i = first; i < first + 8; i++)
    if (table.addresses[row * 16 + i] !== entry.addresses[i]) return false;
  return (
    table.ports[row * 4 + place] === entry.ports[place] &&
    table.ports[row * 4 + place + 1] === entry.ports[place + 1]
  );
}

function hashOf({ addresses, ports, protocol, zone }: ConntrackEntry): number {
  const hash = mixWords(mixWord(zone, protocol + 1), addresses, 0, 8);
  return spread(mixWord(hash, (ports[0]! << 16) | ports[1]!));
}
