// If BPF is refused, the next reader replaces it and reports why: with the capabilities of another user, and
// on other kernels.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";

import { chooseReader } from "./choose-reader.ts";
import { createBpfIterReader } from "./bpf-iter.ts";
import { createProcfsReader } from "./procfs.ts";

const options = { procRoot: "/proc", nowTicks: () => 0 };
const skip = process.getuid?.() !== 0 ? "needs root" : false;

interface Chosen {
  readonly name: string;
  readonly obstacle: string | null;
  readonly limits: readonly string[];
}

// Returns what a process with only these capabilities chooses.
function chosenWith(capabilities: string): Chosen | null {
  const script = path.join(import.meta.dirname, "testing/reader-choice.ts");
  const bounds = `--bounding-set=-all,${capabilities}`;
  const words = [bounds, "--inh-caps=-all"];
  if (spawnSync("setpriv", [...words, "true"]).status !== 0) return null;
  const { stdout, status, signal } = spawnSync("setpriv", [...words, process.execPath, script], {
    encoding: "utf8",
    timeout: 120_000,
    stdio: ["ignore", "pipe", "inherit"],
  });
  assert.deepEqual([status, signal], [0, null]);
  return JSON.parse(stdout) as Chosen;
}

function isLockedDown(): boolean {
  const file = "/sys/kernel/security/lockdown";
  return existsSync(file) && readFileSync(file, "utf8").includes("[confidentiality]");
}

describe("if BPF is refused", { skip }, () => {
  it("without SYS_ADMIN, BPF and PERFMON /proc is read, and each better reader's obstacle is reported", (t) => {
    const chosen = chosenWith("+sys_ptrace,+dac_read_search");
    if (chosen === null) return t.skip("needs setpriv (util-linux)");
    assert.deepEqual([chosen.name, chosen.obstacle], ["procfs", null]);
    const told = chosen.limits.join("\n");
    assert.match(told, /reader bpf-iter cannot work here: .*(BPF and PERFMON|BTF|no iterator)/);
    assert.match(told, /reader sock-diag cannot work here: .*SYS_ADMIN/);
  });

  it("with BPF and PERFMON it is allowed, if the kernel supports it", (t) => {
    const chosen = chosenWith("+sys_ptrace,+dac_read_search,+bpf,+perfmon");
    if (chosen === null) return t.skip("needs setpriv (util-linux)");
    const whole = chooseReader("bpf-iter", options).probe();
    assert.equal(chosen.name, whole === null ? "bpf-iter" : "procfs");
    if (whole !== null) assert.match(chosen.limits.join("\n"), /reader bpf-iter cannot work here/);
  });

  it("by a lockdown, the iterator works by typed pointers or says that it does not", (t) => {
    if (!isLockedDown()) return t.skip("the kernel is not locked down");
    const obstacle = chooseReader("bpf-iter", options).probe();
    const chain = chooseReader("auto", options);
    if (obstacle === null) assert.equal(chain.name, "bpf-iter");
    else assert.match(chain.limits().join("\n"), /reader bpf-iter cannot work here/);
  });
});

it("without BTF, or with something else in its place, the iterator says so", { skip }, () => {
  const procfs = createProcfsReader({ ...options, littleEndian: true, unixPeers: false });
  const within = { ...options, tcpReader: procfs, restReader: procfs };
  assert.match(
    createBpfIterReader({ ...within, btfPath: "/nonexistent" }).probe()!,
    /cannot be read: the kernel was built without BTF/,
  );
  assert.match(
    createBpfIterReader({ ...within, btfPath: "/proc/version" }).probe()!,
    /has an unknown format/,
  );
});

it("a /proc of another kernel or of another pid namespace is not asked about", () => {
  const procfs = createProcfsReader({ ...options, littleEndian: true, unixPeers: false });
  const other = { ...options, procRoot: "/sys", tcpReader: procfs, restReader: procfs };
  assert.match(createBpfIterReader(other).probe()!, /is not the running kernel's/);
});
