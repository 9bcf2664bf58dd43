// The aggregator's connections are those that were generated, in whatever order the reports of a cluster
// arrive.

import { it } from "node:test";
import fc from "fast-check";

import { describeSimulation } from "./describe.ts";
import { explain } from "./explain.ts";
import { scenarios } from "./scenario.ts";
import { simulate } from "./simulate.ts";

/** About 15 seconds. */
const HISTORIES = 2500;

it(`the connections of ${HISTORIES} histories are those that were generated, in every order`, (context) => {
  const { seed } = fc.readConfigureGlobal();
  context.diagnostic(`seed ${seed}`);
  fc.assert(
    fc.property(scenarios, (scenario) => {
      const simulation = simulate(scenario);
      const { findings, history, reports } = simulation;
      const unexplained = findings.filter(
        (finding) => explain(finding, { scenario, history, reports }) === null,
      );
      if (unexplained.length > 0) throw new Error(describeSimulation(scenario, simulation, unexplained));
    }),
    { numRuns: HISTORIES },
  );
});
