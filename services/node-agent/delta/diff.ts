// Computes what changed between two observations of one epoch. Rows are matched by the ids that the observe
// stage assigned: this costs a few array accesses per row.

import { changingSocketColumns, socketDiffers } from "../../../lib/gen/tables/socket-columns.ts";
import type { FamilySocket } from "../../../lib/gen/whotalks/v1/report.ts";
import { firstRowsBySocket, HolderTable } from "../../../lib/holder-table.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import type { Observation } from "../observation.ts";
import type { Delta } from "./delta.ts";

/** Returns the delta that turns `previous` into `next`. */
export function diff(previous: Observation, next: Observation): Delta {
  const rows = diffSockets(previous.sockets, next.sockets);
  const family = diffFamilySockets(previous.familySockets, next.familySockets);
  const holders = diffHolders(previous.holders, next.holders, [...rows.removed, ...family.removed]);
  const namespaces = diffById(previous.namespaces, next.namespaces);
  const processes = diffById(previous.processes, next.processes);
  const { ended } = next;
  appendAll(rows.added, ended.sockets);
  appendAll(rows.changed, ended.finals);
  appendHolders(holders.changed, ended.holders);
  return {
    ticks: next.ticks,
    namespaces: namespaces.changed,
    namespacesRemoved: namespaces.removed,
    processes: processes.changed,
    processesRemoved: processes.removed,
    sockets: rows.added,
    changes: rows.changed,
    socketsRemoved: [...rows.removed, ...family.removed, ...idsOf(ended.sockets)],
    familySockets: family.changed,
    holders: holders.changed,
    holdersCleared: holders.cleared,
    coverage: next.coverage,
    namespaceCoverage: diffById(previous.namespaceCoverage, next.namespaceCoverage).changed,
    ended: ended.sockets.length,
    // What came and went did so at a time of its own.
    seenNow: ended.sockets.length === 0,
  };
}

/**
 * Returns the delta that builds an observation from nothing. It shares the observation's tables, so that a
 * keyframe costs no copy, unless sockets ended: those are included too, since no other report would carry
 * them.
 */
export function keyframe(observation: Observation): Delta {
  const { ended } = observation;
  const anyEnded = ended.sockets.length + ended.finals.length > 0;
  return {
    ticks: observation.ticks,
    namespaces: [...observation.namespaces.values()],
    namespacesRemoved: [],
    processes: [...observation.processes.values()],
    processesRemoved: [],
    sockets: anyEnded ? joined(observation.sockets, ended.sockets, ended.finals) : observation.sockets,
    changes: new SocketTable(1),
    socketsRemoved: [...idsOf(ended.sockets), ...idsOf(ended.finals)],
    familySockets: [...observation.familySockets.values()],
    holders:
      ended.holders.length === 0 ? observation.holders : joinedHolders(observation.holders, ended.holders),
    holdersCleared: [],
    coverage: observation.coverage,
    namespaceCoverage: [...observation.namespaceCoverage.values()],
    ended: ended.sockets.length + ended.finals.length,
    seenNow: false,
  };
}

function joined(...tables: readonly SocketTable[]): SocketTable {
  const all = new SocketTable(1 + tables.reduce((rows, { length }) => rows + length, 0));
  for (const table of tables) appendAll(all, table);
  return all;
}

function appendAll(into: SocketTable, more: SocketTable): void {
  for (let row = 0; row < more.length; row++) into.appendRow(more, row);
}

function joinedHolders(...tables: readonly HolderTable[]): HolderTable {
  const all = new HolderTable(1 + tables.reduce((rows, { length }) => rows + length, 0));
  for (const table of tables) appendHolders(all, table);
  return all;
}

function appendHolders(into: HolderTable, { socket, process, fd, length }: HolderTable): void {
  for (let row = 0; row < length; row++) into.append(socket[row]!, process[row]!, fd[row]!);
}

function* idsOf({ id, length }: SocketTable): Generator<number> {
  for (let row = 0; row < length; row++) yield id[row]!;
}

