import assert from "node:assert/strict";
import { test } from "node:test";

import * as fc from "fast-check";

import { AddressSpans, SPANS_PER_ADDRESS_MAX } from "./cluster-addresses.ts";

type Step =
  | readonly ["hold", owner: string, earliest: number, certain: number]
  | readonly ["release", owner: string, until: number];

function spansOf(steps: readonly Step[]): AddressSpans {
  const spans = new AddressSpans();
  for (const step of steps) {
    if (step[0] === "hold") spans.hold("10.0.0.1", step[1], step[2], step[3]);
    else spans.release("10.0.0.1", step[1], step[2]);
  }
  return spans;
}

const cases: readonly {
  readonly name: string;
  readonly steps: readonly Step[];
  readonly owners: readonly (readonly [timeMs: number, owner: string | undefined])[];
}[] = [
  {
    name: "an owner is one from the earliest time until the end",
    steps: [
      ["hold", "a", 10, 20],
      ["release", "a", 30],
    ],
    owners: [
      [9, undefined],
      [10, "a"],
      [29, "a"],
      [30, undefined],
    ],
  },
  {
    name: "an address that is given on names each owner in its time",
    steps: [
      ["hold", "a", 10, 20],
      ["release", "a", 30],
      ["hold", "b", 25, 40],
    ],
    owners: [
      [28, "a"],
      [30, "b"],
      [50, "b"],
    ],
  },
  {
    name: "an owner certain of the address beats one whose end is told late",
    steps: [
      ["hold", "a", 10, 20],
      ["hold", "b", 15, 40],
      ["release", "a", 60],
    ],
    owners: [
      [30, "a"],
      [40, "b"],
      [59, "b"],
    ],
  },
  {
    name: "before either is certain it is the one that ends first",
    steps: [
      ["hold", "b", 10, 100],
      ["hold", "a", 5, 90],
      ["release", "a", 40],
    ],
    owners: [
      [20, "a"],
      [50, "b"],
    ],
  },
  {
    name: "an owner that has the address again has it twice",
    steps: [
      ["hold", "a", 10, 10],
      ["release", "a", 20],
      ["hold", "b", 20, 20],
      ["release", "b", 28],
      ["hold", "a", 10, 30],
    ],
    owners: [
      [15, "a"],
      [25, "b"],
      [35, "a"],
    ],
  },
  {
    name: "an end moves only to an earlier time",
    steps: [
      ["hold", "a", 10, 10],
      ["release", "a", 30],
      ["release", "a", 40],
      ["release", "a", 20],
    ],
    owners: [
      [19, "a"],
      [25, undefined],
    ],
  },
];

for (const { name, steps, owners } of cases) {
  test(name, () => {
    const spans = spansOf(steps);
    for (const [timeMs, owner] of owners)
      assert.equal(spans.ownerAt("10.0.0.1", timeMs), owner, `at ${timeMs}`);
  });
}

test("an owner that is reported twice changes nothing", () => {
  const spans = spansOf([["hold", "a", 10, 20]]);
  assert.equal(spans.hold("10.0.0.1", "a", 10, 50), false);
  assert.equal(spans.hold("10.0.0.1", "a", 5, 50), true);
});

test("successive owners are each named in their time, in whatever order they are reported", () => {
  const owners = fc.uniqueArray(fc.integer({ min: 1, max: 1000 }), {
    minLength: 2,
    maxLength: SPANS_PER_ADDRESS_MAX,
  });
  fc.assert(
    fc.property(
      owners.chain((starts) =>
        fc.tuple(
          fc.constant(starts.toSorted((a, b) => a - b)),
          fc.shuffledSubarray(starts, { minLength: starts.length }),
        ),
      ),
      ([starts, told]) => {
        const spans = new AddressSpans();
        for (const start of told) {
          const until = starts[starts.indexOf(start) + 1];
          spans.hold("10.0.0.1", `owner-${start}`, start, start);
          if (until !== undefined) spans.release("10.0.0.1", `owner-${start}`, until);
        }
        for (const start of starts) assert.equal(spans.ownerAt("10.0.0.1", start), `owner-${start}`);
      },
    ),
  );
});

test("an address with too many owners drops the owner that ended first, and counts it", () => {
  const spans = new AddressSpans();
  for (let i = 0; i <= SPANS_PER_ADDRESS_MAX; i++) {
    spans.hold("10.0.0.1", `owner-${i}`, i * 10, i * 10);
    spans.release("10.0.0.1", `owner-${i}`, i * 10 + 10);
  }
  assert.equal(spans.ownerAt("10.0.0.1", 5), undefined);
  assert.equal(spans.ownerAt("10.0.0.1", 15), "owner-1");
  assert.equal(spans.overflowed, 1);
});

test("what ended before the time to forget is forgotten, the rest is not", () => {
  const spans = spansOf([
    ["hold", "a", 10, 10],
    ["release", "a", 20],
    ["hold", "b", 20, 20],
  ]);
  spans.hold("10.0.0.2", "c", 1, 1);
  spans.release("10.0.0.2", "c", 2);
  spans.forget(21);
  assert.equal(spans.ownerAt("10.0.0.1", 15), undefined);
  assert.equal(spans.ownerAt("10.0.0.1", 25), "b");
  assert.equal(spans.size, 1);
});
