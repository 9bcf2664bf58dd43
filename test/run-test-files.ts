// Runs test files with the reporter of this repository.

import { spawn } from "node:child_process";
import path from "node:path";

/** Runs test files with further flags of Node's. Returns the exit code: 0 if all passed. */
export function runTestFiles(files: readonly string[], flags: readonly string[]): Promise<number> {
  const reporter = path.join(import.meta.dirname, "reporter.ts");
  const args = [...flags, "--test", `--test-reporter=${reporter}`, ...files];
  const child = spawn(process.execPath, args, { stdio: "inherit" });
  const stop = (): void => void child.kill("SIGINT");
  process.on("SIGINT", stop).on("SIGTERM", stop); // The clean-up still runs.
  return new Promise((resolve) => child.on("close", (status) => resolve(status ?? 1)));
}
