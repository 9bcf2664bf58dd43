import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import { FlowTable } from "./flow-table.ts";
import { Report } from "./gen/whotalks/v1/report.ts";
import { decodeReport, encodeReport, REPORT_SCHEMA } from "./report-codec.ts";

const header = Report.fromPartial({ schema: REPORT_SCHEMA, node: "n", ticks: 7 });
const scalars = ["id", "namespace", "protocol", "family", "state", "status", "zone", "firstSeen"] as const;

function rowsOf(table: FlowTable): unknown[] {
  return Array.from({ length: table.length }, (_, row) => [
    ...scalars.map((name) => table[name][row]),
    ...table.addresses.subarray(row * 16, row * 16 + 16),
    ...table.ports.subarray(row * 4, row * 4 + 4),
    ...table.counters.subarray(row * 4, row * 4 + 4),
  ]);
}

function anyFlows(): fc.Arbitrary<FlowTable> {
  const word = fc.constantFrom(0, 1, 0x0a000001, 0xffffffff);
  const row = fc.record({
    family: fc.constantFrom(4, 6),
    words: fc.array(word, { minLength: 16, maxLength: 16 }),
    numbers: fc.array(fc.nat(255), { minLength: 20, maxLength: 20 }),
    bytes: fc.nat(2 ** 40),
  });
  return fc.array(row, { minLength: 1, maxLength: 20 }).map((rows) => {
    const table = new FlowTable(1);
    for (const { family, words, numbers, bytes } of rows) {
      const at = table.append();
      for (const [i, name] of scalars.entries()) table[name][at] = numbers[i]!;
      table.id[at] = at + 1;
      table.family[at] = family;
      const mapped = words.map((each, i) => (i % 4 === 3 ? each : i % 4 === 2 ? 0xffff : 0));
      table.addresses.set(family === 4 ? mapped : words, at * 16);
      table.ports.set(numbers.slice(12, 16), at * 4);
      table.counters.set([numbers[16]!, bytes, numbers[18]!, numbers[19]!], at * 4);
    }
    return table;
  });
}

function encode(flows: FlowTable): Uint8Array {
  const rows = { table: flows, from: 0, to: flows.length };
  return encodeReport(header, { flows: rows, flowChanges: rows });
}

describe("flows in a report", () => {
  it("give back every column of every row", () => {
    fc.assert(
      fc.property(anyFlows(), (flows) => {
        const decoded = decodeReport(encode(flows));
        assert.ok(typeof decoded !== "string" && decoded.flows !== null && decoded.flowChanges !== null);
        assert.deepEqual(rowsOf(decoded.flows), rowsOf(flows));
        const { length } = flows;
        for (const name of ["id", "state", "status"] as const)
          assert.deepEqual(decoded.flowChanges[name].subarray(0, length), flows[name].subarray(0, length));
        assert.deepEqual(
          decoded.flowChanges.counters.subarray(0, length * 4),
          flows.counters.subarray(0, length * 4),
        );
      }),
    );
  });

  it("do no harm when damaged", () => {
    fc.assert(
      fc.property(anyFlows(), fc.nat(), fc.integer({ min: 0, max: 255 }), (flows, at, value) => {
        const bytes = encode(flows);
        bytes[at % bytes.length] = value;
        const decoded = decodeReport(bytes);
        if (typeof decoded !== "string" && decoded.flows !== null)
          assert.ok(decoded.flows.length * 4 <= bytes.length);
      }),
    );
  });
});
