// Compares what the BPF iterators report besides socket rows (processes, holders, peers of unix sockets) with
// /proc, also in a new pid namespace.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { release } from "node:os";
import path from "node:path";
import { describe, it } from "node:test";

import { runChecks } from "../../../lib/testing/child-checks.ts";
import { chooseReader } from "./choose-reader.ts";

const obstacle = chooseReader("bpf-iter", { procRoot: "/proc", nowTicks: () => 0 }).probe();
/**
 * Kernels before 5.11 report pids only as the first pid namespace numbers them; elsewhere the reader must
 * refuse.
 */
const numbersPids = !/^([1-4]|5\.([0-9]|10))\./.test(release());
const script = path.join(import.meta.dirname, "testing/bpf-iter.ts");

describe("the BPF iterators", { skip: obstacle ?? false }, () => {
  it("show processes, holders and peers as /proc and sock_diag do", async (t) => {
    assert.equal(await runChecks(t, [process.execPath, script]), null);
  });

  it("number pids as the pid namespace of the reader does", async (t) => {
    const inNamespace = ["--pid", "--fork", "--mount-proc"];
    if (spawnSync("unshare", [...inNamespace, "true"]).status !== 0)
      return t.skip("pid namespaces cannot be made here");
    // The shell in between keeps the reader from being the first process of its namespace.
    const command = `"${process.execPath}" "${script}"; exit $?`;
    const impossible = await runChecks(t, ["unshare", ...inNamespace, "sh", "-c", command]);
    if (numbersPids) return assert.equal(impossible, null);
    assert.match(impossible ?? "", /does not report pids as this pid namespace numbers them/);
    t.skip(impossible!);
  });
});
