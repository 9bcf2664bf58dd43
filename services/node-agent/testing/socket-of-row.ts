// A row of a socket table as an object, as tests compare it.

import { formatAddress } from "../../../lib/address.ts";
import type { SocketTable } from "../../../lib/socket-table.ts";
import { stateWord } from "../../../lib/vocabulary/states.ts";
import { Timer } from "../../../lib/vocabulary/timers.ts";

/** A TCP socket as reports have it. */
export interface FoldedSocket {
  readonly id: number;
  readonly namespace: number;
  /** "127.0.0.1:80". */
  readonly local: string;
  readonly remote: string;
  readonly state: string;
  /** Whether it is the entry that the kernel keeps after a socket. */
  readonly isTimeWait: boolean;
  readonly cookie: number;
  readonly inode: number;
  readonly uid: number;
  readonly counted: boolean;
  readonly sent: number;
  readonly received: number;
  readonly attempt: number;
  readonly firstSeen: number;
  /** Ids of the processes that hold it. */
  readonly holders: readonly number[];
}

/** A row of a table without its holders. */
export function socketOf(table: SocketTable, row: number): FoldedSocket {
  const end = (place: number, port: number): string =>
    `${formatAddress(table.addresses, row * 8 + place)}:${port}`;
  return {
    id: table.id[row]!,
    namespace: table.namespace[row]!,
    local: end(0, table.localPort[row]!),
    remote: end(4, table.remotePort[row]!),
    firstSeen: table.firstSeen[row]!,
    holders: [],
    ...changeOf(table, row),
  };
}

/** What may change of a socket. */
export function changeOf(table: SocketTable, row: number) {
  return {
    state: stateWord(table.state[row]!),
    isTimeWait: table.timer[row] === Timer.timeWait,
    cookie: table.cookieHigh[row]! * 2 ** 32 + table.cookieLow[row]!,
    inode: table.inode[row]!,
    uid: table.uid[row]!,
    counted: table.counted[row] === 1,
    sent: table.bytesSent[row]!,
    received: table.bytesReceived[row]!,
    attempt: table.attempt[row]!,
  };
}
