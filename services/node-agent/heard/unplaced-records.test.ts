import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { RecordNamespace } from "./unplaced-records.ts";
import { UnplacedRecords } from "./unplaced-records.ts";

const WAIT_TICKS = 1000;
const MIB = 2 ** 20;

/** Bytes of a record: so many fill a MiB. */
const RECORD_BYTES = 128;
const RECORDS_PER_MIB = MIB / RECORD_BYTES;

const namespace = (inode: number, cookie = inode + 1000): RecordNamespace => ({ inode, cookie });

/** Adds a record whose first word is a number. */
function add(
  records: UnplacedRecords,
  of: RecordNamespace,
  number: number,
  ticks = 0,
  length = RECORD_BYTES,
): void {
  const view = new DataView(new ArrayBuffer(length + 8));
  view.setUint32(8, number);
  records.add(of, view, 8, length, ticks);
}

/** Places the records of these namespaces; returns their numbers and lengths. */
function place(records: UnplacedRecords, named: readonly RecordNamespace[], ticks = 0): [number, number][] {
  const placed: [number, number][] = [];
  const isNamed = (of: RecordNamespace): boolean =>
    named.some(({ inode, cookie }) => (of.cookie === 0 ? inode === of.inode : cookie === of.cookie));
  records.place(isNamed, ticks, (view, at, length) => placed.push([view.getUint32(at), length]));
  return placed;
}

describe("records of namespaces without a name", () => {
  it("are handed out once, in their order, when it is named", () => {
    const records = new UnplacedRecords();
    add(records, namespace(1), 10, 0, 32);
    add(records, namespace(2), 20, 0, 80);
    add(records, namespace(1), 11, 0, 136);
    assert.deepEqual([...records.inodes()], [1, 2]);
    assert.deepEqual(place(records, []), []);
    assert.deepEqual(place(records, [namespace(1)]), [
      [10, 32],
      [11, 136],
    ]);
    assert.deepEqual(place(records, [namespace(1)]), []);
    assert.equal(records.isEmpty, false);
    assert.deepEqual(place(records, [namespace(2)]), [[20, 80]]);
    assert.equal(records.isEmpty, true);
    assert.deepEqual([records.ofStrangers, records.overflowed], [0, 0]);
  });

  it("are not those of another namespace that had the inode before", () => {
    const records = new UnplacedRecords();
    add(records, namespace(1, 50), 10);
    assert.deepEqual(place(records, [namespace(1, 51)]), []);
    assert.deepEqual(place(records, [namespace(1, 50)]), [[10, RECORD_BYTES]]);
  });

  it("are identified by the inode if the kernel has no cookies of namespaces", () => {
    const records = new UnplacedRecords();
    add(records, namespace(1, 0), 10);
    assert.deepEqual(place(records, [namespace(1, 0)]), [[10, RECORD_BYTES]]);
  });

  it("are everything of a namespace until one is dropped", () => {
    const records = new UnplacedRecords();
    assert.equal(records.waitsFor(1, 50), false);
    add(records, namespace(1, 50), 10);
    assert.deepEqual(
      [records.waitsFor(1, 50), records.waitsFor(1, 51), records.waitsFor(2, 50)],
      [true, false, false],
    );
    assert.equal(records.waitsFor(1, undefined), true);
    for (let number = 0; number < RECORDS_PER_MIB; number++) add(records, namespace(1, 50), number);
    assert.equal(records.waitsFor(1, 50), false);
  });

  it("are a stranger's after 10 s, and so is what comes later", () => {
    const records = new UnplacedRecords();
    add(records, namespace(1), 10, 100);
    add(records, namespace(1), 11, 100 + WAIT_TICKS);
    assert.deepEqual(place(records, [], 100 + WAIT_TICKS), []);
    assert.equal(records.ofStrangers, 0);
    assert.deepEqual(place(records, [], 101 + WAIT_TICKS), []);
    assert.equal(records.ofStrangers, 2);
    add(records, namespace(1), 12, 102 + WAIT_TICKS);
    assert.equal(records.ofStrangers, 3);
    assert.equal(records.isEmpty, true);
  });

  it("wait again if a named namespace reuses an inode", () => {
    const records = new UnplacedRecords();
    add(records, namespace(1, 0), 10);
    place(records, [], WAIT_TICKS + 1);
    add(records, namespace(1, 0), 11, WAIT_TICKS + 1);
    assert.equal(records.ofStrangers, 2);
    place(records, [namespace(1, 0)], WAIT_TICKS + 2);
    add(records, namespace(1, 0), 12, WAIT_TICKS + 3);
    assert.deepEqual(place(records, [namespace(1, 0)], WAIT_TICKS + 3), [[12, RECORD_BYTES]]);
    assert.equal(records.ofStrangers, 2);
  });

  it("take 1 MiB of a namespace; the rest is counted once it is named", () => {
    const records = new UnplacedRecords();
    for (let number = 0; number < RECORDS_PER_MIB + 3; number++) add(records, namespace(1), number);
    add(records, namespace(2), 77);
    assert.equal(records.overflowed, 0);
    const placed = place(records, [namespace(1), namespace(2)]);
    assert.equal(placed.length, RECORDS_PER_MIB + 1);
    assert.deepEqual(placed.at(-2), [RECORDS_PER_MIB - 1, RECORD_BYTES]);
    assert.deepEqual(placed.at(-1), [77, RECORD_BYTES]);
    assert.equal(records.overflowed, 3);
  });

  it("count as a stranger's if it never is", () => {
    const records = new UnplacedRecords();
    for (let number = 0; number < RECORDS_PER_MIB + 3; number++) add(records, namespace(1), number);
    place(records, [], WAIT_TICKS + 1);
    assert.deepEqual([records.ofStrangers, records.overflowed], [RECORDS_PER_MIB + 3, 0]);
  });

  it("take 8 MiB in all, and give the room back", () => {
    const records = new UnplacedRecords();
    for (let inode = 1; inode <= 9; inode++)
      for (let number = 0; number < RECORDS_PER_MIB; number++) add(records, namespace(inode), number);
    assert.equal(place(records, [namespace(9)]).length, 0);
    assert.equal(records.overflowed, RECORDS_PER_MIB);
    assert.equal(place(records, [namespace(1)]).length, RECORDS_PER_MIB);
    add(records, namespace(9), 5);
    assert.deepEqual(place(records, [namespace(9)]), [[5, RECORD_BYTES]]);
  });
});
