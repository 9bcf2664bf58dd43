// Reports to bytes and back: the tables that agents keep in columns travel as columns. Encoding is the agent's last
// step before the bus, decoding the aggregator's first after it.

import { decodeColumn, encodeColumn } from "./columns.ts";
import { HolderTable } from "./holder-table.ts";
import { SocketTable } from "./socket-table.ts";
import type { FamilySocket, HolderColumns, SocketChangeColumns, SocketColumns } from "./gen/whotalks/v1/report.ts";
import { Report } from "./gen/whotalks/v1/report.ts";

/** The schema version that this code writes and the only one that it reads. */
export const REPORT_SCHEMA = 1;

/** Bytes that an encoded report has at most: what readers accept. Agents split at half of it. */
export const REPORT_BYTES_MAX = 2 ** 20;

/** A report with its columns decoded into tables. */
export interface DecodedReport {
  /** Everything that is no column. Its column fields hold the bytes as they came. */
  readonly header: Report;
  /** Added sockets, ids in their id column; null where there are none. */
  readonly sockets: SocketTable | null;
  /** Changed sockets: only id and the columns of SocketChangeColumns mean something. Null where there are none. */
  readonly changes: SocketTable | null;
  readonly socketsRemoved: Uint32Array;
  readonly familySockets: readonly FamilySocket[];
  readonly holders: HolderTable | null;
  readonly holdersCleared: Uint32Array;
}

/** Rows [from, to) of a table as the columns of a report. */
export function encodeSockets(table: SocketTable, from: number, to: number): SocketColumns {
  return {
    count: to - from,
    id: encodeColumn(table.id, from, to),
    namespace: encodeColumn(table.namespace, from, to),
    protocol: encodeColumn(table.protocol, from, to),
    family: encodeColumn(table.family, from, to),
    state: encodeColumn(table.state, from, to),
    addresses: encodeAddresses(table, from, to),
    localPort: encodeColumn(table.localPort, from, to),
    remotePort: encodeColumn(table.remotePort, from, to),
    inode: encodeColumn(table.inode, from, to),
    uid: encodeColumn(table.uid, from, to),
    recvQueue: encodeColumn(table.recvQueue, from, to),
    sendQueue: encodeColumn(table.sendQueue, from, to),
    timer: encodeColumn(table.timer, from, to),
    timerDeadline: encodeColumn(table.timerDeadline, from, to),
    retransmits: encodeColumn(table.retransmits, from, to),
    references: encodeColumn(table.references, from, to),
    drops: encodeColumn(table.drops, from, to),
    firstSeen: encodeColumn(table.firstSeen, from, to),
    dualStack: encodeColumn(table.dualStack, from, to),
  };
}

/** Rows [from, to) of a table of changed sockets as the columns of a report. */
export function encodeChanges(table: SocketTable, from: number, to: number): SocketChangeColumns {
  return {
    count: to - from,
    id: encodeColumn(table.id, from, to),
    state: encodeColumn(table.state, from, to),
    inode: encodeColumn(table.inode, from, to),
    uid: encodeColumn(table.uid, from, to),
    recvQueue: encodeColumn(table.recvQueue, from, to),
    sendQueue: encodeColumn(table.sendQueue, from, to),
    timer: encodeColumn(table.timer, from, to),
    timerDeadline: encodeColumn(table.timerDeadline, from, to),
    retransmits: encodeColumn(table.retransmits, from, to),
    references: encodeColumn(table.references, from, to),
    drops: encodeColumn(table.drops, from, to),
  };
}

/** Rows [from, to) of a holder table as the columns of a report. */
export function encodeHolders(table: HolderTable, from: number, to: number): HolderColumns {
  return {
    count: to - from,
    socket: encodeColumn(table.socket, from, to),
    process: encodeColumn(table.process, from, to),
    fd: encodeColumn(table.fd, from, to),
  };
}

/**
 * Reads a report. A string says what is wrong with bytes that are none: truncated, not a protobuf message, a schema
 * of another version, or columns whose lengths do not fit.
 */
export function decodeReport(bytes: Uint8Array): DecodedReport | string {
  if (bytes.length > REPORT_BYTES_MAX) return `${bytes.length} bytes, more than ${REPORT_BYTES_MAX}`;
  let header: Report;
  try {
    header = Report.decode(bytes);
  } catch (error) {
    return `not a report: ${error instanceof Error ? error.message : String(error)}`;
  }
  if (header.schema !== REPORT_SCHEMA) return `schema ${header.schema}, expected ${REPORT_SCHEMA}`;
  const sockets = header.sockets === undefined ? null : decodeSockets(header.sockets, header.ticks);
  if (sockets === malformed) return "socket columns of unequal lengths";
  const changes = header.changes === undefined ? null : decodeChanges(header.changes);
  if (changes === malformed) return "change columns of unequal lengths";
  const holders = header.holders === undefined ? null : decodeHolders(header.holders);
  if (holders === malformed) return "holder columns of unequal lengths";
  const socketsRemoved = decodeIds(header.socketsRemoved);
  const holdersCleared = decodeIds(header.holdersCleared);
  if (socketsRemoved === malformed || holdersCleared === malformed) return "id columns of a broken length";
  return { header, sockets, changes, socketsRemoved, familySockets: header.familySockets, holders, holdersCleared };
}

const malformed = Symbol("malformed");

