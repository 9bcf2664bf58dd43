// A pass in which nothing moved reads nothing, and one in which anything did reads it: on real sockets and processes.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { describe, it } from "node:test";

import { NO_DIGEST } from "./kernel/testing/no-digest.ts";
import { chooseReader } from "./readers/choose-reader.ts";

const obstacle = chooseReader("bpf-iter", { procRoot: "/proc", nowTicks: () => 0 }).probe();
const script = path.join(import.meta.dirname, "testing/still-pass.ts");

describe("a pass in which nothing moved", { skip: obstacle ?? false }, () => {
  it("reads nothing, and tells what the one before told", (t) => {
    const inNamespaces = ["--pid", "--net", "--fork", "--mount-proc"];
    if (spawnSync("unshare", [...inNamespaces, "true"]).status !== 0)
      return t.skip("namespaces cannot be made here");
    const { status } = spawnSync("unshare", [...inNamespaces, process.execPath, script], {
      stdio: "inherit",
    });
    if (status === NO_DIGEST) return t.skip("this kernel tells no digest of sockets (it came with 5.11)");
    assert.equal(status, 0);
  });
});
