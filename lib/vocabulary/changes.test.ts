import assert from "node:assert/strict";
import { test } from "node:test";

import { EventKind } from "../gen/whotalks/v1/query.ts";
import { Change, changeWord } from "./changes.ts";

test("the words of a watch are those of EventKind", () => {
  const words = Object.entries(Change).map(([word, number]) => [`EVENT_KIND_${word.toUpperCase()}`, number]);
  assert.deepEqual({ EVENT_KIND_UNSPECIFIED: 0, ...Object.fromEntries(words) }, EventKind);
  for (const [word, number] of Object.entries(Change)) assert.equal(changeWord(number), word);
});

test("a number that a newer server sends is unknown", () => assert.equal(changeWord(4), "unknown"));
