import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import { InodeIndex } from "./inode-index.ts";

describe("inode index", () => {
  it("returns what was added, the latest first, whatever it held before", () => {
    const index = new InodeIndex();
    const entry = fc.tuple(fc.integer({ min: 1, max: 40 }), fc.nat(0xffffffff), fc.nat(0xffffffff));
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 200 }), (entries) => {
        index.reset(entries.length);
        const expected = new Map<number, [number, number][]>();
        for (const [inode, pid, fd] of entries) {
          assert.ok(index.prepend(inode * 0x1000003, pid, fd));
          expected.set(inode, [[pid, fd], ...(expected.get(inode) ?? [])]);
        }
        for (let inode = 1; inode <= 41; inode++) {
          const found: [number, number][] = [];
          index.forEach(inode * 0x1000003, (pid, fd) => found.push([pid, fd]));
          assert.deepEqual(found, expected.get(inode) ?? []);
          assert.equal(index.has(inode * 0x1000003), expected.has(inode));
        }
      }),
    );
  });

  it("has no holder for inode 0, filled or not", () => {
    const index = new InodeIndex();
    index.forEach(0, () => assert.fail("nobody has inode 0"));
    assert.equal(index.has(0), false);
    index.reset(1);
    index.prepend(5, 1, 1);
    index.forEach(0, () => assert.fail("nobody has inode 0"));
    assert.equal(index.has(0), false);
  });

  it("takes no more than it was made for", () => {
    const index = new InodeIndex();
    index.reset(4);
    let taken = 0;
    while (taken < 100 && index.prepend(taken + 1, 1, 1)) taken++;
    assert.ok(taken >= 4 && taken < 100);
  });
});
