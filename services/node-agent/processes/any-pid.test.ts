import assert from "node:assert/strict";
import { test } from "node:test";

import { PIDS_TRIED_MAX, withAnyPid } from "./any-pid.ts";

// Returns the pids that were tried and the result; only `good` succeeds.
function triedOf(pids: readonly number[], good: number, triedMax?: number): [number[], number | undefined] {
  const tried: number[] = [];
  const attempt = (pid: number): number | undefined => {
    tried.push(pid);
    return pid === good ? pid : undefined;
  };
  return [tried, triedMax === undefined ? withAnyPid(pids, attempt) : withAnyPid(pids, attempt, triedMax)];
}

const many = Array.from({ length: 100 }, (_, index) => 10_000_000 + index);

test("pids are tried in order until one succeeds", () => {
  assert.deepEqual(triedOf([7_000_001, 7_000_002, 7_000_003], 7_000_002), [
    [7_000_001, 7_000_002],
    7_000_002,
  ]);
});

test("our own process is tried first, and once", () => {
  assert.deepEqual(triedOf([7_000_001, process.pid, 7_000_002], 0)[0], [process.pid, 7_000_001, 7_000_002]);
});

test("no more pids are tried than the limit says", () => {
  assert.equal(triedOf(many, 0)[0].length, PIDS_TRIED_MAX);
  assert.equal(triedOf(many, 0, 64)[0].length, 64);
  assert.deepEqual(triedOf([], 1), [[], undefined]);
});

test("null is a result", () => {
  assert.equal(
    withAnyPid([7_000_001, 7_000_002], () => null),
    null,
  );
});
