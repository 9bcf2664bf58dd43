import assert from "node:assert/strict";
import { test } from "node:test";

import { jitter } from "./jitter.ts";

test("jitter spreads ids over equal steps below the span", () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 7].map((id) => jitter(id, 4, 100)),
    [0, 25, 50, 75, 0, 75],
  );
});
