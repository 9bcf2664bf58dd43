import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { CompletenessAccount } from "./completeness.ts";

const at = (activeOpens: number, passiveOpens: number, attemptFails = 0) => ({
  activeOpens,
  passiveOpens,
  attemptFails,
});

describe("the account of completeness", () => {
  it("counts from what a namespace had when the agent started", () => {
    const account = new CompletenessAccount();
    account.count(0, at(100, 50, 7), true);
    account.see(20, true);
    account.count(0, at(103, 51, 8), false);
    account.see(3, false);
    assert.deepEqual(account.totals, { opened: 4, failed: 1, seen: 3 });
  });

  it("counts everything of a namespace that appeared later, and of one that took its id", () => {
    const account = new CompletenessAccount();
    account.count(1, at(5, 0), false);
    assert.equal(account.totals.opened, 5);
    account.count(1, at(2, 0), false);
    assert.equal(account.totals.opened, 7);
    account.keepOnly(new Map());
    account.count(1, at(4, 0), false);
    assert.equal(account.totals.opened, 11);
  });

  it("never takes failed attempts from those that were opened", () => {
    const account = new CompletenessAccount();
    account.count(0, at(0, 0, 0), true);
    account.count(0, at(0, 0, 20), false);
    assert.deepEqual(account.totals, { opened: 0, failed: 20, seen: 0 });
  });
});
