// Tests the oracle: it finds what is wrong with an answer, and nothing in a right one.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";

import type { Connection } from "../../lib/gen/whotalks/v1/query.ts";
import { calm, calmTalk } from "./calm-scenario.ts";
import type { Answer } from "./delivery.ts";
import { compareAnswers, judge } from "./oracle.ts";
import type { Scenario } from "./scenario.ts";
import { scenarios } from "./scenario.ts";
import { simulate } from "./simulate.ts";
import { witnessesOf } from "./witnesses.ts";

const scenario: Scenario = {
  ...calm,
  podsPerNode: 2,
  talks: [
    { ...calmTalk, way: "service", server: 1 },
    { ...calmTalk, server: 1, port: 1 },
    { ...calmTalk, protocol: "udp", server: 1, port: 2 },
  ],
};

describe("the oracle", () => {
  it("finds nothing if all is right", () => {
    const { answer, findings } = simulate(scenario);
    assert.deepEqual(findings, []);
    assert.equal(answer.connections.length, 3);
  });

  const wrong: Readonly<Record<string, (connections: readonly Connection[]) => Connection[]>> = {
    "a connection that is missing": (connections) => connections.slice(1),
    "a connection that is there twice": (connections) => [connections[0]!, ...connections],
    "another client": ([first, ...rest]) => [
      { ...first!, client: { ...first!.client!, podUid: "nobody" } },
      ...rest,
    ],
    "another port": ([first, ...rest]) => [{ ...first!, client: { ...first!.client!, port: 1 } }, ...rest],
    "a Service that is not named": (connections) => connections.map((each) => ({ ...each, via: undefined })),
    "evidence that is not named": ([first, ...rest]) => [{ ...first!, evidence: ["client-socket"] }, ...rest],
    "a connection that is not open": ([first, ...rest]) => [{ ...first!, closed: true }, ...rest],
    "other bytes": ([first, ...rest]) => [{ ...first!, bytesToServer: 1 }, ...rest],
    "a datagram conversation too many": (connections) =>
      connections.map((each) => (each.protocol === "udp" ? { ...each, count: each.count + 1 } : each)),
  };
  for (const [name, change] of Object.entries(wrong)) {
    it(`finds ${name}`, () => {
      const { cluster, history, reports, answer } = simulate(scenario);
      const streamsFirst = answer.connections.toSorted((a, b) => (a.protocol < b.protocol ? -1 : 1));
      const changed: Answer = { ...answer, connections: change(streamsFirst) };
      assert.notDeepEqual(judge(scenario, cluster, history, witnessesOf(reports), changed), []);
      assert.notDeepEqual(compareAnswers("order", answer, changed), []);
    });
  }

  it("finds an edge that does not add up", () => {
    const { cluster, history, reports, answer } = simulate(scenario);
    const edges = answer.edges.map((edge, at) => (at === 0 ? { ...edge, connections: 7 } : edge));
    const findings = judge(scenario, cluster, history, witnessesOf(reports), { ...answer, edges });
    assert.deepEqual(
      findings.map(({ kind }) => kind),
      ["edges"],
    );
  });
});

it("a history is the same each time", () => {
  fc.assert(
    fc.property(scenarios, (any) => {
      const [one, two] = [simulate(any), simulate(any)];
      assert.deepEqual(one.findings, two.findings);
      assert.deepEqual(one.answer, two.answer);
    }),
    { numRuns: 20 },
  );
});
