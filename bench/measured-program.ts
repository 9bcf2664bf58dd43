// Programs of whotalks as processes of a bench, started as `npm start` and the chart start them, with the
// kernel's figures for the whole process.

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";

import { TICKS_PER_SECOND } from "../lib/ticks.ts";

const root = path.join(import.meta.dirname, "..");

/** What to start. */
export interface ProgramStart {
  /** Path of the script, from the repository's root. */
  readonly script: string;
  readonly args: readonly string[];
  /** Node's own flags beside those of `npm start`. */
  readonly nodeFlags?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Starts a program. */
export function startProgram({ script, args, nodeFlags = [], environment }: ProgramStart): ChildProcess {
  return spawn(
    process.execPath,
    ["--max-semi-space-size=1", ...nodeFlags, path.join(root, script), ...args],
    {
      cwd: root,
      stdio: ["ignore", "ignore", "inherit"],
      // The environment of `npm start` and of the chart.
      env: {
        PATH: process.env["PATH"],
        HOME: process.env["HOME"],
        NODE_COMPILE_CACHE: "node_modules/.cache/whotalks",
        MALLOC_ARENA_MAX: "1",
        MALLOC_MMAP_THRESHOLD_: "8192",
        ...environment,
      },
    },
  );
}

/** Asks a program to stop and waits until it has. */
export async function stopProgram(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill();
  await ended;
}

/** CPU seconds, user and system, since the program's start. */
export function cpuSeconds({ pid }: ChildProcess): number {
  // utime and stime are fields 14 and 15; comm, field 2, may contain anything.
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Resident memory in MiB. */
export function residentMiB({ pid }: ChildProcess): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
}
