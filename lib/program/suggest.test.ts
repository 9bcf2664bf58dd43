import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { didYouMean } from "./suggest.ts";

describe("didYouMean", () => {
  const known = ["edges", "connections", "listeners"];
  const cases: ReadonlyArray<readonly [word: string, answer: string]> = [
    ["conections", "Did you mean connections?"],
    ["edgse", "Did you mean edges?"],
    ["EDGES", "Did you mean edges?"],
    ["zebra", ""],
    ["", ""],
  ];
  for (const [word, answer] of cases) {
    it(`answers '${answer}' to '${word}'`, () => assert.equal(didYouMean(word, known), answer));
  }
});
