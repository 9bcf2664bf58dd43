import assert from "node:assert/strict";
import { test } from "node:test";

import { StreamClock } from "./stream-clock.ts";

function clockAt(startMs: number): { clock: StreamClock; advance: (ms: number) => void } {
  let wallMs = startMs;
  return { clock: new StreamClock(() => wallMs), advance: (ms) => (wallMs += ms) };
}

test("before the first message the machine's own time is all there is", () => {
  assert.equal(clockAt(1000).clock.now(), 1000);
});

test("the fastest message determines the difference, whichever clock is ahead", () => {
  const { clock, advance } = clockAt(1_000_000);
  clock.measure(1_005_000 - 80);
  clock.measure(1_005_000 - 20);
  clock.measure(1_005_000 - 50);
  advance(500);
  assert.equal(clock.now(), 1_005_480);
});

test("a measurement outlives its window by one more and no longer", () => {
  const { clock, advance } = clockAt(1_000_000);
  clock.measure(1_000_000);
  advance(300_000);
  clock.measure(1_299_000);
  assert.equal(clock.now(), 1_300_000);
  advance(300_000);
  clock.measure(1_599_000);
  assert.equal(clock.now(), 1_599_000);
});

test("a difference of more than a day is not believed", () => {
  const { clock } = clockAt(1_000_000_000);
  clock.measure(0);
  assert.equal(clock.now(), 1_000_000_000);
});
