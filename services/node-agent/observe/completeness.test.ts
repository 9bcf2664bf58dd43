import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { CompletenessAccount } from "./completeness.ts";

const at = (activeOpens: number, passiveOpens: number, attemptFails = 0, readNs = 0) => ({
  activeOpens,
  passiveOpens,
  attemptFails,
  readNs,
});

/** Milliseconds, as nanoseconds. */
const ms = (count: number): number => count * 1e6;

describe("the account of completeness", () => {
  it("counts from what a namespace had when its account began", () => {
    const account = new CompletenessAccount();
    account.begin(0, at(100, 50, 7), 12);
    account.count(0, at(103, 51, 8));
    account.see(0, 3, false);
    account.settle();
    account.count(0, at(103, 51, 8));
    assert.deepEqual(account.of(0), {
      since: 12,
      opened: 4,
      failed: 1,
      seen: 3,
      unseen: 1,
      kernelOpens: 154,
    });
    assert.deepEqual(account.totals, { opened: 4, failed: 1, seen: 3, unseen: 1 });
  });

  it("counts everything of a namespace that appeared later, and of one that took its id", () => {
    const account = new CompletenessAccount();
    account.count(1, at(5, 0));
    assert.equal(account.totals.opened, 5);
    account.count(1, at(2, 0));
    assert.equal(account.totals.opened, 7);
    account.keepOnly(new Map());
    account.count(1, at(4, 0));
    assert.equal(account.totals.opened, 11);
  });

  it("never takes failed attempts from those that were opened", () => {
    const account = new CompletenessAccount();
    account.begin(0, at(0, 0, 0), 1);
    account.count(0, at(0, 0, 20));
    assert.deepEqual(account.totals, { opened: 0, failed: 20, seen: 0, unseen: 0 });
  });

  it("allows a new socket one pass to appear", () => {
    const account = new CompletenessAccount();
    account.begin(0, at(0, 0), 1);
    account.count(0, at(10, 0));
    assert.equal(account.totals.unseen, 0);
    account.settle();
    assert.equal(account.totals.unseen, 10);
    account.see(0, 10, false);
    account.settle();
    assert.equal(account.totals.unseen, 0);
  });

  it("keeps what one namespace misses, whatever another one has too much, and after it is gone", () => {
    const account = new CompletenessAccount();
    account.count(1, at(5, 0));
    account.count(2, at(0, 5));
    account.see(2, 50, false);
    account.keepOnly(new Map([[2, null]]));
    account.settle();
    assert.deepEqual(account.totals, { opened: 10, failed: 0, seen: 50, unseen: 5 });
  });

  it("does not count sockets that were opened before it began and reported later", () => {
    const account = new CompletenessAccount();
    account.begin(0, at(100, 0, 0, ms(50)), 1);
    account.hear(0, ms(49));
    account.hear(0, ms(50));
    assert.equal(account.totals.seen, 0);
    account.hear(0, ms(51));
    assert.deepEqual(account.totals, { opened: 0, failed: 0, seen: 1, unseen: 0 });
  });

  it("does not make up for what was missed by what was opened later", () => {
    const account = new CompletenessAccount();
    account.begin(0, at(0, 0), 1);
    for (let count = 0; count < 7; count++) account.hear(0, ms(50));
    account.count(0, at(10, 0, 0, ms(100)));
    for (let count = 0; count < 20; count++) account.hear(0, ms(200));
    account.settle();
    assert.deepEqual(account.totals, { opened: 30, failed: 0, seen: 27, unseen: 3 });
    account.count(0, at(30, 0, 0, ms(300)));
    account.settle();
    assert.deepEqual(account.totals, { opened: 30, failed: 0, seen: 27, unseen: 3 });
  });

  it("does not make up for what was missed by what a reading finds of later ones", () => {
    const account = new CompletenessAccount();
    account.begin(0, at(0, 0), 1);
    account.count(0, at(3, 0, 0, ms(100)));
    account.see(0, 7, true);
    account.settle();
    assert.deepEqual(account.totals, { opened: 10, failed: 0, seen: 7, unseen: 3 });
    account.count(0, at(10, 0, 0, ms(200)));
    account.settle();
    assert.deepEqual(account.totals, { opened: 10, failed: 0, seen: 7, unseen: 3 });
  });

  it("waits for what was counted and whose event was on its way", () => {
    const account = new CompletenessAccount();
    account.begin(0, at(0, 0), 1);
    account.count(0, at(1, 0, 0, ms(100)));
    account.hear(0, ms(100) + 5000);
    account.settle();
    assert.deepEqual(account.totals, { opened: 1, failed: 0, seen: 1, unseen: 0 });
  });

  it("counts as opened what was heard in a namespace that was gone before its counters were read", () => {
    const account = new CompletenessAccount();
    account.hear(1, ms(10));
    account.keepOnly(new Map());
    assert.deepEqual(account.totals, { opened: 1, failed: 0, seen: 1, unseen: 0 });
    account.hear(2, ms(10));
    account.count(2, at(1, 0, 0, ms(20)));
    account.settle();
    assert.deepEqual(account.totals, { opened: 2, failed: 0, seen: 2, unseen: 0 });
  });

  it("begins again with its counters if events preceded them", () => {
    const account = new CompletenessAccount();
    account.hear(0, ms(10));
    assert.equal(account.hasBegun(0), false);
    account.begin(0, at(100, 0, 0, ms(50)), 1);
    assert.equal(account.hasBegun(0), true);
    assert.deepEqual(account.totals, { opened: 0, failed: 0, seen: 0, unseen: 0 });
  });
});
