// `npm run test:kernels [-- SUITE …]`: the tests of test/kernels/kernels.ts on other kernels. $KERNEL_RUNNER names the
// command that boots one: called as `RUNNER SUITE COMMAND` in this directory, it runs COMMAND as root on the suite's
// kernel with this machine's files, prints its output and exits with its status; $APPEND has kernel parameters.
//
// One line per kernel and file, what was skipped and what failed below it, and at the end `N passed, N failed, N skipped`.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

import type { Kernel } from "./kernels.ts";
import { kernels } from "./kernels.ts";

/** Seconds that one file may take, and a kernel to boot; one that hangs must not keep the others from running. */
const FILE_SECONDS_MAX = 400;
const BOOT_SECONDS_MAX = 240;

/** Begins the lines in a kernel's output that are ours. */
const MARK = "@kernels@";

const totals = { passed: 0, failed: 0, skipped: 0 };

async function runKernel(runner: string, kernel: Kernel): Promise<void> {
  const startMs = performance.now();
  const name = [kernel.suite, kernel.parameters].filter((word) => word !== "").join(" ");
  const limit = BOOT_SECONDS_MAX + kernel.tests.length * FILE_SECONDS_MAX;
  const child = spawn("timeout", [String(limit), runner, kernel.suite, commandOf(kernel.tests)], {
    env: { ...process.env, APPEND: kernel.parameters },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
  let version = "";
  let file = "";
  let fileStartMs = 0;
  let output: string[] = [];
  const done = new Set<string>();
  for await (const line of createInterface(child.stdout)) {
    const [mark, what, value, time] = line.split(" ");
    if (mark !== MARK) output.push(line);
    else if (what === "kernel") version = value!;
    else if (what === "file") {
      file = value!;
      fileStartMs = Number(time) * 1000;
      output = [];
    } else if (what === "exit") {
      tell(`${name} (${version})`, file, Number(value), Number(time) * 1000 - fileStartMs, output);
      done.add(file);
    }
  }
  const status = await exited;
  for (const each of kernel.tests) {
    if (done.has(each)) continue;
    totals.failed++;
    console.log(`FAIL ${name} (${version === "" ? "not booted" : version}) ${each}: did not run to its end`);
    if (each === file || file === "") console.log(output.slice(-40).join("\n"));
  }
  const seconds = Math.round((performance.now() - startMs) / 1000);
  console.log(`     ${name} took ${seconds} s, status ${status}`);
}

// What the kernel is to run. Node runs a file's tests in its own process: a start is dear where it is emulated.
function commandOf(files: readonly string[]): string {
  const node =
    "node --import ./test/property-seed.ts --test --test-isolation=none --test-reporter=./test/reporter.ts";
  const lines = [
    // Tests may do here what would disturb another machine: unload modules, set sysctls.
    "export OWN_KERNEL=1",
    `echo ${MARK} kernel $(uname -r)`,
    ...files.flatMap((file) => [
      `echo ${MARK} file ${file} $(cut -d ' ' -f 1 /proc/uptime)`,
      `timeout ${FILE_SECONDS_MAX} ${node} ${file} 2>&1`,
      `status=$?; echo; echo ${MARK} exit $status $(cut -d ' ' -f 1 /proc/uptime)`,
    ]),
  ];
  return lines.join("\n");
}

function tell(name: string, file: string, status: number, tookMs: number, output: readonly string[]): void {
  const count = (what: string): number => {
    const line = output.findLast((each) => /^\d+ passed, \d+ failed, \d+ skipped$/.test(each));
    return Number(new RegExp(`(\\d+) ${what}`).exec(line ?? "")?.[1] ?? 0);
  };
  const [passed, failed, skipped] = [count("passed"), count("failed"), count("skipped")];
  const bad = status !== 0 || failed > 0;
  totals.passed += passed;
  totals.failed += bad ? Math.max(1, failed) : 0;
  totals.skipped += skipped;
  const word = bad ? "FAIL" : passed === 0 ? "SKIP" : "PASS";
  const seconds = Math.round(tookMs / 1000);
  console.log(
    `${word} ${name} ${file}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${seconds} s`,
  );
  for (const line of output) if (bad || line.startsWith("SKIP ")) console.log(`     ${line}`);
}

const runner = process.env["KERNEL_RUNNER"];
const suites = process.argv.slice(2);
if (runner === undefined || runner === "") {
  console.log(
    "SKIP: KERNEL_RUNNER names no command that boots other kernels (RUNNER SUITE COMMAND); see CONTRIBUTING.md",
  );
  totals.skipped += kernels.length;
} else {
  for (const kernel of kernels)
    if (suites.length === 0 || suites.includes(kernel.suite)) await runKernel(runner, kernel);
}
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exitCode = totals.failed > 0 ? 1 : 0;
