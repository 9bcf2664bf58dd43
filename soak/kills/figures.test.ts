import assert from "node:assert/strict";
import { test } from "node:test";

import type { Figures } from "./figures.ts";
import { effectOf, effectTable, verdictOn } from "./figures.ts";

function figures(made: number, shown: number, told: number, more: Partial<Figures> = {}): Figures {
  return {
    made,
    shown,
    unseenEnds: told * 2,
    missingEnds: 0,
    countedSinceMs: 0,
    lostExamples: [],
    heldRight: true,
    ...more,
  };
}

const cases: { name: string; before: Figures; after: Figures; verdict: string | null }[] = [
  { name: "nothing happened", before: figures(10, 10, 0), after: figures(30, 30, 0), verdict: null },
  {
    name: "what was wrong before is no effect",
    before: figures(10, 8, 2),
    after: figures(30, 28, 2),
    verdict: null,
  },
  { name: "twice", before: figures(10, 10, 0), after: figures(30, 31, 0), verdict: "counted twice" },
  { name: "lost untold", before: figures(10, 10, 0), after: figures(30, 28, 1), verdict: "lost untold" },
  { name: "lost and told", before: figures(10, 10, 0), after: figures(30, 28, 2), verdict: null },
  {
    name: "told too much",
    before: figures(0, 0, 0),
    after: figures(200, 100, 106),
    verdict: "told too much",
  },
  { name: "a little too much", before: figures(0, 0, 0), after: figures(200, 100, 105), verdict: null },
  {
    name: "shown by one end or by flows alone",
    before: figures(0, 0, 0),
    after: figures(200, 190, 30, { missingEnds: 40 }),
    verdict: null,
  },
  {
    name: "lost, and sums begin later",
    before: figures(10, 10, 0),
    after: figures(30, 5, 0, { countedSinceMs: 60_000 }),
    verdict: null,
  },
  {
    name: "held ones are missing",
    before: figures(0, 0, 0),
    after: figures(10, 10, 0, { heldRight: false }),
    verdict: "held ones wrong",
  },
];

for (const { name, before, after, verdict } of cases)
  test(`an effect: ${name}`, () => assert.equal(verdictOn(effectOf("fault", before, after)), verdict));

test("the table has a line for each kind of fault", () => {
  const right = effectOf("a", figures(0, 0, 0), figures(10, 10, 0));
  const wrong = effectOf("a", figures(0, 0, 0), figures(10, 8, 0));
  assert.deepEqual(
    effectTable([right, wrong, { ...right, fault: "b" }])
      .split("\n")
      .slice(2),
    ["| a | 2 | 20 | 0 | 2 | 0 | lost untold (1) |", "| b | 1 | 10 | 0 | 0 | 0 | none |"],
  );
});
