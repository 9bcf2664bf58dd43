import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { retryDelayMs } from "./retry-delay.ts";

test("waits double, stay within the range and keep half of the wait whatever chance says", () => {
  const range = { firstMs: 100, maxMs: 5000 };
  assert.equal(
    retryDelayMs(1, range, () => 0),
    50,
  );
  assert.equal(
    retryDelayMs(3, range, () => 0),
    200,
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (failures, chance) => {
        const delay = retryDelayMs(failures, range, () => chance);
        assert.ok(delay >= 50 && delay <= 5000);
      },
    ),
  );
});
