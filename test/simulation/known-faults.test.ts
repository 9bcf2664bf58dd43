// Each known fault still exists. A fix removes its entry from the list.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { knownFaultCases } from "./known-fault-cases.ts";
import type { KnownFaultName } from "./known-faults.ts";
import { explain } from "./explain.ts";
import { knownFaults } from "./known-faults.ts";
import { simulate } from "./simulate.ts";

describe("known faults of joining", () => {
  for (const name of Object.keys(knownFaults) as KnownFaultName[]) {
    it(`has ${name} still`, () => {
      const scenario = knownFaultCases[name];
      const { findings, history, reports } = simulate(scenario);
      const names = findings.flatMap((finding) => [
        ...(explain(finding, { scenario, history, reports }) ?? []),
      ]);
      assert.ok(
        names.includes(name),
        `its history is right now: take ${name} out of known-faults.ts and known-fault-cases.ts, or, if ` +
          "`npm run soak -- join` still finds it elsewhere, replace its history",
      );
    });
  }
});
