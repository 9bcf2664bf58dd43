// Converts tables to columns of a report and back, driven by a description that maps each column to a field of
// the message: one mechanism for sockets, holders, flows and their changes. The overhead is per column, not
// per row.

import type { Column, ColumnWriter } from "./columns.ts";
import { decodeColumn } from "./columns.ts";

/** A table whose columns travel in reports. */
export interface ColumnTable {
  /** Rows in use. */
  length: number;
}

/** Rows [from, to) of a table. */
export interface Rows<Table> {
  readonly table: Table;
  readonly from: number;
  readonly to: number;
}

/** Names of a table's columns. */
type ColumnName<Table> = {
  [Name in keyof Table]: Table[Name] extends Column ? Name : never;
}[keyof Table] &
  string;

/**
 * One column: its field number, its name in the table and in the message, and its elements per row if not one.
 */
type ColumnField<Table> = readonly [field: number, name: ColumnName<Table>, width?: number];

/** The columns of a table that travel. Field 1 is the number of rows. */
export interface TableColumns<Table> {
  /** The rows' ids: they start at 1, so this column is never omitted. */
  readonly key: ColumnField<Table>;
  readonly columns: readonly ColumnField<Table>[];
  /**
   * Field and number per row of the column `addresses`, four words each: on the wire 4 bytes if the row's
   * family is 4, else 16, in network order.
   */
  readonly addresses?: readonly [field: number, perRow: number];
}

/** The columns of a decoded message. */
type Message<Table> = { readonly count: number } & Readonly<
  Partial<Record<ColumnName<Table> | "addresses", Uint8Array>>
>;

/**
 * Writes rows as the fields of a message, except the columns that `without` names, which are read as zeros.
 */
export function writeTable<Table extends ColumnTable>(
  writer: ColumnWriter,
  { key, columns, addresses }: TableColumns<Table>,
  { table, from, to }: Rows<Table>,
  without?: ColumnName<Table>,
): void {
  writer.uint32(1, to - from);
  writer.column(key[0], columnOf(table, key[1]), from, to);
  for (const [field, name, width = 1] of columns)
    if (name !== without) writer.column(field, columnOf(table, name), from * width, to * width);
  if (addresses !== undefined) writeAddresses(writer, addresses[0], addresses[1], { table, from, to });
}

/**
 * Reads rows into the table that `tableFor` returns for this number of rows, overwriting those columns.
 * Returns null if the columns' lengths do not fit, or if a family is neither 4 nor 6.
 */
export function readTable<Columns extends ColumnTable, Table extends Columns>(
  { key, columns, addresses }: TableColumns<Columns>,
  message: Message<Columns>,
  tableFor: (rows: number) => Table,
): Table | null {
  const { count } = message;
  // The length of the ids bounds the allocation that a forged count can cause.
  if (bytesOf(message, key[1]).length !== count * 4) return null;
  const table = tableFor(Math.max(1, count));
  table.length = count;
  decodeColumn(bytesOf(message, key[1]), count, columnOf(table, key[1]));
  for (const [, name, width = 1] of columns)
    if (!decodeColumn(bytesOf(message, name), count * width, columnOf(table, name))) return null;
  return addresses === undefined || readAddresses(bytesOf(message, "addresses"), addresses[1], table)
    ? table
    : null;
}

const NO_BYTES = new Uint8Array(0);

function bytesOf(message: object, name: string): Uint8Array {
  return (message as Readonly<Record<string, Uint8Array | undefined>>)[name] ?? NO_BYTES;
}

function columnOf(table: object, name: string): Column {
  return (table as Readonly<Record<string, Column>>)[name]!;
}

/**
 * A table with addresses: the rows' families, and four words for each of the row's addresses (IPv4 mapped).
 */
interface Addressed {
  readonly family: Uint8Array;
  readonly addresses: Uint32Array;
}

function writeAddresses(
  writer: ColumnWriter,
  field: number,
  perRow: number,
  { table, from, to }: Rows<ColumnTable>,
): void {
  const { family, addresses } = table as unknown as Addressed;
  let length = 0;
  for (let row = from; row < to; row++) length += family[row] === 4 ? perRow * 4 : perRow * 16;
  writer.filled(field, length, (view) => {
    let at = 0;
    let first = from * perRow * 4;
    for (let row = from; row < to; row++) {
      const ipv4 = family[row] === 4;
      for (let i = 0; i < perRow; i++, first += 4) {
        if (!ipv4) {
          view.setUint32(at, addresses[first]!);
          view.setUint32(at + 4, addresses[first + 1]!);
          view.setUint32(at + 8, addresses[first + 2]!);
          at += 12;
        }
        view.setUint32(at, addresses[first + 3]!);
        at += 4;
      }
    }
  });
}

// A row whose family is neither 4 nor 6 makes the table malformed: the width of its addresses is unknown.
function readAddresses(bytes: Uint8Array, perRow: number, table: ColumnTable): boolean {
  const { family, addresses } = table as unknown as Addressed;
  const { length } = table;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const limit = bytes.length;
  let at = 0;
  let first = 0;
  for (let row = 0; row < length; row++) {
    const ipv4 = family[row] === 4;
    if ((!ipv4 && family[row] !== 6) || at + (ipv4 ? perRow * 4 : perRow * 16) > limit) return false;
    for (let i = 0; i < perRow; i++, first += 4) {
      if (ipv4) {
        addresses[first] = 0;
        addresses[first + 1] = 0;
        addresses[first + 2] = 0xffff;
      } else {
        addresses[first] = view.getUint32(at);
        addresses[first + 1] = view.getUint32(at + 4);
        addresses[first + 2] = view.getUint32(at + 8);
        at += 12;
      }
      addresses[first + 3] = view.getUint32(at);
      at += 4;
    }
  }
  return at === limit;
}
