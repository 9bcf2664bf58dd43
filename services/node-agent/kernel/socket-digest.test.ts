// The number that stands for all sockets while nothing moves, against real sockets that do.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { describe, it } from "node:test";

import { chooseReader } from "../readers/choose-reader.ts";
import { NO_DIGEST } from "./testing/no-digest.ts";

const obstacle = chooseReader("bpf-iter", { procRoot: "/proc", nowTicks: () => 0 }).probe();
const script = path.join(import.meta.dirname, "testing/socket-digest.ts");

describe("the digest of sockets", { skip: obstacle ?? false }, () => {
  it("tells of every socket that comes, goes or changes its state, and of nothing else", (t) => {
    const inNamespace = ["--pid", "--fork", "--mount-proc"];
    if (spawnSync("unshare", [...inNamespace, "true"]).status !== 0)
      return t.skip("pid namespaces cannot be made here");
    const { status } = spawnSync("unshare", [...inNamespace, process.execPath, script], { stdio: "inherit" });
    if (status === NO_DIGEST) return t.skip("this kernel tells no digest of sockets (it came with 5.11)");
    assert.equal(status, 0);
  });
});
