import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { formatAge } from "./age.ts";
import { escapeText } from "./escape-text.ts";
import { fitText, padText, textWidth } from "./text-width.ts";
import { formatBytes, referencePart } from "../views/view.ts";

describe("escapeText", () => {
  const cases: ReadonlyArray<readonly [text: string, escaped: string]> = [
    ["nginx", "nginx"],
    ["a\u001b[31mb", "a\\x1b[31mb"],
    ["a\nb\r\tc", "a\\nb\\r\\tc"],
    ["\u0000\u007f\u009b", "\\x00\\x7f\\x9b"],
    ["ab\u202ecd", "ab\\u202ecd"],
    ["zero\u200bwidth", "zero\\u200bwidth"],
    ["\ud800", "\\ud800"],
    ["\u{e0041}", "\\u{e0041}"],
    ["dev-disk\\x2dby.device", "dev-disk\\x2dby.device"],
    ["データ é 🙂", "データ é 🙂"],
  ];
  for (const [text, escaped] of cases) {
    it(`writes ${JSON.stringify(text)} as ${escaped}`, () => assert.equal(escapeText(text), escaped));
  }

  it("leaves nothing that a terminal obeys", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        assert.doesNotMatch(
          escapeText(text),
          /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]|\p{Cs}/u,
        );
      }),
    );
  });
});

describe("textWidth", () => {
  const cases: ReadonlyArray<readonly [text: string, width: number]> = [
    ["", 0],
    ["abc", 3],
    ["データ", 6],
    ["ﾃﾞｰﾀ", 4],
    ["한글", 4],
    ["e\u0301", 1],
    ["é", 1],
    ["🙂", 2],
    ["→", 1],
    ["…", 1],
  ];
  for (const [text, width] of cases) {
    it(`is ${width} for ${text}`, () => assert.equal(textWidth(text), width));
  }

  it("is what fitText() keeps to and padText() fills up to", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.nat({ max: 40 }), (text, columns) => {
        const escaped = escapeText(text);
        const fitted = fitText(escaped, columns);
        assert.ok(textWidth(fitted) <= columns);
        assert.ok(textWidth(escaped) > columns || fitted === escaped);
        assert.equal(textWidth(padText(fitted, columns)), columns);
      }),
    );
  });
});

describe("ages", () => {
  const ages: ReadonlyArray<readonly [ms: number, text: string]> = [
    [-5, "0s"],
    [999, "0s"],
    [119_999, "119s"],
    [120_000, "2m"],
    [192_000, "3m12s"],
    [10_800_000, "3h"],
    [11_520_000, "3h12m"],
    [93_600_000, "26h"],
    [200_000_000, "2d7h"],
    [864_000_000, "10d"],
  ];
  for (const [ms, text] of ages) {
    it(`shows an age of ${ms} as ${text}`, () => assert.equal(formatAge(ms), text));
  }
});

describe("formatBytes", () => {
  const cases: ReadonlyArray<readonly [bytes: number | undefined, text: string]> = [
    [undefined, ""],
    [0, "0"],
    [1023, "1023"],
    [1024, "1.0Ki"],
    [20_480, "20Ki"],
    [Number.MAX_SAFE_INTEGER, "8.0Pi"],
  ];
  for (const [bytes, text] of cases) {
    it(`shows ${bytes} as '${text}'`, () => assert.equal(formatBytes(bytes), text));
  }
});

describe("referencePart", () => {
  it("is always one word of printable ASCII that can be decoded", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const part = referencePart(text);
        assert.match(part, /^[!-}]*$/);
        assert.equal(decodeURIComponent(part), text.toWellFormed());
      }),
    );
  });
});
