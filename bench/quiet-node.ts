// An isolated node for a bench: pid, mount and network namespaces in which only the bench and its load run, so
// that nothing else on the machine is read or measured.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";

/** Set in the environment of the process that runs inside. */
const INSIDE = "WHOTALKS_BENCH_QUIET_NODE";

/** Runs `bench` in a fresh process on an isolated node; needs root, and unshare and ip on the PATH. */
export async function onQuietNode(bench: () => Promise<void>): Promise<void> {
  if (process.env[INSIDE] !== undefined) {
    // Names of network namespaces are mounts: hide the machine's own.
    execFileSync("mount", ["-t", "tmpfs", "none", "/run/netns"]);
    execFileSync("ip", ["link", "set", "lo", "up"]);
    await bench();
    return;
  }
  execFileSync("mkdir", ["-p", "/run/netns"]);
  const unshare = ["--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--net", "--"];
  const child = spawn("unshare", [...unshare, process.execPath, ...process.argv.slice(1)], {
    stdio: "inherit",
    env: { ...process.env, [INSIDE]: "1" },
  });
  const [code] = (await once(child, "exit")) as [number | null];
  process.exitCode = code ?? 1;
}
