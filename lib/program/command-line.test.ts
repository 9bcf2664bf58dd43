import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";

import { readCommandLine } from "./command-line.ts";
import { UsageError } from "./usage-error.ts";

const known = {
  seed: { value: "S", help: "the seed" },
  check: { help: "write nothing" },
} as const;

describe("readCommandLine", () => {
  const cases: ReadonlyArray<readonly [args: string[], flags: Record<string, string>, words: string[]]> = [
    [[], {}, []],
    [["a", "--check", "b"], { check: "" }, ["a", "b"]],
    [["--seed", "5"], { seed: "5" }, []],
    [["--seed=5", "--seed=6"], { seed: "6" }, []],
    [["--seed="], { seed: "" }, []],
    [["--seed=-5"], { seed: "-5" }, []],
    [["--seed", "-"], { seed: "-" }, []],
    [["--", "--check", "-h"], {}, ["--check", "-h"]],
    [["-h"], { help: "" }, []],
    // No mistake keeps a user from help.
    [["--colour", "--help"], { help: "" }, []],
  ];
  for (const [args, flags, words] of cases) {
    it(`reads ${JSON.stringify(args)}`, () => {
      const given = readCommandLine(known, true, args);
      assert.deepEqual({ flags: Object.fromEntries(given.flags), words: given.words }, { flags, words });
    });
  }

  const mistakes: ReadonlyArray<readonly [args: string[], sentence: string]> = [
    [["--colour"], "unknown flag '--colour'; the flags are --seed, --check and --help."],
    [["-x"], "unknown flag '-x'; the flags are --seed, --check and --help."],
    [["-5"], "unknown flag '-5'; the flags are --seed, --check and --help."],
    [["--__proto__=1"], "unknown flag '--__proto__'; the flags are --seed, --check and --help."],
    [["--seed"], "--seed needs a value, as in --seed=S."],
    [["--seed", "--check"], "--seed needs a value, as in --seed=S."],
    [["--seed", "--help"], "--seed needs a value, as in --seed=S."],
    [["--check=yes"], "--check takes no value, not 'yes'."],
    [["--help=yes"], "--help takes no value, not 'yes'."],
    [["word"], "no word is expected here, and 'word' is one too many."],
  ];
  for (const [args, message] of mistakes) {
    it(`refuses ${JSON.stringify(args)}`, () => {
      assert.throws(() => readCommandLine(known, false, args), { name: "UsageError", message });
    });
  }

  it("names the only flag of a program without flags", () => {
    assert.throws(() => readCommandLine({}, false, ["--check"]), {
      message: "unknown flag '--check'; the only flag is --help.",
    });
  });

  it("reads any text, or throws a UsageError", () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom("--", "--seed", "--check", "-h", "--seed=1", "-", "--no-check"),
    );
    fc.assert(
      fc.property(fc.array(word), (args) => {
        try {
          readCommandLine(known, true, args);
        } catch (error) {
          assert.ok(error instanceof UsageError, String(error));
        }
      }),
    );
  });
});
