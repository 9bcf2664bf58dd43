import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { Edge } from "../../lib/gen/whotalks/v1/query.ts";
import { parseRelaxedPath } from "../jsonpath/parse-path.ts";
import type { AnswerPart } from "../ask/answer.ts";
import { escapeText } from "../text/escape-text.ts";
import * as canned from "../testing/canned-answers.ts";
import { textWidth } from "../text/text-width.ts";
import { edgesView } from "../views/edges.ts";
import { columnWidths, readTable, tableLine } from "./table.ts";

const wishes = { format: { name: "table" as const }, labels: false, sort: null, limit: 0 };

describe("columnWidths", () => {
  it("makes every line fit, the widest columns first", () => {
    const cells = fc.array(fc.string({ unit: "grapheme", maxLength: 30 }).map(escapeText), {
      minLength: 4,
      maxLength: 4,
    });
    fc.assert(
      fc.property(fc.array(cells, { minLength: 1 }), fc.integer({ min: 25, max: 200 }), (lines, columns) => {
        const widths = columnWidths(lines, columns);
        for (const line of lines) assert.ok(textWidth(tableLine(line, widths)) <= columns);
        const natural = columnWidths(lines, null);
        const widestCut = Math.max(0, ...widths.filter((width, index) => width < natural[index]!));
        for (const [index, width] of widths.entries()) {
          // A column is only cut while no other is wider.
          if (width < natural[index]!) assert.ok(widths.every((other) => other <= width + 1));
          else assert.ok(widestCut === 0 || width <= widestCut + 1);
        }
      }),
    );
  });

  it("cuts nothing unless asked to", () => {
    assert.deepEqual(
      columnWidths(
        [
          ["a", "bbb"],
          ["データ", "b"],
        ],
        null,
      ),
      [6, 3],
    );
  });
});

describe("readTable", () => {
  it("prints the same rows in the same order, however the answer was ordered", async () => {
    const straight = await readTable(edgesView, answer(canned.edges), wishes);
    const reversed = await readTable(edgesView, answer(canned.edges.toReversed()), wishes);
    assert.deepEqual(straight.rows, reversed.rows);
  });

  it("sorts numbers from the largest, ports from the smallest, texts from a to z", async () => {
    assert.deepEqual(await sortedColumn("total"), ["28", "21", "14", "7"]);
    assert.deepEqual(await sortedColumn("port"), ["443", "853", "5432", "8080"]);
    assert.deepEqual(await sortedColumn("server"), [
      "10.9.9.9?",
      "2001:db8::53",
      "nginx.service",
      "データ/sts/db",
    ]);
  });

  it("keeps the first rows after sorting and says that it left some out", async () => {
    const table = await readTable(edgesView, answer(canned.edges), {
      ...wishes,
      sort: { column: "total" },
      limit: 2,
    });
    assert.deepEqual(
      table.rows.map((row) => row.cells[5]),
      ["28", "21"],
    );
    assert.deepEqual(table.end, { part: "end", complete: false, matched: 4 });
  });

  it("sorts by a field of the JSON, those without it first", async () => {
    const sort = { path: parseRelaxedPath(".via.port"), typed: ".via.port" };
    const table = await readTable(edgesView, answer(canned.edges), { ...wishes, sort });
    assert.deepEqual(
      table.rows.map((row) => row.cells[3]),
      ["8080", "443", "853", "5432"],
    );
    const missing = { path: parseRelaxedPath(".nothing"), typed: ".nothing" };
    await assert.rejects(readTable(edgesView, answer(canned.edges), { ...wishes, sort: missing }), {
      name: "FailureError",
      message: "None of the edges has the field .nothing to sort by.",
    });
    assert.equal((await readTable(edgesView, answer([]), { ...wishes, sort: missing })).rows.length, 0);
  });

  it("does not take a row for changed because it grew older", async () => {
    const before = await readTable(edgesView, answer(canned.edges), wishes);
    const after = await readTable(
      edgesView,
      answer(canned.edges.map((edge) => Edge.create({ ...edge, lastSeenMs: edge.lastSeenMs + 9000 }))),
      wishes,
    );
    const opened = await readTable(
      edgesView,
      answer(canned.edges.map((edge) => Edge.create({ ...edge, open: edge.open + 1 }))),
      wishes,
    );
    assert.deepEqual(
      after.rows.map((row) => row.steady),
      before.rows.map((row) => row.steady),
    );
    assert.notDeepEqual(
      opened.rows.map((row) => row.steady),
      before.rows.map((row) => row.steady),
    );
    assert.equal(new Set(before.rows.map((row) => row.identity)).size, 4);
  });
});

async function* answer(edges: readonly Edge[]): AsyncGenerator<AnswerPart<Edge>> {
  yield { part: "head", timeMs: canned.timeMs, coverage: canned.coverage };
  yield { part: "items", items: edges.slice(0, 1) };
  yield { part: "items", items: edges.slice(1) };
  yield { part: "end", complete: true, matched: edges.length };
}

async function sortedColumn(sort: string): Promise<string[]> {
  const table = await readTable(edgesView, answer(canned.edges), { ...wishes, sort: { column: sort } });
  const index = edgesView.columns.findIndex((column) => column.key === sort);
  return table.rows.map((row) => row.cells[index]!);
}
