import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

import fc from "fast-check";

import { parseTcpCounters } from "./net-snmp.ts";

const capture = new URL("../../../test/fixtures/captures/node1/pid-561-node/net-snmp", import.meta.url);

describe("TCP counters", () => {
  it("are found by name in a captured file", () => {
    const text = readFileSync(capture, "utf8");
    assert.deepEqual(parseTcpCounters(text, 5), {
      activeOpens: 0,
      passiveOpens: 2,
      attemptFails: 0,
      readNs: 5,
    });
  });

  it("are found wherever the columns stand", () => {
    const text = "Tcp: AttemptFails MaxConn PassiveOpens ActiveOpens\nTcp: 3 -1 2 1\n";
    assert.deepEqual(parseTcpCounters(text, 5), {
      activeOpens: 1,
      passiveOpens: 2,
      attemptFails: 3,
      readNs: 5,
    });
  });

  const broken: readonly (readonly [what: string, text: string])[] = [
    ["an empty file", ""],
    ["a line of names only", "Tcp: ActiveOpens PassiveOpens AttemptFails\n"],
    ["fewer values than names", "Tcp: ActiveOpens PassiveOpens AttemptFails\nTcp: 1 2\n"],
    ["a value that may have been cut", "Tcp: ActiveOpens PassiveOpens AttemptFails\nTcp: 1 2 3"],
    ["a value that is none", "Tcp: ActiveOpens PassiveOpens AttemptFails\nTcp: 1 x 3\n"],
    ["a missing name", "Tcp: ActiveOpens PassiveOpens Fails\nTcp: 1 2 3\n"],
  ];
  for (const [what, text] of broken) {
    it(`are unknown from ${what}`, () => assert.equal(parseTcpCounters(text, 5), null));
  }

  it("take any text", () => {
    fc.assert(fc.property(fc.string(), (text) => void parseTcpCounters(`Tcp: ${text}\nTcp: ${text}\n`, 5)));
  });
});
