// `npm test [-- FILE…]`: runs the tests that need no cluster and no other kernel, or those of some files.

import { globSync } from "node:fs";
import path from "node:path";

import { runTool } from "../lib/program/run-tool.ts";
import { UsageError } from "../lib/program/usage-error.ts";
import { runTestFiles } from "./run-test-files.ts";

/** The tests that `npm test` runs. */
const everything = [
  "lib/**/*.test.ts",
  "services/**/*.test.ts",
  "cli/**/*.test.ts",
  "scripts/**/*.test.ts",
  "test/*.test.ts",
  "test/borders/**/*.test.ts",
  "test/local/**/*.test.ts",
  "test/simulation/**/*.test.ts",
];

const tool = {
  start: "npm test",
  summary: "Runs the tests that need no cluster and no other kernel.",
  words: {
    usage: "[FILE…]",
    help: [
      "FILE is a test file, or a pattern of test files in quotation marks; all tests by default:",
      ...everything.map((pattern) => `  "${pattern}"`),
    ],
  },
  flags: {},
};

await runTool(tool, process.argv.slice(2), async ({ words }) => {
  const patterns = words.length === 0 ? everything : words;
  const files = new Set(patterns.flatMap(testFiles));
  const seed = path.join(import.meta.dirname, "property-seed.ts");
  process.exitCode = await runTestFiles([...files].toSorted(), ["--import", seed]);
});

function testFiles(pattern: string): string[] {
  const files = globSync(pattern).filter((file) => file.endsWith(".test.ts"));
  if (files.length > 0) return files;
  throw new UsageError(
    `FILE takes a test file or a pattern such as "lib/**/*.test.ts", and '${pattern}' is no *.test.ts that exists.`,
  );
}
