import assert from "node:assert/strict";
import { test } from "node:test";
import { timeNs } from "./nats-stream-point.ts";

test("times keep their nanoseconds", () => {
  assert.equal(timeNs("1970-01-01T00:00:01.000000001Z"), 1_000_000_001n);
  assert.equal(timeNs("1970-01-01T00:00:01.5Z"), 1_500_000_000n);
  assert.equal(timeNs("1970-01-01T01:00:01+01:00"), 1_000_000_000n);
  assert.equal(timeNs("2026-01-02T03:04:05.123456789Z") % 1_000_000_000n, 123_456_789n);
});

test("an invalid time is refused", () => {
  for (const text of ["", "now", "2026-01-02", "2026-99-02T03:04:05Z"])
    assert.throws(() => timeNs(text), RangeError, text);
});
