// A pass in which nothing moved reads nothing, and one in which anything did reads it: on real sockets and
// processes.

import { spawnSync } from "node:child_process";
import path from "node:path";
import { describe, it } from "node:test";

import { runChecks } from "../../lib/testing/child-checks.ts";
import { chooseReader } from "./readers/choose-reader.ts";

const obstacle = chooseReader("bpf-iter", { procRoot: "/proc", nowTicks: () => 0 }).probe();
const script = path.join(import.meta.dirname, "testing/still-pass.ts");

describe("a pass in which nothing moved", { skip: obstacle ?? false }, () => {
  it("reads nothing, and reports what the pass before reported", async (t) => {
    const inNamespaces = ["--pid", "--net", "--fork", "--mount-proc"];
    if (spawnSync("unshare", [...inNamespaces, "true"]).status !== 0)
      return t.skip("namespaces cannot be made here");
    const impossible = await runChecks(t, ["unshare", ...inNamespaces, process.execPath, script]);
    if (impossible !== null) t.skip(impossible);
  });
});
