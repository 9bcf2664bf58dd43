// Tests that need a process of their own (a pid namespace, fewer capabilities): the child runs named checks
// and prints one line of JSON per check; the test that spawned it turns each into a subtest.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import type { TestContext } from "node:test";
import { inspect } from "node:util";

type Line =
  | { readonly check: string; readonly error: string | null }
  | { readonly impossible: string }
  | { readonly done: true };

/** In the child: runs one check and prints its result. The first failure ends the process. */
export async function check(name: string, body: () => void | Promise<void>): Promise<void> {
  try {
    await body();
    print({ check: name, error: null });
  } catch (error) {
    print({ check: name, error: inspect(error) });
    process.exit(1);
  }
}

/** In the child: ends the process after the last check. */
export function checksDone(): never {
  print({ done: true });
  process.exit(0);
}

/** In the child: ends the process because nothing can be checked here. */
export function checksImpossible(reason: string): never {
  print({ impossible: reason });
  process.exit(0);
}

/**
 * In the test: runs `command` and reports each of its checks as a subtest. Returns null, or the reason why the
 * child could not check anything.
 */
export async function runChecks(t: TestContext, command: readonly string[]): Promise<string | null> {
  const [program, ...words] = command;
  const { stdout, status, signal } = spawnSync(program!, words, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  let checks = 0;
  let done = false;
  for (const text of stdout.split("\n")) {
    if (text === "") continue;
    const line = JSON.parse(text) as Line;
    if ("impossible" in line) return line.impossible;
    if ("done" in line) {
      done = true;
      continue;
    }
    checks++;
    await t.test(line.check, () => {
      if (line.error !== null) assert.fail(line.error);
    });
  }
  assert.deepEqual(
    { done, status, signal },
    { done: true, status: 0, signal: null },
    `after ${checks} checks`,
  );
  assert.notEqual(checks, 0);
  return null;
}

function print(line: Line): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
