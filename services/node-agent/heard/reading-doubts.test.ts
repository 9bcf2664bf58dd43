import assert from "node:assert/strict";
import { it } from "node:test";

import { DOUBT_MS, ReadingDoubts } from "./reading-doubts.ts";

it("what no record explains in time is missed", () => {
  const doubts = new ReadingDoubts();
  doubts.begin(100);
  doubts.addFound(7, 1, true);
  doubts.addFound(8, 3, false);
  doubts.addKept(70, 2, true);
  doubts.addKept(80, 4, false);
  assert.deepEqual([doubts.settle(99 + DOUBT_MS), doubts.missed], [[], 0]);
  assert.deepEqual([doubts.settle(100 + DOUBT_MS), doubts.missed], [[2], 2]);
  assert.deepEqual([doubts.settle(200 + DOUBT_MS), doubts.missed], [[], 2]);
});

it("what a record explains is not", () => {
  const doubts = new ReadingDoubts();
  doubts.begin(100);
  doubts.addFound(7, 1, true);
  doubts.addFound(8, 2, true);
  doubts.addKept(70, 3, true);
  doubts.explain(7, 1);
  doubts.explain(9, 3);
  doubts.settle(200);
  doubts.explain(8, undefined);
  assert.deepEqual([doubts.settle(1e6), doubts.missed], [[], 0]);
});

it("entries in TIME_WAIT are known until another reading", () => {
  const doubts = new ReadingDoubts();
  doubts.begin(100);
  doubts.addEntry(7, 1);
  doubts.settle(1e6);
  assert.deepEqual([doubts.entryOf(7), doubts.entryOf(8)], [1, undefined]);
  doubts.begin(200);
  assert.equal(doubts.entryOf(7), undefined);
});

it("another reading changes the rows of what is in doubt, and not the time", () => {
  const doubts = new ReadingDoubts();
  doubts.begin(100);
  doubts.addFound(7, 1, true);
  doubts.addKept(70, 2, true);
  doubts.begin(1000);
  doubts.addFound(7, 11, false);
  doubts.addKept(70, 12, true);
  assert.deepEqual([...doubts.unheard], [[7, 11]]);
  assert.deepEqual([doubts.settle(100 + DOUBT_MS), doubts.missed], [[12], 2]);
});

it("what another reading finds, or finds gone, is not in doubt any more", () => {
  const doubts = new ReadingDoubts();
  doubts.begin(100);
  doubts.addFound(7, 1, true);
  doubts.addKept(70, 2, true);
  doubts.begin(1000);
  assert.deepEqual([doubts.settle(1e6), doubts.missed], [[], 0]);
});
