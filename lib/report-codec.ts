// Encodes and decodes reports: the agent's tables travel as columns. Encoding is the agent's last step before
// the bus, decoding the aggregator's first step after it.

import { ColumnWriter, decodeColumn } from "./columns.ts";
import { FlowTable } from "./flow-table.ts";
import { flowChangeColumns, flowColumns } from "./gen/tables/flow-columns.ts";
import { holderColumns } from "./gen/tables/holder-columns.ts";
import { socketChangeColumns, socketColumns } from "./gen/tables/socket-columns.ts";
import { HolderTable } from "./holder-table.ts";
import { SocketTable } from "./socket-table.ts";
import type { FamilySocket } from "./gen/whotalks/v1/report.ts";
import { Report } from "./gen/whotalks/v1/report.ts";
import type { ColumnTable, Rows, TableColumns } from "./table-codec.ts";
import { readTable, writeTable } from "./table-codec.ts";

export type { Rows } from "./table-codec.ts";

/** The schema version that this code writes, and the only one that it accepts. */
export const REPORT_SCHEMA = 1;

/** Largest encoded report that readers accept. Agents split at half of it. */
export const REPORT_BYTES_MAX = 2 ** 20;

/** A report with its columns decoded into tables. */
export interface DecodedReport {
  /** Everything but the columns. Its column fields hold the bytes as they arrived. */
  readonly header: Report;
  /** Added sockets, with their ids in the id column; null if there are none. */
  readonly sockets: SocketTable | null;
  /**
   * Changed sockets: only id and the columns of SocketChangeColumns are meaningful. Null if there are none.
   */
  readonly changes: SocketTable | null;
  readonly socketsRemoved: Uint32Array;
  readonly familySockets: readonly FamilySocket[];
  readonly holders: HolderTable | null;
  readonly holdersCleared: Uint32Array;
  /** Added flows; null if there are none. */
  readonly flows: FlowTable | null;
  /** Changed flows: only id and the columns of FlowChangeColumns are meaningful. Null if there are none. */
  readonly flowChanges: FlowTable | null;
  readonly flowsRemoved: Uint32Array;
}

/** The tables of a report, which travel as columns. */
export interface ReportTables {
  readonly sockets?: Rows<SocketTable>;
  /** Whether the sockets' first sightings are omitted because all equal the report's own time. */
  readonly seenNow?: boolean;
  readonly changes?: Rows<SocketTable>;
  readonly holders?: Rows<HolderTable>;
  readonly flows?: Rows<FlowTable>;
  readonly flowChanges?: Rows<FlowTable>;
}

const writer = new ColumnWriter();

/**
 * Encodes a report: everything but the columns from `header`, whose own column fields are ignored, followed by
 * the tables. Fields of a protobuf message may come in any order.
 */
export function encodeReport(header: Report, tables: ReportTables): Uint8Array {
  writer.reset();
  write(16, socketColumns, tables.sockets, tables.seenNow === true ? "firstSeen" : undefined);
  write(17, socketChangeColumns, tables.changes);
  write(20, holderColumns, tables.holders);
  write(30, flowColumns, tables.flows);
  write(31, flowChangeColumns, tables.flowChanges);
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

function write<Table extends ColumnTable>(
  field: number,
  columns: TableColumns<Table>,
  rows: Rows<Table> | undefined,
  without?: Parameters<typeof writeTable<Table>>[3],
): void {
  if (rows === undefined) return;
  const start = writer.begin(field);
  writeTable(writer, columns, rows, without);
  writer.end(start);
}

/**
 * Reusable tables for decoding reports one after the other, if none outlives the next: decoding then produces
 * no garbage. Each table has room for the longest report so far, which REPORT_BYTES_MAX bounds.
 */
export class ReportTableSpace {
  #sockets: SocketTable | undefined;
  #changes: SocketTable | undefined;
  #holders: HolderTable | undefined;

  sockets(rows: number): SocketTable {
    if (this.#sockets === undefined || this.#sockets.capacity < rows) this.#sockets = new SocketTable(rows);
    return this.#sockets;
  }

  changes(rows: number): SocketTable {
    if (this.#changes === undefined || this.#changes.capacity < rows) this.#changes = new SocketTable(rows);
    return this.#changes;
  }

  holders(rows: number): HolderTable {
    if (this.#holders === undefined || this.#holders.capacity < rows) this.#holders = new HolderTable(rows);
    return this.#holders;
  }
}

/**
 * Decodes a report into new tables, or into the reused tables of a space. Returns an error message if the
 * bytes are not a valid report: truncated, not a protobuf message, a schema of another version, or columns
 * whose lengths do not fit.
 */
export function decodeReport(bytes: Uint8Array, space = new ReportTableSpace()): DecodedReport | string {
  if (bytes.length > REPORT_BYTES_MAX) return `${bytes.length} bytes, more than ${REPORT_BYTES_MAX}`;
  let header: Report;
  try {
    header = Report.decode(bytes);
  } catch (error) {
    return `not a report: ${error instanceof Error ? error.message : String(error)}`;
  }
  if (header.schema !== REPORT_SCHEMA) return `schema ${header.schema}, expected ${REPORT_SCHEMA}`;
  const sockets = header.sockets && readTable(socketColumns, header.sockets, (rows) => space.sockets(rows));
  if (sockets === null) return "socket columns of unequal lengths";
  if (sockets && header.sockets?.firstSeen.length === 0)
    sockets.firstSeen.fill(header.ticks, 0, sockets.length);
  const changes =
    header.changes && readTable(socketChangeColumns, header.changes, (rows) => space.changes(rows));
  if (changes === null) return "change columns of unequal lengths";
  const holders = header.holders && readTable(holderColumns, header.holders, (rows) => space.holders(rows));
  if (holders === null) return "holder columns of unequal lengths";
  const flows = header.flows && readTable(flowColumns, header.flows, (rows) => new FlowTable(rows));
  if (flows === null) return "flow columns of unequal lengths";
  const flowChanges =
    header.flowChanges && readTable(flowChangeColumns, header.flowChanges, (rows) => new FlowTable(rows));
  if (flowChanges === null) return "flow change columns of unequal lengths";
  const socketsRemoved = decodeIds(header.socketsRemoved);
  const holdersCleared = decodeIds(header.holdersCleared);
  const flowsRemoved = decodeIds(header.flowsRemoved);
  if (socketsRemoved === null || holdersCleared === null || flowsRemoved === null)
    return "id columns of a broken length";
  return {
    header,
    sockets: sockets ?? null,
    changes: changes ?? null,
    socketsRemoved,
    familySockets: header.familySockets,
    holders: holders ?? null,
    holdersCleared,
    flows: flows ?? null,
    flowChanges: flowChanges ?? null,
    flowsRemoved,
  };
}

function decodeIds(bytes: Uint8Array): Uint32Array | null {
  if (bytes.length % 4 !== 0) return null;
  const ids = new Uint32Array(bytes.length / 4);
  decodeColumn(bytes, ids.length, ids);
  return ids;
}
