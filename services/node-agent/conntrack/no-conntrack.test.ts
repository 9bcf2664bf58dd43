// A kernel without conntrack, and one that loads it on request. Runs only on dedicated kernels (npm run
// test:kernels), before anything else uses conntrack there; elsewhere it would disturb the machine.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";

import { flowSourceOf, taken } from "./testing/flows.ts";

const LOADER = "/proc/sys/kernel/modprobe";

function obstacle(): string | false {
  if (process.env["OWN_KERNEL"] !== "1") return "needs a kernel of its own (npm run test:kernels)";
  return readFileSync("/proc/modules", "utf8").includes("nf_conntrack_netlink")
    ? "conntrack is loaded already"
    : false;
}

describe("a kernel without conntrack", { skip: obstacle() }, () => {
  // With netfilter's netlink, sockets open and bind without conntrack.
  for (const module of [null, "nfnetlink"]) {
    it(`is reported as such, with what to do, with ${module ?? "nothing"} loaded`, async (test) => {
      const loader = readFileSync(LOADER, "utf8");
      if (module !== null && spawnSync(loader.trim(), ["--quiet", module]).status !== 0)
        return test.skip(`this kernel has ${module} built in`);
      writeFileSync(LOADER, "/bin/false\n");
      try {
        const source = flowSourceOf(process.pid, "auto");
        await source.refresh();
        assert.equal(source.mode, "none");
        assert.equal(taken(source, true).added.length, 0);
        assert.match(
          source.limits().join("\n"),
          /^conntrack cannot be read: .*nf_conntrack_netlink.*; there is no /,
        );
        source.close();
      } finally {
        writeFileSync(LOADER, loader);
      }
    });
  }

  it("is asked to load it", async () => {
    const source = flowSourceOf(process.pid, "auto");
    await source.refresh();
    assert.equal(source.mode, "events");
    assert.deepEqual(source.limits(), []);
    source.close();
  });
});
