import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import { CpuBudget, WAIT_MS_MAX } from "./cpu-budget.ts";

// Runs passes that each use so much CPU, as long as the clock shows less than untilMs; gives when each began.
function starts(budget: CpuBudget, cpuMsPerPass: number, untilMs: number): number[] {
  const begun: number[] = [];
  let nowMs = 0;
  let cpuMs = 500;
  while (nowMs < untilMs) {
    const startMs = nowMs;
    begun.push(startMs);
    nowMs += cpuMsPerPass;
    cpuMs += cpuMsPerPass;
    nowMs += budget.waitMs(startMs, nowMs, cpuMs);
  }
  return begun;
}

describe("the CPU budget", () => {
  it("leaves the interval alone if passes are cheap", () => {
    const budget = new CpuBudget({ share: 0.01, intervalMs: 1000 });
    assert.equal(starts(budget, 9, 100_000).length, 100);
    assert.deepEqual(budget.limits(), []);
  });

  it("stretches the interval if they are expensive, and says so", () => {
    const budget = new CpuBudget({ share: 0.01, intervalMs: 1000 });
    const begun = starts(budget, 42, 600_000);
    const [before, last] = begun.slice(-2);
    assert.ok(Math.abs(last! - before! - 4200) < 50, `${last! - before!} ms`);
    assert.match(budget.limits()[0]!, /stretched to 4\.2 s by the CPU budget of 1 % of one core/);
  });

  it("lets a burst pass that it has saved for", () => {
    const budget = new CpuBudget({ share: 0.01, intervalMs: 1000 });
    starts(budget, 1, 60_000);
    assert.equal(budget.waitMs(60_000, 60_300, 500 + 60 + 300), 700);
  });

  it("is kept in the long run whatever passes cost, unless they cost more than its longest wait allows", () => {
    fc.assert(
      fc.property(fc.double({ min: 1, max: 45, noNaN: true }), fc.constantFrom(0.01, 0.1), (cpuMs, share) => {
        const budget = new CpuBudget({ share, intervalMs: 1000 });
        const untilMs = 3_600_000;
        const used = starts(budget, cpuMs, untilMs).length * cpuMs;
        assert.ok(used <= (untilMs + 60_000 + WAIT_MS_MAX) * share + 2000 + cpuMs, `${used}`);
      }),
    );
  });

  it("never makes a pass wait for more than its longest wait, and says if the budget is exceeded", () => {
    const budget = new CpuBudget({ share: 0.01, intervalMs: 1000 });
    const begun = starts(budget, 500, 600_000);
    const [before, last] = begun.slice(-2);
    assert.equal(last! - before!, WAIT_MS_MAX + 500);
    assert.match(budget.limits()[0]!, /stretched to 5\.5 s .* exceeded even so/);
  });

  it("is not limited without a limit", () => {
    const budget = new CpuBudget({ share: null, intervalMs: 1000 });
    assert.equal(budget.waitMs(0, 5000, 5000), 0);
    assert.deepEqual(budget.limits(), []);
  });
});
