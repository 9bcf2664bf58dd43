import assert from "node:assert/strict";
import { it } from "node:test";

import { ProcessTable } from "./process-table.ts";

const server = {
  pid: 7,
  startTicks: 70,
  parentPid: 1,
  name: "server",
  exe: "/bin/server",
  uid: 1000,
  containerId: "",
  podUid: "",
  unit: "server.service",
};

it("a process is the same object while nothing about it changes", () => {
  const table = new ProcessTable();
  const process = table.of(server, 3);
  assert.equal(process.namespace, 4);
  assert.equal(table.of({ ...server }, 3), process);
});

for (const [what, change] of [
  ["name", { name: "sh" }],
  ["exe", { exe: "/bin/sh" }],
  ["owner", { uid: 0 }],
  ["container", { containerId: "c" }],
  ["pod", { podUid: "p" }],
  ["unit", { unit: "" }],
  ["parent", { parentPid: 2 }],
] as const) {
  it(`another ${what} makes another object of the same id`, () => {
    const table = new ProcessTable();
    const before = table.of(server, 3);
    const after = table.of({ ...server, ...change }, 3);
    assert.notEqual(after, before);
    assert.deepEqual(after, { ...before, ...change });
  });
}

it("another network namespace does, too, and none has no number", () => {
  const table = new ProcessTable();
  const { id } = table.of(server, 0);
  const after = table.of(server, undefined);
  assert.deepEqual([after.id, after.namespace], [id, 0]);
});

it("another start is another process", () => {
  const table = new ProcessTable();
  const before = table.of(server, 3);
  assert.notEqual(table.of({ ...server, startTicks: 71 }, 3).id, before.id);
});

it("only what is named is known", () => {
  const table = new ProcessTable();
  const process = table.of(server, 3);
  assert.equal(table.known(7, 70), null);
  table.add(process);
  assert.deepEqual([table.known(7, 70), table.known(7, 71), table.known(8, 70)], [process, null, null]);
  assert.deepEqual([...table.named.values()], [process]);
});

it("an id is free once nothing named has it", () => {
  const table = new ProcessTable();
  const [one, two] = [table.of(server, 3), table.of({ ...server, pid: 8 }, 3)];
  table.add(one);
  table.add(two);
  table.keepOnly(new Map([[two.id, two]]));
  assert.deepEqual([table.known(7, 70), table.known(8, 70)], [null, two]);
  assert.equal(table.of({ ...server, pid: 9 }, 3).id, one.id);
});

it("a pid that was used again is of the process that has it now", () => {
  const table = new ProcessTable();
  const before = table.of(server, 3);
  table.add(before);
  const after = table.of({ ...server, startTicks: 71 }, 3);
  table.add(after);
  table.keepOnly(new Map([[after.id, after]]));
  assert.equal(table.known(7, 71), after);
});