function diffSockets(
  previous: SocketTable,
  next: SocketTable,
): { added: SocketTable; changed: SocketTable; removed: number[] } {
  if (previous === next) return { added: new SocketTable(1), changed: new SocketTable(1), removed: [] };
  if (previous.equals(next, ["id"]))
    return { added: new SocketTable(1), changed: changesInPlace(previous, next), removed: [] };
  const rowOfId = rowsById(previous);
  const kept = new Uint8Array(previous.length);
  const added = new SocketTable(64);
  const changed = new SocketTable(64);
  for (let row = 0; row < next.length; row++) {
    const before = rowOfId[next.id[row]!] ?? -1;
    if (before < 0) {
      added.appendRow(next, row);
    } else {
      kept[before] = 1;
      if (socketDiffers(previous, before, next, row)) changed.appendRow(next, row);
    }
  }
  const removed: number[] = [];
  for (let row = 0; row < previous.length; row++) if (kept[row] === 0) removed.push(previous.id[row]!);
  return { added, changed, removed };
}

// The same sockets in the same order: compares rows only if some column differs.
function changesInPlace(previous: SocketTable, next: SocketTable): SocketTable {
  const changed = new SocketTable(64);
  if (previous.equals(next, changingSocketColumns)) return changed;
  for (let row = 0; row < next.length; row++) {
    if (socketDiffers(previous, row, next, row)) changed.appendRow(next, row);
  }
  return changed;
}

function rowsById(table: SocketTable): Int32Array {
  let largest = 0;
  for (let row = 0; row < table.length; row++) largest = Math.max(largest, table.id[row]!);
  const rows = new Int32Array(largest + 1).fill(-1);
  for (let row = 0; row < table.length; row++) rows[table.id[row]!] = row;
  return rows;
}

// Observations share the objects of unchanged namespaces and processes, so identity is compared.
function diffById<Value>(
  previous: ReadonlyMap<number, Value>,
  next: ReadonlyMap<number, Value>,
): { changed: Value[]; removed: number[] } {
  if (previous === next) return { changed: [], removed: [] };
  const changed: Value[] = [];
  for (const [id, value] of next) if (previous.get(id) !== value) changed.push(value);
  const removed: number[] = [];
  for (const id of previous.keys()) if (!next.has(id)) removed.push(id);
  return { changed, removed };
}

function diffFamilySockets(
  previous: ReadonlyMap<number, FamilySocket>,
  next: ReadonlyMap<number, FamilySocket>,
): { changed: FamilySocket[]; removed: number[] } {
  if (previous === next) return { changed: [], removed: [] };
  const changed: FamilySocket[] = [];
  for (const [id, socket] of next) {
    const before = previous.get(id);
    // Readers return the same objects if they read nothing again.
    if (before === socket) continue;
    if (before === undefined || !equalSockets(before, socket)) changed.push(socket);
  }
  const removed: number[] = [];
  for (const id of previous.keys()) if (!next.has(id)) removed.push(id);
  return { changed, removed };
}

function equalSockets(a: FamilySocket, b: FamilySocket): boolean {
  return (Object.keys(a) as (keyof FamilySocket)[]).every((field) => a[field] === b[field]);
}

// Rows of a socket are adjacent in both tables, and sockets are mostly in the same order.
function diffHolders(
  previous: HolderTable,
  next: HolderTable,
  removedSockets: readonly number[],
): { changed: HolderTable; cleared: number[] } {
  if (previous === next) return { changed: new HolderTable(1), cleared: [] };
  const before = firstRowsBySocket(previous);
  const changed = new HolderTable(64);
  for (let start = 0; start < next.length;) {
    const socket = next.socket[start]!;
    const end = runEnd(next, start);
    const from = before[socket] ?? -1;
    if (from < 0 || !equalRuns(previous, from, next, start, end)) {
      for (let row = start; row < end; row++) changed.append(socket, next.process[row]!, next.fd[row]!);
    }
    if (from >= 0) before[socket] = -1;
    start = end;
  }
  for (const socket of removedSockets) if (socket < before.length) before[socket] = -1;
  // The sockets that are left had holders and have none now.
  const cleared: number[] = [];
  for (let socket = 0; socket < before.length; socket++) if (before[socket]! >= 0) cleared.push(socket);
  return { changed, cleared };
}

function runEnd(table: HolderTable, start: number): number {
  let end = start + 1;
  while (end < table.length && table.socket[end] === table.socket[start]) end++;
  return end;
}

function equalRuns(a: HolderTable, startA: number, b: HolderTable, startB: number, endB: number): boolean {
  if (runEnd(a, startA) - startA !== endB - startB) return false;
  for (let i = 0; startB + i < endB; i++) {
    if (a.process[startA + i] !== b.process[startB + i] || a.fd[startA + i] !== b.fd[startB + i])
      return false;
  }
  return true;
}
