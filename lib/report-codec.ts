// Reports to bytes and back: the tables that agents keep in columns travel as columns. Encoding is the agent's last
// step before the bus, decoding the aggregator's first after it.

import { ColumnWriter, decodeColumn } from "./columns.ts";
import { decodeFlowChanges, decodeFlows, writeFlowChanges, writeFlows } from "./flow-codec.ts";
import type { FlowTable } from "./flow-table.ts";
import { HolderTable } from "./holder-table.ts";
import { SocketTable } from "./socket-table.ts";
import type {
  FamilySocket,
  HolderColumns,
  SocketChangeColumns,
  SocketColumns,
} from "./gen/whotalks/v1/report.ts";
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
  /** Added flows; null where there are none. */
  readonly flows: FlowTable | null;
  /** Changed flows: only id and the columns of FlowChangeColumns mean something. Null where there are none. */
  readonly flowChanges: FlowTable | null;
  readonly flowsRemoved: Uint32Array;
}

/** Rows [from, to) of a table. */
export interface Rows<Table> {
  readonly table: Table;
  readonly from: number;
  readonly to: number;
}

/** The tables of a report: what travels as columns. */
export interface ReportTables {
  readonly sockets?: Rows<SocketTable>;
  /** Whether the sockets' first sightings are left out, since all are the report's own time. */
  readonly seenNow?: boolean;
  readonly changes?: Rows<SocketTable>;
  readonly holders?: Rows<HolderTable>;
  readonly flows?: Rows<FlowTable>;
  readonly flowChanges?: Rows<FlowTable>;
}

const writer = new ColumnWriter();

/**
 * Encodes a report: everything that is no column from `header`, whose own column fields are not looked at, and the
 * tables behind it. Fields of a protobuf message may come in any order.
 */
export function encodeReport(header: Report, tables: ReportTables): Uint8Array {
  writer.reset();
  if (tables.sockets !== undefined) {
    const start = writer.begin(16);
    writeSockets(tables.sockets, tables.seenNow === true);
    writer.end(start);
  }
  if (tables.changes !== undefined) {
    const start = writer.begin(17);
    writeChanges(tables.changes);
    writer.end(start);
  }
  if (tables.holders !== undefined) {
    const start = writer.begin(20);
    writeHolders(tables.holders);
    writer.end(start);
  }
  if (tables.flows !== undefined) {
    const start = writer.begin(30);
    writeFlows(writer, tables.flows.table, tables.flows.from, tables.flows.to);
    writer.end(start);
  }
  if (tables.flowChanges !== undefined) {
    const start = writer.begin(31);
    writeFlowChanges(writer, tables.flowChanges.table, tables.flowChanges.from, tables.flowChanges.to);
    writer.end(start);
  }
  const columns = writer.bytes();
  const rest = Report.encode({
    ...header,
    sockets: undefined,
    changes: undefined,
    holders: undefined,
    flows: undefined,
    flowChanges: undefined,
  }).finish();
  const report = new Uint8Array(rest.length + columns.length);
  report.set(rest);
  report.set(columns, rest.length);
  return report;
}

// Field numbers are those of SocketColumns in report.proto.
function writeSockets({ table, from, to }: Rows<SocketTable>, seenNow: boolean): void {
  writer.uint32(1, to - from);
  writer.column(2, table.id, from, to);
  writer.column(3, table.namespace, from, to);
  writer.column(4, table.protocol, from, to);
  writer.column(5, table.family, from, to);
  writer.column(6, table.state, from, to);
  writeAddresses(table, from, to);
  writer.column(8, table.localPort, from, to);
  writer.column(9, table.remotePort, from, to);
  writer.column(10, table.inode, from, to);
  writer.column(11, table.uid, from, to);
  writer.column(12, table.recvQueue, from, to);
  writer.column(13, table.sendQueue, from, to);
  writer.column(14, table.timer, from, to);
  writer.column(15, table.timerDeadline, from, to);
  writer.column(16, table.retransmits, from, to);
  writer.column(17, table.references, from, to);
  writer.column(18, table.drops, from, to);
  if (!seenNow) writer.column(19, table.firstSeen, from, to);
  writer.column(20, table.dualStack, from, to);
  writer.column(21, table.cookieLow, from, to);
  writer.column(22, table.cookieHigh, from, to);
  writer.column(23, table.counted, from, to);
  writer.column(24, table.bytesSent, from, to);
  writer.column(25, table.bytesReceived, from, to);
  writer.column(26, table.rttMicros, from, to);
  writer.column(27, table.totalRetransmits, from, to);
  writer.column(28, table.attempt, from, to);
}