// Ids start at 1, so the id column is never left out: its length bounds what a forged count can make us allocate.
function decodeSockets(columns: SocketColumns, ticks: number): SocketTable | typeof malformed {
  const { count } = columns;
  if (columns.id.length !== count * 4) return malformed;
  const table = new SocketTable(Math.max(1, count));
  table.length = count;
  const whole =
    decodeColumn(columns.id, count, table.id) &&
    decodeColumn(columns.namespace, count, table.namespace) &&
    decodeColumn(columns.protocol, count, table.protocol) &&
    decodeColumn(columns.family, count, table.family) &&
    decodeColumn(columns.state, count, table.state) &&
    decodeAddresses(columns.addresses, table) &&
    decodeColumn(columns.localPort, count, table.localPort) &&
    decodeColumn(columns.remotePort, count, table.remotePort) &&
    decodeColumn(columns.inode, count, table.inode) &&
    decodeColumn(columns.uid, count, table.uid) &&
    decodeColumn(columns.recvQueue, count, table.recvQueue) &&
    decodeColumn(columns.sendQueue, count, table.sendQueue) &&
    decodeColumn(columns.timer, count, table.timer) &&
    decodeColumn(columns.timerDeadline, count, table.timerDeadline) &&
    decodeColumn(columns.retransmits, count, table.retransmits) &&
    decodeColumn(columns.references, count, table.references) &&
    decodeColumn(columns.drops, count, table.drops) &&
    decodeColumn(columns.firstSeen, count, table.firstSeen) &&
    decodeColumn(columns.dualStack, count, table.dualStack);
  if (!whole) return malformed;
  if (columns.firstSeen.length === 0) table.firstSeen.fill(ticks, 0, count);
  return table;
}

function decodeChanges(columns: SocketChangeColumns): SocketTable | typeof malformed {
  const { count } = columns;
  if (columns.id.length !== count * 4) return malformed;
  const table = new SocketTable(Math.max(1, count));
  table.length = count;
  const whole =
    decodeColumn(columns.id, count, table.id) &&
    decodeColumn(columns.state, count, table.state) &&
    decodeColumn(columns.inode, count, table.inode) &&
    decodeColumn(columns.uid, count, table.uid) &&
    decodeColumn(columns.recvQueue, count, table.recvQueue) &&
    decodeColumn(columns.sendQueue, count, table.sendQueue) &&
    decodeColumn(columns.timer, count, table.timer) &&
    decodeColumn(columns.timerDeadline, count, table.timerDeadline) &&
    decodeColumn(columns.retransmits, count, table.retransmits) &&
    decodeColumn(columns.references, count, table.references) &&
    decodeColumn(columns.drops, count, table.drops);
  return whole ? table : malformed;
}

function decodeHolders(columns: HolderColumns): HolderTable | typeof malformed {
  const { count } = columns;
  if (columns.socket.length !== count * 4) return malformed;
  const table = new HolderTable(Math.max(1, count));
  table.length = count;
  const whole =
    decodeColumn(columns.socket, count, table.socket) &&
    decodeColumn(columns.process, count, table.process) &&
    decodeColumn(columns.fd, count, table.fd);
  return whole ? table : malformed;
}

function decodeIds(bytes: Uint8Array): Uint32Array | typeof malformed {
  if (bytes.length % 4 !== 0) return malformed;
  const ids = new Uint32Array(bytes.length / 4);
  decodeColumn(bytes, ids.length, ids);
  return ids;
}

// Four bytes an address where the row's family is 4, sixteen else, in network order; local before remote.
function encodeAddresses(table: SocketTable, from: number, to: number): Uint8Array {
  const { family, addresses } = table;
  let length = 0;
  for (let row = from; row < to; row++) length += family[row] === 4 ? 8 : 32;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (let row = from; row < to; row++) {
    const first = row * 8;
    if (family[row] === 4) {
      at = putWord(bytes, at, addresses[first + 3]!);
      at = putWord(bytes, at, addresses[first + 7]!);
    } else {
      for (let i = 0; i < 8; i++) at = putWord(bytes, at, addresses[first + i]!);
    }
  }
  return bytes;
}

function putWord(bytes: Uint8Array, at: number, word: number): number {
  bytes[at] = word >>> 24;
  bytes[at + 1] = word >>> 16;
  bytes[at + 2] = word >>> 8;
  bytes[at + 3] = word;
  return at + 4;
}

// A row whose family is neither 4 nor 6 makes the table malformed: its width would be unknown.
function decodeAddresses(bytes: Uint8Array, table: SocketTable): boolean {
  const { family, addresses, length } = table;
  let at = 0;
  for (let row = 0; row < length; row++) {
    const first = row * 8;
    if (family[row] === 4) {
      if (at + 8 > bytes.length) return false;
      addresses.fill(0, first, first + 8);
      addresses[first + 2] = 0xffff;
      addresses[first + 3] = takeWord(bytes, at);
      addresses[first + 6] = 0xffff;
      addresses[first + 7] = takeWord(bytes, at + 4);
      at += 8;
    } else {
      if (family[row] !== 6 || at + 32 > bytes.length) return false;
      for (let i = 0; i < 8; i++) addresses[first + i] = takeWord(bytes, at + 4 * i);
      at += 32;
    }
  }
  return at === bytes.length;
}

function takeWord(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
