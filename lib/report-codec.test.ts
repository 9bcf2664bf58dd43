import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import { Report } from "./gen/whotalks/v1/report.ts";
import { HolderTable } from "./holder-table.ts";
import { decodeReport, encodeReport, REPORT_SCHEMA, ReportTableSpace } from "./report-codec.ts";
import type { SocketTable } from "./socket-table.ts";
import { anySocketTable, rowsOf } from "../test/arbitraries/socket-table.ts";

const header = Report.fromPartial({ schema: REPORT_SCHEMA, node: "n", ticks: 7 });

function encode(sockets: SocketTable): Uint8Array {
  return encodeReport(header, { sockets: { table: sockets, from: 0, to: sockets.length } });
}

describe("the report codec", () => {
  it("returns every column of every row", () => {
    fc.assert(
      fc.property(anySocketTable(1), (sockets) => {
        const decoded = decodeReport(encode(sockets));
        assert.ok(typeof decoded !== "string" && decoded.sockets !== null);
        assert.deepEqual(
          rowsOf(decoded.sockets),
          // An all-zero column of first sightings is omitted and means the report's own time.
          rowsOf(sockets).map((row) =>
            allZero(sockets.firstSeen, sockets.length) ? { ...row, firstSeen: 7 } : row,
          ),
        );
      }),
    );
  });

  it("returns changes and holders", () => {
    fc.assert(
      fc.property(anySocketTable(1), (sockets) => {
        const holders = new HolderTable();
        for (let row = 0; row < sockets.length; row++) holders.append(sockets.id[row]!, row, row * 3);
        const encoded = encodeReport(header, {
          changes: { table: sockets, from: 0, to: sockets.length },
          holders: { table: holders, from: 0, to: holders.length },
        });
        const decoded = decodeReport(encoded);
        assert.ok(typeof decoded !== "string" && decoded.changes !== null && decoded.holders !== null);
        assert.deepEqual(
          decoded.changes.state.slice(0, sockets.length),
          sockets.state.slice(0, sockets.length),
        );
        assert.deepEqual(
          decoded.changes.timerDeadline.slice(0, sockets.length),
          sockets.timerDeadline.slice(0, sockets.length),
        );
        assert.deepEqual(decoded.holders.fd.slice(0, holders.length), holders.fd.slice(0, holders.length));
      }),
    );
  });

  it("reads the same into tables that held other reports before", () => {
    fc.assert(
      fc.property(fc.array(anySocketTable(1), { minLength: 2, maxLength: 4 }), (tables) => {
        const space = new ReportTableSpace();
        for (const sockets of tables) {
          const again = decodeReport(encode(sockets), space);
          const anew = decodeReport(encode(sockets));
          assert.ok(typeof again !== "string" && again.sockets !== null);
          assert.ok(typeof anew !== "string" && anew.sockets !== null);
          assert.deepEqual(rowsOf(again.sockets), rowsOf(anew.sockets));
        }
      }),
    );
  });

  it("takes any bytes without throwing", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void decodeReport(bytes)));
  });

  it("takes any damaged report without throwing, and never a row more than the bytes can hold", () => {
    fc.assert(
      fc.property(anySocketTable(1), fc.nat(), fc.integer({ min: 0, max: 255 }), (sockets, at, value) => {
        const bytes = encode(sockets);
        bytes[at % bytes.length] = value;
        const decoded = decodeReport(bytes);
        if (typeof decoded !== "string" && decoded.sockets !== null)
          assert.ok(decoded.sockets.length * 4 <= bytes.length);
      }),
    );
  });

  it("rejects a schema of another version, saying which", () => {
    const bytes = Report.encode(Report.fromPartial({ schema: 2 })).finish();
    assert.equal(decodeReport(bytes), "schema 2, expected 1");
  });
});

function allZero(column: Uint32Array, length: number): boolean {
  return column.subarray(0, length).every((value) => value === 0);
}
