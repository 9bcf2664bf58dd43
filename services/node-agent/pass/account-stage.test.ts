import assert from "node:assert/strict";
import { it } from "node:test";

import { NetworkNamespace } from "../../../lib/gen/whotalks/v1/report.ts";
import type { DestroyedReader, NamespaceReading, TcpCounters } from "../observation.ts";
import { AccountStage } from "./account-stage.ts";

const counters = (activeOpens: number, readNs = 0): TcpCounters => ({
  activeOpens,
  passiveOpens: 0,
  attemptFails: 0,
  readNs,
});

const identified = (id: number) => ({
  namespace: NetworkNamespace.create({ id, inode: 100 + id }),
  record: { inode: 100 + id, host: false, pids: [1] },
  gone: false,
});

const readingOf = (tcpCounters: TcpCounters | null): NamespaceReading => ({
  read: true,
  linesMalformed: 0,
  overflowed: 0,
  addresses: [],
  tcpCounters,
  unheldRead: true,
});

/** Counts a pass over namespaces with these numbers of opened connections, by id, and new ends. */
function pass(
  stage: AccountStage,
  opened: Record<number, number | null>,
  ends: Record<number, number> = {},
  readNs = 0,
): void {
  const ids = Object.keys(opened).map(Number);
  const readings = new Map(
    ids.map((id) => {
      const count = opened[id] ?? null;
      return [id, { reading: readingOf(count === null ? null : counters(count, readNs)), micros: 0 }];
    }),
  );
  const newEnds = new Map(Object.entries(ends).map(([id, count]) => [Number(id), count]));
  stage.count(
    ids.map((id) => identified(id)),
    readings,
    100,
    [newEnds, new Map()],
  );
}

const totals = (stage: AccountStage): [opened: number, seen: number, unseen: number] => {
  const { opened, seen, unseen } = stage.account.totals;
  return [opened, seen, unseen];
};

it("what was there before the agent counts neither as opened nor as seen", () => {
  const stage = new AccountStage({});
  pass(stage, { 1: 1000 }, { 1: 40 });
  assert.deepEqual(totals(stage), [0, 0, 0]);
});

it("ends are seen as passes find them and as they are heard", () => {
  const stage = new AccountStage({});
  pass(stage, { 1: 1000 });
  stage.hear(1, 1);
  stage.hear(1, 1);
  pass(stage, { 1: 1005 }, { 1: 3 });
  assert.deepEqual(totals(stage), [5, 5, 0]);
});

it("what was counted a pass ago and never seen is unseen", () => {
  const stage = new AccountStage({});
  pass(stage, { 1: 1000 });
  pass(stage, { 1: 1005 }, { 1: 3 });
  assert.deepEqual(totals(stage), [5, 3, 0]);
  pass(stage, { 1: 1005 });
  assert.deepEqual(totals(stage), [5, 3, 2]);
});

it("with events, ends that a pass finds do not compensate for earlier misses", () => {
  const events = { waiting: 0, lost: 0, drain: () => undefined };
  const stage = new AccountStage({ events });
  pass(stage, { 1: 1000 });
  pass(stage, { 1: 1005 }, { 1: 3 }, 10);
  pass(stage, { 1: 1007 }, { 1: 2 }, 20);
  assert.deepEqual(totals(stage), [7, 5, 2]);
});

it("what was counted is compared after a pass that read nothing, too", () => {
  const stage = new AccountStage({});
  pass(stage, { 1: 1000 });
  pass(stage, { 1: 1005 }, { 1: 3 });
  stage.skip();
  assert.deepEqual(totals(stage), [5, 3, 2]);
});

it("a namespace that comes later counts from its beginning", () => {
  const stage = new AccountStage({});
  pass(stage, { 1: 1000 });
  pass(stage, { 1: 1000, 2: 7 }, { 2: 7 });
  assert.deepEqual(totals(stage), [7, 7, 0]);
});

it("one that was there without a process counts from now", () => {
  const destroyed: Pick<DestroyedReader, "wasThereAtStart"> = { wasThereAtStart: (inode) => inode === 102 };
  const stage = new AccountStage({ destroyed: destroyed as DestroyedReader });
  pass(stage, { 1: 1000 });
  pass(stage, { 1: 1000, 2: 700 }, { 2: 7 });
  pass(stage, { 1: 1000, 2: 701 }, { 2: 1 });
  assert.deepEqual(totals(stage), [1, 1, 0]);
});

it("an account begins with the counters after its sockets were read", () => {
  const stage = new AccountStage({ tcpCounters: () => counters(1003) });
  pass(stage, { 1: 1000 });
  pass(stage, { 1: 1004 }, { 1: 1 });
  assert.deepEqual(totals(stage), [1, 1, 0]);
});

it("an account begins when the counters do not move, and with what is opened from then on", () => {
  const moving = [1003, 1005, 1006, 1006, 1007].map((opened, read) => counters(opened, 10 * (read + 1)));
  const stage = new AccountStage({ tcpCounters: () => moving.shift() ?? null });
  pass(stage, { 1: 1000 });
  // Opened before 1006 was read for the first time, at 30.
  stage.hear(1, 25);
  stage.hear(1, 31);
  pass(stage, { 1: 1007 });
  assert.deepEqual(totals(stage), [1, 1, 0]);
});

it("an account begins with the last counters of a namespace that never is quiet", () => {
  let reads = 0;
  const stage = new AccountStage({ tcpCounters: () => counters(1000 + ++reads, reads) });
  pass(stage, { 1: 1000 });
  assert.ok(reads > 2 && reads < 20, `${reads} readings`);
  stage.hear(1, reads);
  stage.hear(1, reads + 1);
  pass(stage, { 1: 1000 + reads + 1 });
  assert.deepEqual(totals(stage), [1, 1, 0]);
});

it("a namespace whose counters were not read has no account yet", () => {
  const stage = new AccountStage({});
  pass(stage, { 1: null });
  assert.deepEqual(totals(stage), [0, 0, 0]);
  assert.equal(stage.account.of(1), null);
});

it("a namespace that is gone stays in the totals", () => {
  const stage = new AccountStage({});
  pass(stage, { 1: 1000, 2: 50 });
  stage.hear(2, 1);
  pass(stage, { 1: 1000, 2: 52 });
  pass(stage, { 1: 1000 });
  assert.deepEqual(totals(stage), [2, 1, 1]);
});
