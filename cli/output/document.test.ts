import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { parse } from "yaml";
import { csvCells, csvLine, yamlText } from "./document.ts";

describe("csvLine", () => {
  it("can be read back by the rules of RFC 4180", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: fc.constantFrom("a", '"', ",", " ", "é", "'") }), { minLength: 1 }),
        (cells) => {
          assert.deepEqual(readCsv(csvLine(cells)), cells);
        },
      ),
    );
  });

  it("escapes what a terminal would obey", () => {
    assert.equal(csvLine(["a\u001b[2J\nb", 'say "hi"']), 'a\\x1b[2J\\nb,"say ""hi"""\n');
  });
});

describe("csvCells", () => {
  it("finds values by their place, and leaves empty what is not there", () => {
    const item = {
      uid: "c0",
      server: { ip: "::1", process: { pid: 0 } },
      evidence: ["flow", "client-socket"],
      closed: false,
    };
    assert.deepEqual(
      csvCells(
        ["uid", "server.process.pid", "server.process.name", "client.ip", "evidence", "closed", "uid.length"],
        item,
      ),
      ["c0", "0", "", "", "flow client-socket", "false", ""],
    );
  });
});

describe("yamlText", () => {
  it("means what it was made from and has nothing in it that a terminal obeys", async () => {
    const write = await yamlText();
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (text, key) => {
        const value = { name: text, labels: { [key]: text } };
        const yaml = write(value);
        assert.doesNotMatch(
          yaml,
          /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/,
        );
        assert.deepEqual(parse(yaml), value);
      }),
    );
  });
});

// A minimal reader of RFC 4180.
function readCsv(line: string): string[] {
  const cells: string[] = [];
  let rest = line.slice(0, -1);
  while (true) {
    const match = /^(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/.exec(rest);
    assert.ok(match !== null, `no cell begins at ${rest}`);
    cells.push(match[1]?.replaceAll('""', '"') ?? match[2]!);
    if (match[3] === "") return cells;
    rest = rest.slice(match[0].length);
  }
}
