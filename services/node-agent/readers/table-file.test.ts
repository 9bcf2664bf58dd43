import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";

import { parseLines } from "../procfs/table-lines.ts";
import { TABLE_BUFFER_BYTES, TableFile } from "./table-file.ts";

const directory = mkdtempSync(path.join(tmpdir(), "whotalks-table-"));
after(() => rmSync(directory, { recursive: true }));

function linesOf(text: string): { lines: string[]; refused: number } {
  const file = path.join(directory, "table");
  writeFileSync(file, text);
  const lines: string[] = [];
  const tally = { linesMalformed: 0, overflowed: 0 };
  const failure = new TableFile().read(file, (bytes, start, end, atEnd) =>
    parseLines(bytes, start, end, atEnd, tally, (line, lineStart, lineEnd) => {
      if (lineEnd - lineStart >= 1000) return false;
      lines.push(Buffer.from(line).toString("utf8", lineStart, lineEnd));
      return true;
    }),
  );
  assert.equal(failure, null);
  return { lines, refused: tally.linesMalformed };
}

const nothing = (): number => assert.fail("there is nothing to parse");

describe("a table's file", () => {
  it("is read line by line, however many reads it takes", () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i} ${"x".repeat(i % 90)}`);
    assert.deepEqual(linesOf(`${lines.join("\n")}\n`), { lines, refused: 0 });
  });

  it("hands on a last line without a newline", () => {
    assert.deepEqual(linesOf("a\nb"), { lines: ["a", "b"], refused: 0 });
    assert.deepEqual(linesOf(""), { lines: [], refused: 0 });
  });

  it("continues after a line that no buffer holds", () => {
    const endless = "x".repeat(3 * TABLE_BUFFER_BYTES + 5000);
    const { lines, refused } = linesOf(`before\n${endless}\nafter\n`);
    assert.deepEqual(lines, ["before", "after"]);
    assert.ok(refused >= 1);
  });

  it("that is absent, or cannot be read, is reported", () => {
    const file = new TableFile();
    assert.equal(file.read(path.join(directory, "missing"), nothing), "absent");
    assert.equal(file.read(path.join(directory, "table", "below"), nothing), "absent");
    assert.equal(file.read(directory, nothing), "denied");
  });
});
