import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";

import { World } from "../testing/world.ts";
import type { View } from "../view/view.ts";
import { ConnectionOrder, ConnectionOrders, TooSlowError } from "./connection-orders.ts";

interface Row {
  readonly firstSeenMs: number;
  readonly uid: number;
}

const NOW_MS = 1_700_000_000_000;

// The part of a view that an order reads, over rows that a test may remove.
function viewOf(rows: readonly (Row | null)[]): View {
  const connections = {
    *slots() {
      for (const [slot, row] of rows.entries()) if (row !== null) yield slot;
    },
    exists: (slot: number) => rows[slot] !== null,
    serial: (slot: number) => slot + 7,
    firstSeenMs: (slot: number) => rows[slot]!.firstSeenMs,
    compare: (a: number, b: number) =>
      rows[a]!.firstSeenMs - rows[b]!.firstSeenMs || rows[a]!.uid - rows[b]!.uid,
  };
  return { nowMs: NOW_MS, connections } as unknown as View;
}

test("an order is what comparing each pair makes, whatever the times", () => {
  const time = fc.oneof(
    fc.integer({ min: -5, max: 5 }).map((ms) => NOW_MS + ms),
    fc.double({ min: NOW_MS - 3, max: NOW_MS + 3, noNaN: true }),
    fc.constantFrom(
      0,
      1,
      NOW_MS - 2 ** 31,
      NOW_MS - 2 ** 30,
      NOW_MS - 2 ** 29,
      NOW_MS + 2 ** 30,
      NOW_MS + 2 ** 40,
    ),
  );
  const row = fc.option(fc.record({ firstSeenMs: time, uid: fc.integer({ min: 0, max: 3 }) }), { freq: 9 });
  fc.assert(
    fc.property(fc.array(row, { maxLength: 40 }), (rows) => {
      const view = viewOf(rows);
      const expected = [...view.connections.slots()].toSorted(
        (a, b) => view.connections.compare(a, b) || a - b,
      );
      const ordered = [...new ConnectionOrder(view, 0).slots(view.connections)];
      const keys = (slots: readonly number[]): unknown[] =>
        slots.map((slot) => [rows[slot]!.firstSeenMs, rows[slot]!.uid]);
      assert.deepEqual(keys(ordered), keys(expected));
      assert.deepEqual(new Set(ordered), new Set(expected));
    }),
  );
});

test("a connection that is gone is left out", () => {
  const rows: (Row | null)[] = [1, 2, 3].map((uid) => ({ firstSeenMs: NOW_MS, uid }));
  const view = viewOf(rows);
  const slots = new ConnectionOrder(view, 0).slots(view.connections);
  assert.equal(slots.next().value, 0);
  rows[1] = null;
  assert.deepEqual([...slots], [2]);
});

test("a crowd shares an order while a list reads it, and others do not", () => {
  const view = viewOf([1, 2].map((uid) => ({ firstSeenMs: NOW_MS, uid })));
  const orders = new ConnectionOrders();
  const begin = (): { readonly isNew: boolean; readonly slots: Generator<number> } => {
    const { order, isNew } = orders.take(view);
    const slots = order.slots(view.connections);
    slots.next();
    return { isNew, slots };
  };
  const lists = Array.from({ length: 20 }, begin);
  const made = lists.filter(({ isNew }) => isNew).length;
  assert.ok(made >= 4 && made <= 6, `${made} orders`);
  for (const { slots } of lists) slots.return(undefined);
  assert.equal(begin().isNew, true);
});

test("lists on the oldest orders end if there is no room for orders, and the newest continue", () => {
  const rows = Array.from({ length: 1000 }, (_, uid) => ({ firstSeenMs: NOW_MS, uid }));
  const view = viewOf(rows);
  const orders = new ConnectionOrders(3 * 8 * rows.length);
  const lists = Array.from({ length: 4 }, () => orders.take(view).order.slots(view.connections));
  const [oldest, ...others] = lists;
  for (const list of others) assert.equal([...list].length, 1000);
  assert.throws(() => [...oldest!], TooSlowError);
});

test("connections that end while they are listed are neither sent nor counted: the answer is complete", () => {
  const world = new World(undefined, { closedKeepMs: 0 });
  const sockets = Array.from({ length: 600 }, (_, at) => ({
    id: at + 1,
    local: `10.0.0.9:${32_768 + at}`,
    remote: "192.0.2.1:443",
  }));
  world.report({ keyframe: true, namespaces: [{ id: 0, inode: 1, host: true }], sockets });
  const answer = world.aggregator.query.connections(undefined, 100_000);
  const items = answer.items[Symbol.iterator]();
  items.next();
  world.report({ removed: [300, 301, 302] });
  world.wait(5000);
  let count = 1;
  while (items.next().done !== true) count++;
  assert.equal(count, 597);
  assert.equal(answer.matched, 597);
});
