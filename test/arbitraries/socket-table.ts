// Arbitrary socket tables for property tests: few distinct values per column, so that tuples collide often.

import fc from "fast-check";

import type { SocketColumns } from "../../lib/gen/tables/socket-columns.ts";
import { SocketTable } from "../../lib/socket-table.ts";
import { socketTable } from "../../lib/tables/socket.columns.ts";

type ColumnName = {
  [Name in keyof SocketColumns]: SocketColumns[Name] extends ArrayBufferView ? Name : never;
}[keyof SocketColumns];
type NumberName = Exclude<ColumnName, "addresses">;

const columnNames = socketTable.columns.map(({ name }) => name).filter((name) => name !== "addresses");

/** One row as a plain object, addresses as eight words. */
export type Row = Record<NumberName, number> & { addresses: readonly number[] };

/** The rows of a table, in order. */
export function rowsOf(table: SocketTable): Row[] {
  return Array.from({ length: table.length }, (_, row) => {
    const values = Object.fromEntries(numbersOf(table).map(([name, column]) => [name, column[row]!])) as Omit<
      Row,
      "addresses"
    >;
    return { ...values, addresses: Array.from(table.addresses.subarray(row * 8, row * 8 + 8)) };
  });
}

/** A table of rows. */
function tableOf(rows: readonly Row[]): SocketTable {
  const table = new SocketTable(Math.max(1, rows.length));
  for (const row of rows) {
    const at = table.append();
    for (const [name, column] of numbersOf(table)) column[at] = row[name];
    table.addresses.set(row.addresses, at * 8);
  }
  return table;
}

/** Tables of at least `min` rows with unique ids from 1 upwards in any order. */
export function anySocketTable(min: number): fc.Arbitrary<SocketTable> {
  return fc.array(anyRow(), { minLength: min, maxLength: 40 }).map((rows) => tableOf(withUniqueIds(rows)));
}

function numbersOf(table: SocketTable): [NumberName, SocketTable[NumberName]][] {
  return (columnNames as NumberName[]).map((name) => [name, table[name]]);
}

function withUniqueIds(rows: readonly Row[]): Row[] {
  const taken = new Set<number>();
  return rows.filter(({ id }) => !taken.has(id) && taken.add(id));
}

// Columns without their own arbitrary: few values, so that rows differ in each and are often equal.
const fewNumbers = Object.fromEntries(
  columnNames.map((name) => [name, fc.integer({ min: 0, max: 3 })]),
) as Record<NumberName, fc.Arbitrary<number>>;

/** One row. */
function anyRow(): fc.Arbitrary<Row> {
  const word = fc.oneof(fc.constantFrom(0, 0x0a000001, 0x7f000001), fc.integer({ min: 0, max: 0xffffffff }));
  const ipv4 = fc.tuple(word, word).map(([local, remote]) => [0, 0, 0xffff, local, 0, 0, 0xffff, remote]);
  const ipv6 = fc.array(word, { minLength: 8, maxLength: 8 });
  const addresses = fc.oneof(
    ipv4.map((words) => ({ family: 4, words })),
    ipv6.map((words) => ({ family: 6, words })),
  );
  const port = fc.oneof(fc.constantFrom(0, 80, 40000), fc.integer({ min: 0, max: 65535 }));
  return fc
    .record({
      ...fewNumbers,
      id: fc.integer({ min: 1, max: 60 }),
      namespace: fc.integer({ min: 0, max: 2 }),
      protocol: fc.constantFrom(6, 17, 255),
      state: fc.integer({ min: 1, max: 12 }),
      localPort: port,
      remotePort: port,
      inode: fc.oneof(
        fc.constant(0),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 0xffffffff }),
      ),
      uid: fc.integer({ min: 0, max: 2000 }),
      timer: fc.integer({ min: 0, max: 4 }),
      timerDeadline: fc.integer({ min: 0, max: 1000 }),
      retransmits: fc.integer({ min: 0, max: 255 }),
      cookieHigh: fc.integer({ min: 0, max: 1 }),
      counted: fc.integer({ min: 0, max: 1 }),
      bytesSent: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.maxSafeNat()),
      addresses,
    })
    .map(({ addresses: { family, words }, ...row }) => ({ ...row, family, addresses: words }));
}
