import assert from "node:assert/strict";
import { test } from "node:test";

import { adviceFor, hashAdvice } from "./hash-advice.ts";

test("a separate hash for each namespace is advised if it would help, with the figures", () => {
  const told = adviceFor(110, 9.84, 262_144, 0)!;
  assert.match(told, /262144 buckets for each of 110 network namespaces, 9\.8 ms each/);
  assert.match(told, /net\.ipv4\.tcp_child_ehash_entries=4096/);
});

test("it is not advised if it would not help", () => {
  for (const [why, namespaces, msEach, buckets, ofChildren] of [
    ["few namespaces", 9, 10, 262_144, 0],
    ["cheap reading", 110, 0.2, 262_144, 0],
    ["a small hash", 110, 10, 8192, 0],
    ["a kernel before 6.1", 110, 10, null, null],
    ["namespaces that have their own already", 110, 10, 262_144, 4096],
  ] as const)
    assert.equal(adviceFor(namespaces, msEach, buckets, ofChildren), null, why);
});

test("unreadable settings yield no advice", () => {
  assert.equal(hashAdvice("/sys", 110, 10), null);
});
