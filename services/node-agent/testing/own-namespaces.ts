// Tests that need pid and network namespaces of their own.

import { spawnSync } from "node:child_process";
import type { TestContext } from "node:test";

import { runChecks } from "../../../lib/testing/child-checks.ts";

/** Runs the checks of a script, by its path, in pid and network namespaces of its own. */
export async function runInNamespaces(t: TestContext, script: string): Promise<void> {
  const inNamespaces = ["--pid", "--net", "--fork", "--kill-child", "--mount-proc"];
  if (spawnSync("unshare", [...inNamespaces, "true"]).status !== 0)
    return t.skip("namespaces cannot be made here");
  const command = ["unshare", ...inNamespaces, process.execPath, script];
  const impossible = await runChecks(t, command);
  if (impossible !== null) t.skip(impossible);
}
