// The inverse of diff(); tests use it to show that a delta loses nothing.

import { changingSocketColumns } from "../../../../lib/gen/tables/socket-columns.ts";
import { HolderTable } from "../../../../lib/holder-table.ts";
import { SocketTable } from "../../../../lib/socket-table.ts";
import type { Observation } from "../../observation.ts";
import type { Delta } from "../delta.ts";
import { nothingEnded } from "../delta.ts";

/** Builds the later observation from the earlier one and the delta between them. */
export function apply(previous: Observation, delta: Delta): Observation {
  const removed = new Set(delta.socketsRemoved);
  return {
    ticks: delta.ticks,
    namespaces: applyById(previous.namespaces, delta.namespaces, delta.namespacesRemoved),
    processes: applyById(previous.processes, delta.processes, delta.processesRemoved),
    sockets: applySockets(previous.sockets, delta, removed),
    familySockets: applyById(previous.familySockets, delta.familySockets, delta.socketsRemoved),
    holders: applyHolders(previous.holders, delta, removed),
    ended: nothingEnded,
    coverage: delta.coverage ?? previous.coverage,
    namespaceCoverage: new Map([
      ...previous.namespaceCoverage,
      ...delta.namespaceCoverage.map((coverage) => [coverage.namespace, coverage] as const),
    ]),
  };
}

function applySockets(previous: SocketTable, delta: Delta, removed: ReadonlySet<number>): SocketTable {
  const changeOf = new Map(
    [...delta.changes.id.subarray(0, delta.changes.length)].map((id, row) => [id, row]),
  );
  const sockets = new SocketTable(previous.length + delta.sockets.length + 1);
  for (let row = 0; row < previous.length; row++) {
    const id = previous.id[row]!;
    if (removed.has(id)) continue;
    const at = sockets.appendRow(previous, row);
    const change = changeOf.get(id) ?? -1;
    if (change >= 0)
      for (const column of changingSocketColumns) sockets[column][at] = delta.changes[column][change]!;
  }
  for (let row = 0; row < delta.sockets.length; row++)
    if (!removed.has(delta.sockets.id[row]!)) sockets.appendRow(delta.sockets, row);
  return sockets;
}

function applyById<Value extends { readonly id: number }>(
  previous: ReadonlyMap<number, Value>,
  changed: readonly Value[],
  removed: readonly number[],
): Map<number, Value> {
  const values = new Map(previous);
  for (const id of removed) values.delete(id);
  for (const value of changed) values.set(value.id, value);
  return values;
}

function applyHolders(previous: HolderTable, delta: Delta, removed: ReadonlySet<number>): HolderTable {
  const replaced = new Set(delta.holdersCleared);
  for (let row = 0; row < delta.holders.length; row++) replaced.add(delta.holders.socket[row]!);
  const holders = new HolderTable(previous.length + delta.holders.length + 1);
  for (let row = 0; row < previous.length; row++) {
    const socket = previous.socket[row]!;
    if (!removed.has(socket) && !replaced.has(socket))
      holders.append(socket, previous.process[row]!, previous.fd[row]!);
  }
  for (let row = 0; row < delta.holders.length; row++) {
    if (removed.has(delta.holders.socket[row]!)) continue;
    holders.append(delta.holders.socket[row]!, delta.holders.process[row]!, delta.holders.fd[row]!);
  }
  return holders;
}
