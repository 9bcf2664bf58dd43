import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import { Account, entryOf, flowText, taken } from "./testing/flows.ts";
import { createFlowIds, FlowTracker } from "./flow-tracker.ts";

function newTracker(): FlowTracker {
  return new FlowTracker(createFlowIds());
}

function flow(port: number, id: number, state = "ESTABLISHED", timeout = 100, bytes = 0) {
  const counters = `packets=1 bytes=${bytes}`;
  return entryOf(
    `tcp      6 ${timeout} ${state} src=10.0.0.1 dst=10.0.0.9 sport=${port} dport=80 ${counters} ` +
      `src=10.0.0.2 dst=10.0.0.1 sport=8080 dport=${port} ${counters} mark=0 use=1${id === 0 ? "" : ` id=${id}`}`,
  );
}

type Step =
  | { readonly kind: "new" | "destroy"; readonly port: number; readonly id: number; readonly state: string }
  | { readonly kind: "dump" | "take" | "keyframe" };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("new" as const, "destroy" as const),
    port: fc.integer({ min: 1, max: 6 }),
    id: fc.integer({ min: 1, max: 4 }),
    state: fc.constantFrom("SYN_SENT", "ESTABLISHED", "TIME_WAIT"),
  }),
  fc.record({ kind: fc.constantFrom("dump" as const, "take" as const, "keyframe" as const) }),
);

describe("the account of flows", () => {
  it("is the kernel's table, whatever happens", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const tracker = newTracker();
        // Models the kernel: one entry per tuple.
        const kernel = new Map<number, { id: number; state: string }>();
        let account = new Account(true);
        for (const each of steps) {
          if (each.kind === "new") {
            if (kernel.has(each.port)) continue;
            const id = each.port * 10 + each.id;
            kernel.set(each.port, { id, state: each.state });
            tracker.put(flow(each.port, id, each.state), 1);
          } else if (each.kind === "destroy") {
            const entry = kernel.get(each.port);
            if (entry === undefined) continue;
            kernel.delete(each.port);
            tracker.destroy(flow(each.port, entry.id, entry.state));
          } else if (each.kind === "dump") {
            tracker.begin();
            for (const [port, { id, state }] of kernel) tracker.see(flow(port, id, state), 1);
            tracker.end();
          } else if (each.kind === "take") account.apply(taken(tracker));
          else {
            account = new Account(true);
            account.apply(taken(tracker, true));
          }
        }
        account.apply(taken(tracker));
        assert.deepEqual(
          account
            .texts()
            .map((text) => Number(text.split("id ")[1]))
            .toSorted((a, b) => a - b),
          [...kernel.values()].map(({ id }) => id).toSorted((a, b) => a - b),
        );
      }),
    );
  });

  it("reports nothing if nothing changed", () => {
    const tracker = newTracker();
    tracker.put(flow(1, 5), 0);
    taken(tracker);
    tracker.begin();
    tracker.see(flow(1, 5, "ESTABLISHED", 99), 100);
    tracker.end();
    const { added, changed, removed } = taken(tracker);
    assert.deepEqual([added.length, changed.length, removed.length], [0, 0, 0]);
  });

  it("reports states and counters that moved, and no timeout", () => {
    const tracker = newTracker();
    tracker.put(flow(1, 5, "SYN_SENT"), 0);
    taken(tracker);
    tracker.put(flow(1, 5, "ESTABLISHED"), 0);
    assert.equal(taken(tracker).changed.state[0], 3);
    tracker.put(flow(1, 5, "ESTABLISHED", 100, 77), 0);
    assert.deepEqual(Array.from(taken(tracker).changed.counters.subarray(0, 4)), [1, 77, 1, 77]);
    tracker.put(flow(1, 5, "ESTABLISHED", 500, 77), 0);
    assert.equal(taken(tracker).changed.length, 0);
  });

  it("does not let older news bring back what ended during a dump", () => {
    const tracker = newTracker();
    tracker.put(flow(1, 5), 0);
    tracker.begin();
    tracker.destroy(flow(1, 5));
    tracker.see(flow(1, 5), 0);
    tracker.end();
    assert.equal(tracker.size, 0);
  });

  it("keeps what began during a dump that does not contain it, and everything if the dump failed", () => {
    const tracker = newTracker();
    tracker.put(flow(1, 5), 0);
    tracker.begin();
    tracker.put(flow(2, 6), 1);
    tracker.end();
    assert.equal(tracker.size, 1);
    tracker.begin();
    tracker.abandon();
    tracker.begin();
    tracker.abandon();
    assert.equal(tracker.size, 1);
  });

  it("distinguishes a new connection on old ports from the old one without ids", () => {
    const tracker = newTracker();
    tracker.put(flow(1, 0, "TIME_WAIT"), 0);
    const first = taken(tracker).added.id[0];
    tracker.put(flow(1, 0, "SYN_SENT"), 0);
    const { added, removed } = taken(tracker);
    assert.deepEqual(removed, [first]);
    assert.notEqual(added.id[0], first);
  });

  it("counts what finds no place, and has room again when flows end", () => {
    const tracker = new FlowTracker(createFlowIds(), 1000);
    tracker.begin();
    for (let port = 1; port <= 5000; port++) tracker.see(flow(port, port), 0);
    tracker.end();
    assert.deepEqual([tracker.size, tracker.overflowed], [1000, 4000]);
    assert.equal(taken(tracker).added.length, 1000);
    for (let port = 1; port <= 10; port++) tracker.destroy(flow(port, port));
    for (let port = 2001; port <= 2020; port++) tracker.put(flow(port, port), 1);
    assert.deepEqual([tracker.size, tracker.overflowed], [1000, 4010]);
    assert.equal(taken(tracker).removed.length, 10);
  });

  it("of a namespace that is gone ends with it", () => {
    const tracker = newTracker();
    tracker.put(flow(1, 1), 0);
    const [id] = taken(tracker).added.id;
    // Never reported, so there is nothing to remove.
    tracker.put(flow(2, 2), 0);
    const removed: number[] = [];
    tracker.endAll(removed);
    assert.deepEqual(removed, [id]);
    assert.equal(tracker.size, 0);
  });

  it("keeps the same rows in whatever order dumps arrive", () => {
    const tracker = newTracker();
    const ports = Array.from({ length: 200 }, (_, i) => i + 1);
    const account = new Account(true);
    for (const order of [ports, ports.toReversed(), ports.filter((port) => port % 3 > 0), ports]) {
      tracker.begin();
      for (const port of order) tracker.see(flow(port, port), 0);
      tracker.end();
      account.apply(taken(tracker));
      assert.equal(account.flows.size, order.length);
    }
  });

  it("grows without losing a flow", () => {
    const tracker = newTracker();
    for (let port = 1; port <= 5000; port++) tracker.put(flow(port, port), 0);
    for (let port = 1; port <= 5000; port += 2) tracker.destroy(flow(port, port));
    const { added } = taken(tracker, true, 7);
    assert.equal(added.length, 5000);
    assert.ok(added.namespace.subarray(0, 5000).every((namespace) => namespace === 7));
    assert.equal(taken(tracker, true, 7).added.length, 2500);
    assert.match(
      flowText(added, 0, true),
      /^tcp 6 ESTABLISHED 10\.0\.0\.1\/\d+ > 10\.0\.0\.9\/80, 10\.0\.0\.2\/8080 > /,
    );
  });
});
