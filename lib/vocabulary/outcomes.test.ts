import assert from "node:assert/strict";
import { test } from "node:test";

import { normalizeOutcome, Outcome, outcomeWord, outcomeWords } from "./outcomes.ts";

test("every outcome but none has a word, and is found by it", () => {
  assert.equal(outcomeWord(Outcome.none), "");
  const words = Object.values(Outcome).map(outcomeWord).slice(1);
  assert.deepEqual(words, [...outcomeWords]);
  for (const word of words) assert.equal(normalizeOutcome(word.toUpperCase()), word);
});

test("a time-out has several spellings; an unknown outcome is null", () => {
  for (const text of ["timed_out", "TimedOut", "timeout"]) assert.equal(normalizeOutcome(text), "timed-out");
  assert.equal(normalizeOutcome("won"), null);
});
