// Finds the holder of a socket that opened and closed between two passes: an accepted one belonged to the
// process of the only listener on its port in its namespace. The opener of a connection cannot be found this
// way.

import { SocketState } from "../../../lib/vocabulary/states.ts";
import type { HolderTable } from "../../../lib/holder-table.ts";
import { firstRowsBySocket } from "../../../lib/holder-table.ts";
import type { SocketTable } from "../../../lib/socket-table.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";

const SEVERAL = -1;

/**
 * Appends to `into` the listeners' holders of the accepted sockets among those of `ended` for which
 * `includes` returns true. The descriptor is the listener's, since the socket's own is unknown.
 */
export function holdByListeners(
  ended: SocketTable,
  includes: (row: number) => boolean,
  living: SocketTable,
  holders: HolderTable,
  into: HolderTable,
): void {
  let listeners: Map<number, number> | null = null;
  let firstRows: Int32Array | null = null;
  for (let row = 0; row < ended.length; row++) {
    if (ended.protocol[row] !== Protocol.tcp || !includes(row)) continue;
    listeners ??= listenersOf(living);
    firstRows ??= firstRowsBySocket(holders);
    const listener = listeners.get(keyOf(ended, row));
    if (listener === undefined || listener === SEVERAL) continue;
    let holder = firstRows[listener] ?? -1;
    if (holder < 0) continue;
    for (; holder < holders.length && holders.socket[holder] === listener; holder++)
      into.append(ended.id[row]!, holders.process[holder]!, holders.fd[holder]!);
  }
}

function listenersOf(living: SocketTable): Map<number, number> {
  const listeners = new Map<number, number>();
  for (let row = 0; row < living.length; row++) {
    if (living.protocol[row] !== Protocol.tcp || living.state[row] !== SocketState.LISTEN) continue;
    const key = keyOf(living, row);
    listeners.set(key, listeners.has(key) ? SEVERAL : living.id[row]!);
  }
  return listeners;
}

function keyOf(table: SocketTable, row: number): number {
  return table.namespace[row]! * 65_536 + table.localPort[row]!;
}
