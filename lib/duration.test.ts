import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";

import { parseDuration, writeDuration } from "./duration.ts";

describe("durations", () => {
  const read: ReadonlyArray<readonly [text: string, ms: number | null]> = [
    ["500ms", 500],
    ["1s", 1000],
    ["1.5s", 1500],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["5", null],
    ["", null],
    ["-1s", null],
    ["1s ", null],
    ["1d", null],
    ["Infinitys", null],
  ];
  for (const [text, ms] of read) {
    it(`reads '${text}' as ${ms}`, () => assert.equal(parseDuration(text), ms));
  }
  it("reads what it writes", () => {
    fc.assert(
      fc.property(fc.nat({ max: 999_999_999 }), (ms) => assert.equal(parseDuration(writeDuration(ms)), ms)),
    );
  });
});
