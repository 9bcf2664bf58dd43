import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { isSandbox, RuntimeClassTable } from "./sandboxes.ts";

describe("sandboxes", () => {
  for (const handler of [
    "runsc",
    "gvisor",
    "kata",
    "kata-qemu",
    "kata-clh",
    "io.containerd.kata.v2",
    "aws.firecracker",
    "Kata-FC",
    "runhcs-wcow-hypervisor",
  ]) {
    it(`${handler} is one`, () => assert.equal(isSandbox(handler), true));
  }
  for (const handler of [
    "runc",
    "crun",
    "nvidia",
    "youki",
    "sysbox-runc",
    "spin",
    "wasmtime",
    "okatana",
    "",
  ]) {
    it(`${handler || "no handler"} is no sandbox`, () => assert.equal(isSandbox(handler), false));
  }

  it("are recognized by the handler if the RuntimeClass is known, else by its name", () => {
    const classes = new RuntimeClassTable();
    assert.equal(classes.reason(""), "");
    assert.equal(classes.reason("secure"), "");
    assert.equal(classes.reason("gvisor"), "runtime class gvisor is a sandbox of its own");
    classes.put({ uid: "1", name: "secure", handler: "runsc" });
    classes.put({ uid: "2", name: "kata", handler: "runc" });
    assert.equal(classes.reason("secure"), "runtime class secure (runsc) is a sandbox of its own");
    assert.equal(classes.reason("kata"), "");
    classes.remove("1");
    assert.equal(classes.reason("secure"), "");
  });
});
