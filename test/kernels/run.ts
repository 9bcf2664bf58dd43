// `npm run test:kernels [-- SUITE …]`: runs the tests of test/kernels/kernels.ts on other kernels.
// $KERNEL_RUNNER names the command that boots one: called as `RUNNER SUITE COMMAND` in this directory, it runs
// COMMAND as root on the suite's kernel with this machine's files, prints its output and exits with its
// status; $APPEND has kernel parameters.
//
// Prints one line per kernel and file, followed by what was skipped and what failed, and at the end `N passed,
// N failed, N skipped`. Emulated machines are slow and their clocks drift: a failed file runs once more, on a
// freshly booted kernel, and if it passes its line says so. A file that fails twice has failed.

import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";

import { runTool } from "../../lib/program/run-tool.ts";
import { listedWord } from "../../lib/program/typed-values.ts";
import type { Kernel } from "./kernels.ts";
import { kernels } from "./kernels.ts";
import { packTests } from "./pack.ts";

/**
 * Timeouts of one file and of booting a kernel, in seconds, so that one that hangs does not block the others.
 */
const FILE_SECONDS_MAX = 300;
const BOOT_SECONDS_MAX = 240;

/** Kernels that run in parallel: each uses little more than one processor. */
const SIDE_BY_SIDE = Math.min(2, availableParallelism());

/**
 * Boot parameters of every kernel. One processor: with two emulated ones, Node.js occasionally crashes while
 * it loads TypeScript sources: in WebAssembly code, which strips their types, with a segmentation fault or
 * V8's "Check failed: it->second.Size() > offset". It crashed in 1 of 8 runs that only imported the agent's
 * modules, and in 4 of 16 runs of heard/this-kernel.test.ts (QEMU 7.2, kernel 6.1); with one processor in
 * none of 12, and one process is as fast. The emulator's clock: the processor's once ran tens of times too
 * fast.
 */
const PARAMETERS = "maxcpus=1 clocksource=hpet";

/** Prefix of our own lines in a kernel's output. */
const MARK = "@kernels@";

const suiteNames = [...new Set(kernels.map(({ suite }) => suite))];
const totals = { passed: 0, failed: 0, skipped: 0 };

/** The result of a test file. */
interface FileResult {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
  readonly output: readonly string[];
}

async function runKernel(runner: string, unpack: string, kernel: Kernel): Promise<void> {
  const startMs = performance.now();
  const name = [kernel.suite, kernel.parameters].filter((word) => word !== "").join(" ");
  const first = await boot(runner, unpack, kernel, kernel.tests);
  const where = `${name} (${first.version})`;
  const again: string[] = [];
  for (const result of first.results) {
    if (result.failed === 0) settle(where, result);
    else {
      again.push(result.file);
      tell("AGAIN", where, result);
    }
  }
  if (again.length > 0) {
    const { results } = await boot(runner, unpack, kernel, again);
    for (const result of results)
      settle(where, result, result.failed > 0 ? "failed twice" : "passed at the second attempt");
  }
  console.log(`     ${name} took ${Math.round((performance.now() - startMs) / 1000)} s`);
}

