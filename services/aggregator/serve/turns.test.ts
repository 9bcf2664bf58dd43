import assert from "node:assert/strict";
import { test } from "node:test";

import { Turns } from "./turns.ts";

function busy(): void {
  for (const endMs = performance.now() + 3; performance.now() < endMs;);
}

test("a short answer does not queue behind long ones, and long ones are not starved by short ones", async () => {
  const turns = new Turns();
  const order: string[] = [];
  const ask = (name: string, servedBytes: number): Promise<unknown> =>
    turns.run(servedBytes, () => order.push(name));
  await Promise.all([
    ...Array.from({ length: 10 }, (_, number) => ask(`long ${number}`, 1e6 + number)),
    ...Array.from({ length: 10 }, (_, number) => ask(`short ${number}`, number)),
  ]);
  assert.deepEqual(order.slice(0, 6), ["short 0", "long 0", "short 1", "long 1", "short 2", "long 2"]);
});

test("everything else runs between turns", async () => {
  const turns = new Turns();
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  await Promise.all(Array.from({ length: 40 }, () => turns.run(0, busy)));
  clearInterval(timer);
  assert.ok(ticks >= 10, `${ticks} ticks`);
});

test("an error of the work is the caller's", async () => {
  const turns = new Turns();
  const failing = turns.run(0, () => {
    throw new RangeError("no");
  });
  const after = turns.run(0, () => "next");
  await assert.rejects(failing, RangeError);
  assert.equal(await after, "next");
});
