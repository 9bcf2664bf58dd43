import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { changingSocketColumns, socketDiffers } from "./gen/tables/socket-columns.ts";
import { SocketTable } from "./socket-table.ts";
import { socketTable } from "./tables/socket.columns.ts";

/** The elements of one column of a row. */
function elements(table: SocketTable, name: string, row: number): number[] {
  const column = (table as unknown as Record<string, Uint32Array>)[name]!;
  const width = column.length / table.capacity;
  return [...column.subarray(row * width, (row + 1) * width)];
}

function setAll(table: SocketTable, name: string, row: number, value: number): void {
  const column = (table as unknown as Record<string, Uint32Array>)[name]!;
  const width = column.length / table.capacity;
  column.fill(value, row * width, (row + 1) * width);
}

function filled(rows: number): SocketTable {
  const table = new SocketTable(1);
  for (let row = 0; row < rows; row++) {
    const at = table.append();
    for (const [i, { name }] of socketTable.columns.entries())
      setAll(table, name, at, (row * 7 + i + 1) % 251);
  }
  return table;
}

const names = socketTable.columns.map(({ name }) => name);

function rowOf(table: SocketTable, row: number): number[][] {
  return names.map((name) => elements(table, name, row));
}

describe("the socket table", () => {
  it("keeps every column of every row as it grows", () => {
    const table = filled(100);
    for (const row of [0, 1, 63, 99])
      for (const [i, name] of names.entries())
        assert.ok(elements(table, name, row).every((value) => value === (row * 7 + i + 1) % 251));
  });

  it("copies every column, row by row and as a range", () => {
    const [from, into] = [filled(5), new SocketTable(1)];
    assert.equal(into.appendRow(from, 3), 0);
    assert.equal(into.appendRows(from, 1, 4), 3);
    assert.deepEqual(
      [0, 1, 2, 3].map((row) => rowOf(into, row)),
      [3, 1, 2, 3].map((row) => rowOf(from, row)),
    );
  });

  it("differs in each column that changes during a socket's life, and in no other", () => {
    const changing = new Set<string>(changingSocketColumns);
    for (const name of names) {
      const [a, b] = [filled(1), filled(1)];
      setAll(b, name, 0, 200);
      assert.equal(socketDiffers(a, 0, b, 0), changing.has(name), name);
    }
  });

  it("clears the columns that only some readers can see, and no others", () => {
    const [table, before] = [filled(1), filled(1)];
    table.clearCounters(0);
    for (const { name, group } of socketTable.columns)
      assert.deepEqual(elements(table, name, 0), group === undefined ? elements(before, name, 0) : [0], name);
  });

  it("has the field numbers of earlier versions for no other column", () => {
    const { columns, message, changeMessage } = socketTable;
    for (const [numbers, reserved] of [
      [columns.map(({ wire }) => wire), message?.reserved],
      [columns.map(({ change }) => change), changeMessage?.reserved],
    ] as const) {
      const used = numbers.filter((number) => number !== undefined);
      assert.equal(new Set(used).size, used.length);
      for (const [field] of reserved ?? []) assert.ok(!used.includes(field));
    }
  });
});
