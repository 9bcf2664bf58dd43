import assert from "node:assert/strict";
import { it } from "node:test";

import { ReadingDoubts } from "./reading-doubts.ts";

it("what no record explains until the report after the next is missed", () => {
  const doubts = new ReadingDoubts();
  doubts.begin();
  doubts.addUnheard(7, 1);
  doubts.addUnread(2);
  assert.deepEqual([doubts.settle(), doubts.missed], [[], 0]);
  assert.deepEqual([doubts.settle(), doubts.missed], [[2], 2]);
  assert.deepEqual([doubts.settle(), doubts.missed], [[], 2]);
});

it("what a record explains is not", () => {
  const doubts = new ReadingDoubts();
  doubts.begin();
  doubts.addUnheard(7, 1);
  doubts.addUnheard(8, 2);
  doubts.addUnread(3);
  doubts.explain(7, 1);
  doubts.explain(9, 3);
  doubts.settle();
  doubts.explain(8, undefined);
  assert.deepEqual([doubts.settle(), doubts.missed], [[], 0]);
});

it("entries in TIME_WAIT are known until then", () => {
  const doubts = new ReadingDoubts();
  doubts.begin();
  doubts.addEntry(7, 1);
  doubts.settle();
  assert.deepEqual([doubts.entryOf(7), doubts.entryOf(8)], [1, undefined]);
  doubts.settle();
  assert.equal(doubts.entryOf(7), undefined);
});

it("another reading begins anew", () => {
  const doubts = new ReadingDoubts();
  doubts.begin();
  doubts.addUnheard(7, 1);
  doubts.addUnread(2);
  doubts.addEntry(8, 3);
  doubts.begin();
  assert.equal(doubts.entryOf(8), undefined);
  doubts.settle();
  assert.deepEqual([doubts.settle(), doubts.missed], [[], 0]);
});
