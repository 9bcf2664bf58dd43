import assert from "node:assert/strict";
import { describe, it } from "node:test";

import {
  Family,
  isFamily,
  normalizeProtocol,
  Protocol,
  protocolWord,
  storeProtocolWord,
} from "./protocols.ts";

describe("normalizeProtocol", () => {
  const cases: ReadonlyArray<readonly [text: string, word: string | null]> = [
    ["tcp", "tcp"],
    ["TCP", "tcp"],
    ["6", "tcp"],
    ["006", "tcp"],
    ["47", "gre"],
    ["gre", "gre"],
    ["dccp", "dccp"],
    ["ipv6-icmp", "icmpv6"],
    ["IPv6_ICMP", "icmpv6"],
    ["icmp6", "icmpv6"],
    ["2", "igmp"],
    ["ospf", "ospf"],
    ["255", "raw"],
    ["unix", "unix"],
    ["0", "0"],
    ["99", "99"],
    ["249", "249"],
    // The aggregator's numbers for families: no protocol of an answer has them.
    ["250", null],
    ["251", null],
    ["252", null],
    ["0250", null],
    ["253", "253"],
    ["256", null],
    ["99999999999", null],
    ["-6", null],
    ["6.0", null],
    ["tpc", null],
    ["", null],
  ];
  for (const [text, word] of cases) {
    it(`${JSON.stringify(text)} is ${word}`, () => assert.equal(normalizeProtocol(text), word));
  }
});

describe("words of protocols", () => {
  it("are found again by themselves and by their number", () => {
    for (const [word, number] of Object.entries(Protocol)) {
      assert.equal(protocolWord(number), word);
      assert.equal(normalizeProtocol(word), word);
      assert.equal(normalizeProtocol(String(number)), word);
    }
    for (const [word, number] of Object.entries(Family)) {
      assert.equal(storeProtocolWord(number), word);
      assert.equal(normalizeProtocol(word), word);
    }
  });

  it("are found again for every number that an answer can have", () => {
    for (let number = 0; number <= 255; number++) {
      const word = isFamily(number) ? null : storeProtocolWord(number);
      assert.equal(normalizeProtocol(String(number)), word, String(number));
    }
  });

  it("are the number if there is none", () => assert.equal(protocolWord(99), "99"));
});
