import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

import fc from "fast-check";

import { parsePidStat } from "./pid-stat.ts";

const REST = "S 7 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 11 0 4711 50159616 4472 18446744073709551615 1 1 0\n";

describe("stat of a process", () => {
  it("returns name, state, parent and start", () => {
    const expected = { pid: 42, name: "node", state: "S", parentPid: 7, startTicks: 4711 };
    assert.deepEqual(parsePidStat(`42 (node) ${REST}`), expected);
  });

  it("of this process names its pid and parent", () => {
    const stat = parsePidStat(readFileSync("/proc/self/stat", "utf8"));
    assert.deepEqual([stat?.pid, stat?.parentPid], [process.pid, process.ppid]);
  });

  for (const name of ["a b", "x) R 1 (y", "))((", "line\nline", "", "\u001b[31m"]) {
    it(`takes the name ${JSON.stringify(name)}`, () => {
      assert.equal(parsePidStat(`42 (${name}) ${REST}`)?.name, name);
    });
  }

  for (const text of [
    "",
    "42 (node",
    `42 node ${REST}`,
    "42 (node) S 7 1 1\n",
    `42 (node) 7 ${REST}`,
    `x (node) ${REST}`,
  ]) {
    it(`makes no sense of ${JSON.stringify(text.slice(0, 20))}`, () =>
      assert.equal(parsePidStat(text), null));
  }

  it("takes any text", () => {
    fc.assert(fc.property(fc.string(), (text) => void parsePidStat(`42 (${text}) ${text}`)));
  });
});