// Boots a kernel for some test files and returns their results.
async function boot(
  runner: string,
  unpack: string,
  { suite, parameters }: Kernel,
  files: readonly string[],
): Promise<{ version: string; results: FileResult[] }> {
  const limit = BOOT_SECONDS_MAX + files.length * FILE_SECONDS_MAX;
  const child = spawn("timeout", [String(limit), runner, suite, commandOf(unpack, files)], {
    env: { ...process.env, APPEND: `${PARAMETERS} ${parameters}`.trim() },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
  let version = "not booted";
  let fileStart = 0;
  let output: string[] = [];
  const results: FileResult[] = [];
  for await (const line of createInterface(child.stdout)) {
    const [mark, what, value, time] = line.split(" ");
    if (mark !== MARK) output.push(line);
    else if (what === "kernel") version = value!;
    else if (what === "file") {
      fileStart = Number(time);
      output = [];
    } else if (what === "exit") {
      results.push(resultOf(files[results.length]!, Number(value), Number(time) - fileStart, output));
      output = [];
    }
  }
  const status = await exited;
  for (const file of files.slice(results.length)) {
    const why = [`did not run to its end, status ${status}`, ...output.splice(0).slice(-40)];
    results.push({ file, passed: 0, failed: 1, skipped: 0, seconds: 0, output: why });
  }
  return { version, results };
}

// The command for the kernel. Node runs a file's tests in its own process, because starting one is expensive
// under emulation.
function commandOf(unpack: string, files: readonly string[]): string {
  const node =
    "node --import ./test/property-seed.ts --test --test-isolation=none --test-reporter=./test/reporter.ts";
  const lines = [
    // Allows tests that would disturb another machine: unload modules, set sysctls.
    "export OWN_KERNEL=1",
    `echo ${MARK} kernel $(uname -r)`,
    unpack,
    ...files.flatMap((file) => [
      `echo ${MARK} file ${file} $(cut -d ' ' -f 1 /proc/uptime)`,
      `timeout ${FILE_SECONDS_MAX} ${node} ${file} 2>&1`,
      "status=$?; echo",
      // If a signal ended it, the kernel log says where.
      "[ $status -lt 128 ] || dmesg | grep -E 'segfault|traps:|general protection|Out of memory' | tail -n 5",
      `echo ${MARK} exit $status $(cut -d ' ' -f 1 /proc/uptime)`,
    ]),
    // Failures were printed above.
    "true",
  ];
  return lines.join("\n");
}

function resultOf(file: string, status: number, seconds: number, output: readonly string[]): FileResult {
  const line = output.findLast((each) => /^\d+ passed, \d+ failed, \d+ skipped$/.test(each));
  const [passed = 0, failed = 0, skipped = 0] = [...(line ?? "").matchAll(/\d+/g)].map(Number);
  return { file, passed, failed: status === 0 ? failed : Math.max(1, failed), skipped, seconds, output };
}

// Counts a result and prints it.
function settle(where: string, result: FileResult, ...more: readonly string[]): void {
  const { passed, failed, skipped } = result;
  totals.passed += passed;
  totals.failed += failed;
  totals.skipped += skipped;
  tell(failed > 0 ? "FAIL" : passed === 0 ? "SKIP" : "PASS", where, result, ...more);
}

function tell(word: string, where: string, result: FileResult, ...more: readonly string[]): void {
  const { file, passed, failed, skipped, seconds, output } = result;
  const counts = [`${passed} passed`, `${failed} failed`, `${skipped} skipped`, `${Math.round(seconds)} s`];
  console.log(`${word} ${where} ${file}: ${[...counts, ...more].join(", ")}`);
  for (const line of output) if (failed > 0 || line.startsWith("SKIP ")) console.log(`     ${line}`);
}

async function runSuites(words: readonly string[]): Promise<void> {
  const suites = words.map((word) => listedWord("SUITE", word, suiteNames));
  const left = kernels.filter(({ suite }) => suites.length === 0 || suites.includes(suite));
  const runner = process.env["KERNEL_RUNNER"];
  if (runner === undefined || runner === "") {
    console.log(
      "SKIP: KERNEL_RUNNER names no command that boots other kernels (RUNNER SUITE COMMAND); see CONTRIBUTING.md",
    );
    totals.skipped += left.length;
  } else {
    using pack = packTests(process.cwd());
    await Promise.all(
      Array.from({ length: SIDE_BY_SIDE }, async () => {
        for (let kernel = left.shift(); kernel !== undefined; kernel = left.shift())
          await runKernel(runner, pack.unpack, kernel);
      }),
    );
  }
  console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
  process.exitCode = totals.failed > 0 ? 1 : 0;
}

const tool = {
  start: "npm run test:kernels",
  summary: "Runs the tests that depend on the kernel on other kernels, which $KERNEL_RUNNER boots.",
  words: {
    usage: "[SUITE…]",
    help: [`SUITE is one of ${suiteNames.join(", ")}; all by default.`],
  },
  flags: {},
};

await runTool(tool, process.argv.slice(2), ({ words }) => runSuites(words));
