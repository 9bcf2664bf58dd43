import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Report } from "../gen/whotalks/v1/report.ts";
import { endsKeyframe, readReportHead, type ReportHead, startsKeyframe } from "./report-head.ts";

test("the head is what the whole report says", () => {
  fc.assert(
    fc.property(
      fc.record({
        node: fc.string({ minLength: 1 }).filter((name) => name.isWellFormed()),
        epoch: fc.maxSafeNat(),
        sequence: fc.maxSafeNat(),
        keyframe: fc.boolean(),
        part: fc.nat({ max: 100 }),
      }),
      (fields) => {
        const whole = { ...fields, parts: fields.part + 1 };
        const bytes = Report.encode(
          Report.fromPartial({ schema: 1, bootId: "boot", ticks: 7, pods: [{ uid: "u" }], ...whole }),
        ).finish();
        assert.deepEqual(readReportHead(bytes), whole);
      },
    ),
  );
});

test("any bytes give a head or none, never an error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const found = readReportHead(bytes);
      assert.ok(found === null || found.node !== "");
    }),
  );
});

test("a report without a node, or with a part beyond its parts, is rejected", () => {
  assert.equal(readReportHead(Report.encode(Report.fromPartial({ epoch: 1 })).finish()), null);
  assert.equal(
    readReportHead(Report.encode(Report.fromPartial({ node: "n", part: 2, parts: 2 })).finish()),
    null,
  );
});

function head(keyframe: boolean, part: number, parts: number): ReportHead {
  return { node: "n", epoch: 1, sequence: 1, keyframe, part, parts };
}

test("a keyframe starts with its first part and ends with its last one", () => {
  assert.deepEqual([startsKeyframe(head(true, 0, 2)), endsKeyframe(head(true, 0, 2))], [true, false]);
  assert.deepEqual([startsKeyframe(head(true, 1, 2)), endsKeyframe(head(true, 1, 2))], [false, true]);
  assert.deepEqual([startsKeyframe(head(false, 0, 1)), endsKeyframe(head(false, 0, 1))], [false, false]);
});
