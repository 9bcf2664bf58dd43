// Runs the command line as a process, as users do, and returns its output and how it ended.

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const mainPath = fileURLToPath(new URL("../main.ts", import.meta.url));
const replaceStartLocal = new URL("replace-start-local.ts", import.meta.url).href;

/** A run that takes longer has hung. */
const RUN_MS_MAX = 20_000;

/** How a run ended. */
export interface CliRun {
  readonly stdout: string;
  readonly stderr: string;
  /** Null if a signal ended it. */
  readonly exitCode: number | null;
}

/** Options of a run. */
export interface CliRunOptions {
  readonly input?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** The server that replaces the pipeline of `local`. */
  readonly localAddress?: string;
  /** Node's own flags. */
  readonly nodeFlags?: readonly string[];
}

/** Starts the command line. */
export function startCli(
  words: readonly string[],
  options: CliRunOptions = {},
): ChildProcessWithoutNullStreams {
  const { NO_COLOR: _color, FORCE_COLOR: _force, NODE_OPTIONS: _options, ...environment } = process.env;
  const standIn = options.localAddress === undefined ? [] : ["--import", replaceStartLocal];
  return spawn(process.execPath, [...(options.nodeFlags ?? []), ...standIn, mainPath, ...words], {
    env: { ...environment, TZ: "UTC", CANNED_LOCAL: options.localAddress ?? "", ...options.environment },
  });
}

/** Runs the command line to its end. */
export async function runCli(words: readonly string[], options: CliRunOptions = {}): Promise<CliRun> {
  const child = startCli(words, options);
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  return endOf(child);
}

/** Waits for a started command line to end; kills it if it hangs. */
export async function endOf(child: ChildProcessWithoutNullStreams): Promise<CliRun> {
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (data: string) => (stdout += data));
  child.stderr.setEncoding("utf8").on("data", (data: string) => (stderr += data));
  const timer = setTimeout(() => child.kill("SIGKILL"), RUN_MS_MAX);
  const exitCode = await new Promise<number | null>((resolve) => child.on("close", resolve));
  clearTimeout(timer);
  return { stdout, stderr, exitCode };
}
