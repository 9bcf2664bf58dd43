// Golden files: reviewed output of the command line. UPDATE_GOLDEN=1 rewrites them; review the difference like
// any other.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

const directory = new URL("../golden/", import.meta.url);

/** Compares a text with a golden file. */
export function assertGolden(name: string, text: string): void {
  const file = new URL(name, directory);
  if (process.env["UPDATE_GOLDEN"] === "1") {
    mkdirSync(directory, { recursive: true });
    writeFileSync(file, text);
    return;
  }
  assert.equal(
    text,
    readFileSync(file, "utf8"),
    `differs from cli/golden/${name}; UPDATE_GOLDEN=1 rewrites it`,
  );
}
