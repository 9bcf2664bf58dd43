import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { deniedSentence, hidepidOption, hidepidSentence } from "./privileges.ts";

const MOUNTS =
  "22 27 0:21 / /sys rw,nosuid - sysfs sysfs rw\n" +
  "23 27 0:22 / /proc rw,nosuid shared:5 - proc proc rw,hidepid=invisible,gid=4\n" +
  "24 27 0:22 / /host/proc rw - proc proc rw\n" +
  "25 27 0:23 / /old rw - proc proc rw,hidepid=0\n" +
  "26 27 0:24 / /data rw - ext4 /dev/vda rw,hidepid=2\n";

describe("hidepid", () => {
  it("is found at the mount that is read", () => {
    assert.equal(hidepidOption("/proc", MOUNTS), "invisible");
    assert.equal(hidepidOption("/host/proc", MOUNTS), null);
    assert.equal(hidepidOption("/old", MOUNTS), null);
    assert.equal(hidepidOption("/data", MOUNTS), null);
    assert.equal(hidepidOption("/proc", "no mounts\n - \n"), null);
  });

  it("of the mount on top counts", () => {
    assert.equal(hidepidOption("/proc", `${MOUNTS}30 27 0:22 / /proc rw - proc proc rw\n`), null);
  });

  it("is a limit only for who may not look behind it", () => {
    assert.match(hidepidSentence("/proc", MOUNTS, false)!, /hidepid=invisible.*run as root/);
    assert.equal(hidepidSentence("/proc", MOUNTS, true), null);
  });
});

describe("what is denied", () => {
  it("names the way out", () => {
    assert.match(deniedSentence("Something", false), /run as root/);
    assert.match(deniedSentence("Something", true), /AppArmor/);
  });
});
