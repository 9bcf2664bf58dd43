import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

import { parsePidStatus } from "./pid-status.ts";

describe("status of a process", () => {
  it("returns name, parent, owner and capabilities", () => {
    const text =
      "Name:\ta\\nb\\\\c\nUmask:\t0022\nPPid:\t7\nUid:\t1000\t0\t0\t0\nCapEff:\t0000000000080004\n";
    assert.deepEqual(parsePidStatus(text), {
      name: "a\nb\\c",
      parentPid: 7,
      uid: 1000,
      capabilities: 0x80004n,
    });
  });

  it("of this process names its parent and owner", () => {
    const status = parsePidStatus(readFileSync("/proc/self/status", "utf8"));
    assert.deepEqual([status.parentPid, status.uid], [process.ppid, process.getuid!()]);
  });

  it("leaves out what is missing or makes no sense", () => {
    const nothing = { name: null, parentPid: null, uid: null, capabilities: null };
    assert.deepEqual(parsePidStatus(""), nothing);
    assert.deepEqual(parsePidStatus("Uid:\tx\t0\t0\t0\nPPid:\t-1\nCapEff:\txyz\n"), nothing);
    assert.deepEqual(parsePidStatus("Uid:\t4294967296\t0\t0\t0\n"), nothing);
  });
});
