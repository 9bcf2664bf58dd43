import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import type { Table } from "../output/table.ts";
import * as canned from "../testing/canned-answers.ts";
import { textWidth } from "../text/text-width.ts";
import { ChangedRows } from "./changed-rows.ts";
import { drawFrame } from "./frame.ts";

function tableOf(count: number): Table {
  return {
    head: { part: "head", timeMs: canned.timeMs, coverage: canned.fullCoverage },
    headers: ["CLIENT", "SERVER"],
    rows: Array.from({ length: count }, (_, index) => ({
      identity: String(index),
      cells: [`client-with-a-long-name-${index}`, `データ-${index}`],
      steady: String(index),
      tone: "plain" as const,
    })),
    end: { part: "end", complete: true, matched: count },
  };
}

describe("drawFrame", () => {
  it("never draws more lines or columns than there are, and never scrolls", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 60 }),
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 2, max: 60 }),
        fc.array(fc.constantFrom("a note", "a longer note about something"), { maxLength: 3 }),
        (count, columns, rows, notes) => {
          const frame = drawFrame(
            "title",
            tableOf(count),
            notes,
            { columns, rows },
            { headers: true, colour: false },
          );
          assert.ok(frame.startsWith("\u001b[H") && frame.endsWith("\u001b[K\u001b[J"));
          const lines = frame
            .slice(3, -3)
            .split("\n")
            .map((line) => line.replace(/\u001b\[K$/, ""));
          assert.ok(lines.length <= rows - 1 || rows === 1, `${lines.length} lines in ${rows} rows`);
          for (const line of lines) assert.ok(textWidth(line) <= columns);
        },
      ),
    );
  });

  it("counts the rows that do not fit", () => {
    const frame = drawFrame(
      "title",
      tableOf(10),
      [],
      { columns: 80, rows: 7 },
      { headers: true, colour: false },
    );
    assert.match(frame, /client-with-a-long-name-2 .*\u001b\[K\n… and 7 more/);
    assert.doesNotMatch(frame, /name-3/);
  });
});

describe("ChangedRows", () => {
  it("prints new and changed rows only", () => {
    const changed = new ChangedRows();
    assert.equal(changed.header(["ID", "STATE"], [row("a", "open")]), "ID   STATE\n");
    assert.equal(changed.next([row("a", "open"), row("b", "open")]), "a    open\nb    open\n");
    assert.equal(changed.next([row("a", "open"), row("b", "open")]), "");
    assert.equal(changed.next([row("a", "closed"), row("b", "open")]), "a    closed\n");
    assert.equal(changed.next([]), "");
    assert.equal(changed.next([row("a", "closed")]), "a    closed\n");
  });
});

function row(identity: string, steady: string): Table["rows"][number] {
  return { identity, cells: [identity, steady], steady, tone: "plain" };
}
