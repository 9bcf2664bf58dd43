import assert from "node:assert/strict";
import { it } from "node:test";

import type { Caller } from "../attribute/callers.ts";
import { PendingConnects } from "./pending-connects.ts";

/** As many as are remembered. */
const CONNECTS_MAX = 2 ** 16;

const caller = (pid: number): Caller => ({
  pid,
  startTicks: 1,
  parentPid: 1,
  name: "curl",
  uid: 0,
  namespaceInode: 1,
  cgroup: 0,
  mountNamespace: 0,
});

it("a call is known until it ends, and once", () => {
  const connects = new PendingConnects();
  connects.add(7, caller(1), 1);
  connects.add(8, null, 5);
  assert.deepEqual([connects.has(7), connects.has(8), connects.has(9)], [true, true, false]);
  assert.equal(connects.take(7)?.caller?.pid, 1);
  assert.equal(connects.take(7), null);
  assert.deepEqual(connects.take(8), { caller: null, timeNs: 5 });
  assert.equal(connects.take(8), null);
  assert.equal(connects.take(9), null);
  assert.equal(connects.size, 0);
});

it("the latest call of a socket counts", () => {
  const connects = new PendingConnects();
  connects.add(7, caller(1), 1);
  connects.add(7, caller(2), 1);
  assert.equal(connects.size, 1);
  assert.equal(connects.take(7)?.caller?.pid, 2);
});

it("beyond the limit the oldest calls are forgotten and counted", () => {
  const connects = new PendingConnects();
  for (let cookie = 1; cookie <= CONNECTS_MAX; cookie++) connects.add(cookie, caller(cookie), 1);
  assert.equal(connects.forgotten, 0);
  // Called again, it is the youngest.
  connects.add(1, caller(1), 1);
  assert.equal(connects.forgotten, 0);
  connects.add(CONNECTS_MAX + 1, caller(CONNECTS_MAX + 1), 1);
  assert.deepEqual([connects.size, connects.forgotten], [CONNECTS_MAX, 1]);
  assert.deepEqual([connects.has(1), connects.has(2), connects.has(3)], [true, false, true]);
  assert.equal(connects.take(CONNECTS_MAX + 1)?.caller?.pid, CONNECTS_MAX + 1);
});
