import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { StreamTicks } from "./stream-ticks.ts";

const START_MS = 1_700_000_000_250;

function ticking(): { readonly ticks: StreamTicks; readonly done: number[] } {
  const done: number[] = [];
  return { ticks: new StreamTicks((nowMs) => done.push((nowMs - START_MS + 250) / 1000)), done };
}

describe("ticks of the stream", () => {
  test("come at every full second that a message has passed, wherever the messages are", () => {
    const { ticks, done } = ticking();
    for (const ms of [0, 100, 700, 760, 800, 1750, 4000]) ticks.reach(START_MS + ms, 0);
    assert.deepEqual(done, [1, 2, 3, 4]);
  });

  test("are the same for messages one by one and for the clock in between", () => {
    const [replayed, live] = [ticking(), ticking()];
    for (let ms = 0; ms < 60_000; ms += 370) {
      replayed.ticks.reach(START_MS + ms, 0);
      live.ticks.reach(START_MS + ms, 0);
      live.ticks.pass(START_MS + ms + 210);
    }
    replayed.ticks.pass(START_MS + 60_000);
    live.ticks.pass(START_MS + 60_000);
    assert.deepEqual(replayed.done, live.done);
  });

  test("never go back, as when the stream is read again", () => {
    const { ticks, done } = ticking();
    ticks.reach(START_MS, 0);
    ticks.reach(START_MS + 5000, 0);
    ticks.reach(START_MS + 1000, 0);
    ticks.reach(START_MS + 6000, 0);
    assert.deepEqual(done, [1, 2, 3, 4, 5, 6]);
  });

  test("pass in a silence of the nodes, and not while NATS was away or the agents are on their way back", () => {
    const silent = ticking();
    silent.ticks.reach(START_MS, 0);
    silent.ticks.reach(START_MS + 120_000, 0);
    assert.equal(silent.done.length, 120);
    const away = ticking();
    away.ticks.reach(START_MS, 0);
    away.ticks.reach(START_MS + 120_000, 119_000);
    for (let ms = 120_500; ms < 137_000; ms += 500) away.ticks.reach(START_MS + ms, 0);
    assert.deepEqual(away.done, [136]);
    const held = ticking();
    held.ticks.reach(START_MS, 0);
    held.ticks.hold(START_MS + 120_000);
    held.ticks.pass(START_MS + 136_000);
    assert.deepEqual(held.done, [136]);
  });

  test("continue after a clock that was ahead has been corrected", () => {
    const { ticks, done } = ticking();
    ticks.reach(START_MS, 0);
    ticks.reach(START_MS + 3_600_000, 0);
    done.length = 0;
    for (const ms of [5000, 6000, 7000]) ticks.pass(START_MS + ms);
    assert.deepEqual(done, [6, 7]);
  });

  test("are at most ten minutes of seconds after a long silence", () => {
    const { ticks, done } = ticking();
    ticks.reach(START_MS, 0);
    ticks.reach(START_MS + 86_400_000, 0);
    assert.equal(done.length, 600);
    assert.equal(done.at(-1), 86_400);
  });
});
