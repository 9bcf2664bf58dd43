// Tests the digest of all sockets against real sockets that open, change and close.

import { spawnSync } from "node:child_process";
import path from "node:path";
import { describe, it } from "node:test";

import { runChecks } from "../../../../lib/testing/child-checks.ts";
import { chooseReader } from "../../readers/choose-reader.ts";

const obstacle = chooseReader("bpf-iter", { procRoot: "/proc", nowTicks: () => 0 }).probe();
const script = path.join(import.meta.dirname, "testing/socket-digest.ts");

describe("the digest of sockets", { skip: obstacle ?? false }, () => {
  it("changes with every socket that comes, goes or changes its state, and with nothing else", async (t) => {
    const inNamespace = ["--pid", "--fork", "--mount-proc"];
    if (spawnSync("unshare", [...inNamespace, "true"]).status !== 0)
      return t.skip("pid namespaces cannot be made here");
    const impossible = await runChecks(t, ["unshare", ...inNamespace, process.execPath, script]);
    if (impossible !== null) t.skip(impossible);
  });
});
