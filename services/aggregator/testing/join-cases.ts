// Named matching cases: what agents report, and the expected connections.

import assert from "node:assert/strict";
import { test } from "node:test";

import type { TestReport } from "./reports.ts";
import { World } from "./world.ts";

export const host = { id: 0, inode: 1, host: true };
export const namespaceOne = { id: 1, inode: 101 };
export const namespaceTwo = { id: 2, inode: 102 };
export const namespaceThree = { id: 3, inode: 103 };
export const all = [host, namespaceOne, namespaceTwo, namespaceThree];
export const processes = [
  { id: 1, pid: 11, startTicks: 5, name: "server", exe: "/bin/server" },
  { id: 2, pid: 12, startTicks: 6, name: "client", exe: "/bin/client" },
  { id: 3, pid: 13, startTicks: 7, name: "other", exe: "/bin/other" },
];

/** One case. */
export interface JoinCase {
  readonly name: string;
  readonly reports: readonly (readonly [content: TestReport, node?: string])[];
  readonly expect: readonly string[];
  readonly ambiguous?: number;
}

/** Creates a test from each case. */
export function testJoins(cases: readonly JoinCase[]): void {
  for (const { name, reports, expect, ambiguous } of cases) {
    void test(name, () => {
      const world = new World();
      for (const [content, node] of reports) world.report(content, node);
      assert.deepEqual(world.lines().toSorted(), expect.toSorted());
      assert.equal(world.aggregator.counts().ambiguousEnds, ambiguous ?? 0);
      assert.equal(world.aggregator.counts().rejected, 0);
      assert.equal(world.aggregator.counts().rowsRejected, 0);
    });
  }
}