// Field numbers are those of SocketChangeColumns in report.proto.
function writeChanges({ table, from, to }: Rows<SocketTable>): void {
  writer.uint32(1, to - from);
  writer.column(2, table.id, from, to);
  writer.column(3, table.state, from, to);
  writer.column(4, table.inode, from, to);
  writer.column(5, table.uid, from, to);
  writer.column(6, table.recvQueue, from, to);
  writer.column(7, table.sendQueue, from, to);
  writer.column(8, table.timer, from, to);
  writer.column(9, table.timerDeadline, from, to);
  writer.column(10, table.retransmits, from, to);
  writer.column(11, table.references, from, to);
  writer.column(12, table.drops, from, to);
  writer.column(13, table.counted, from, to);
  writer.column(14, table.bytesSent, from, to);
  writer.column(15, table.bytesReceived, from, to);
  writer.column(16, table.rttMicros, from, to);
  writer.column(17, table.totalRetransmits, from, to);
  writer.column(18, table.cookieLow, from, to);
  writer.column(19, table.cookieHigh, from, to);
  writer.column(20, table.attempt, from, to);
}

// Field numbers are those of HolderColumns in report.proto.
function writeHolders({ table, from, to }: Rows<HolderTable>): void {
  writer.uint32(1, to - from);
  writer.column(2, table.socket, from, to);
  writer.column(3, table.process, from, to);
  writer.column(4, table.fd, from, to);
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
  const flowsRemoved = decodeIds(header.flowsRemoved);
  if (socketsRemoved === malformed || holdersCleared === malformed || flowsRemoved === malformed)
    return "id columns of a broken length";
  const flows = header.flows === undefined ? null : decodeFlows(header.flows);
  if (flows === null && header.flows !== undefined) return "flow columns of unequal lengths";
  const flowChanges = header.flowChanges === undefined ? null : decodeFlowChanges(header.flowChanges);
  if (flowChanges === null && header.flowChanges !== undefined)
    return "flow change columns of unequal lengths";
  return {
    header,
    sockets,
    changes,
    socketsRemoved,
    familySockets: header.familySockets,
    holders,
    holdersCleared,
    flows,
    flowChanges,
    flowsRemoved,
  };
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
    decodeColumn(columns.dualStack, count, table.dualStack) &&
    decodeCounters(columns, table);
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
    decodeColumn(columns.drops, count, table.drops) &&
    decodeCounters(columns, table);
  return whole ? table : malformed;
}

function decodeCounters(columns: SocketColumns | SocketChangeColumns, table: SocketTable): boolean {
  const { count } = columns;
  return (
    decodeColumn(columns.cookieLow, count, table.cookieLow) &&
    decodeColumn(columns.cookieHigh, count, table.cookieHigh) &&
    decodeColumn(columns.counted, count, table.counted) &&
    decodeColumn(columns.bytesSent, count, table.bytesSent) &&
    decodeColumn(columns.bytesReceived, count, table.bytesReceived) &&
    decodeColumn(columns.rttMicros, count, table.rttMicros) &&
    decodeColumn(columns.totalRetransmits, count, table.totalRetransmits) &&
    decodeColumn(columns.attempt, count, table.attempt)
  );
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
function writeAddresses({ family, addresses }: SocketTable, from: number, to: number): void {
  let length = 0;
  for (let row = from; row < to; row++) length += family[row] === 4 ? 8 : 32;
  writer.filled(7, length, (view) => {
    let at = 0;
    for (let row = from; row < to; row++) {
      const first = row * 8;
      if (family[row] === 4) {
        view.setUint32(at, addresses[first + 3]!);
        view.setUint32(at + 4, addresses[first + 7]!);
        at += 8;
      } else {
        for (let i = 0; i < 8; i++) view.setUint32(at + 4 * i, addresses[first + i]!);
        at += 32;
      }
    }
  });
}

// A row whose family is neither 4 nor 6 makes the table malformed: its width would be unknown. The table is new, so
// that what is not written is zero.
function decodeAddresses(bytes: Uint8Array, table: SocketTable): boolean {
  const { family, addresses, length } = table;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  for (let row = 0; row < length; row++) {
    const first = row * 8;
    if (family[row] === 4) {
      if (at + 8 > bytes.length) return false;
      addresses[first + 2] = 0xffff;
      addresses[first + 3] = view.getUint32(at);
      addresses[first + 6] = 0xffff;
      addresses[first + 7] = view.getUint32(at + 4);
      at += 8;
    } else {
      if (family[row] !== 6 || at + 32 > bytes.length) return false;
      for (let i = 0; i < 8; i++) addresses[first + i] = view.getUint32(at + 4 * i);
      at += 32;
    }
  }
  return at === bytes.length;
}
