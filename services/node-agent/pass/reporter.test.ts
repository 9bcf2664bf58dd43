import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, it } from "node:test";

import { NetworkNamespace, NodeCoverage, Pod } from "../../../lib/gen/whotalks/v1/report.ts";
import type { Report } from "../../../lib/gen/whotalks/v1/report.ts";
import { HolderTable } from "../../../lib/holder-table.ts";
import { decodeReport } from "../../../lib/report-codec.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import type { AgentParts } from "../agent-parts.ts";
import { emptyObservation, heardDelta } from "../delta/delta.ts";
import type { Observation } from "../observation.ts";
import { Reporter } from "./reporter.ts";

const KEYFRAME_MS = 60_000;
const nothing = emptyObservation(NodeCoverage.create({ node: "n" }));

/** An observation with namespaces of these ids. */
const observed = (ticks: number, ...ids: readonly number[]): Observation => ({
  ...nothing,
  ticks,
  namespaces: new Map(ids.map((id) => [id, NetworkNamespace.create({ id, inode: 100 + id })])),
});

/** A reporter whose clock is set by hand. */
function reporterWith(more: Partial<AgentParts> = {}) {
  const sent: Report[] = [];
  const kinds: boolean[] = [];
  const clock = { ms: 0, fails: false };
  const parts = {
    origin: { node: "n", bootId: "b", epoch: 1 },
    sink: {
      publish: (bytes: Uint8Array, { keyframe }: { keyframe: boolean }) => {
        const report = decodeReport(bytes);
        assert.ok(typeof report !== "string");
        sent.push(report.header);
        kinds.push(keyframe);
        return clock.fails ? Promise.reject(new Error("no way")) : Promise.resolve();
      },
    },
    pods: null,
    elapsedMs: () => clock.ms,
    ...more,
  } as AgentParts;
  return { reporter: new Reporter(parts, KEYFRAME_MS), sent, kinds, clock };
}

function heard(ticks: number) {
  const sockets = new SocketTable(1);
  const row = sockets.append();
  sockets.id[row] = 5;
  sockets.family[row] = 6;
  const changes = new SocketTable(1);
  return heardDelta(ticks, { sockets, changes, holders: new HolderTable(1), removed: [], ended: 0 }, []);
}

describe("reports", () => {
  it("say beforehand whether the next one of an observation is a keyframe", () => {
    let isRequested = false;
    const { reporter, kinds, clock } = reporterWith({
      takeKeyframeRequest: () => {
        const was = isRequested;
        isRequested = false;
        return was;
      },
    });
    const foretold: boolean[] = [];
    const report = (): void => {
      foretold.push(reporter.isKeyframeDue());
      reporter.report(nothing, observed(1, 1));
    };
    report();
    report();
    clock.ms += KEYFRAME_MS;
    report();
    report();
    isRequested = true;
    report();
    assert.deepEqual(foretold, [true, false, true, false, true]);
    assert.deepEqual(kinds, foretold);
  });

  it("begin with a keyframe and continue with changes, numbered", () => {
    const { reporter, sent, kinds } = reporterWith();
    const [first, second] = [observed(0, 1, 2), observed(100, 2, 3)];
    reporter.report(nothing, first);
    reporter.report(first, {
      ...second,
      namespaces: new Map([...second.namespaces, [2, first.namespaces.get(2)!]]),
    });
    assert.deepEqual(
      sent.map(({ sequence, keyframe, namespaces }) => [sequence, keyframe, namespaces.map(({ id }) => id)]),
      [
        [1, true, [1, 2]],
        [2, false, [3]],
      ],
    );
    assert.deepEqual([sent[1]!.namespacesRemoved, kinds], [[1], [true, false]]);
  });

  it("are a keyframe again after a while", () => {
    const { reporter, kinds, clock } = reporterWith();
    for (const ms of [0, KEYFRAME_MS - 1, KEYFRAME_MS, KEYFRAME_MS + 1, 2 * KEYFRAME_MS]) {
      clock.ms = ms;
      reporter.report(nothing, nothing);
    }
    assert.deepEqual(kinds, [true, false, true, false, true]);
  });

  it("are a keyframe after one that could not be delivered", async () => {
    const { reporter, kinds, clock } = reporterWith();
    reporter.report(nothing, nothing);
    clock.fails = true;
    reporter.report(nothing, nothing);
    await nextTurn();
    clock.fails = false;
    reporter.report(nothing, nothing);
    reporter.report(nothing, nothing);
    assert.deepEqual(kinds, [true, false, true, false]);
  });

  it("are keyframes only if the sink asks for one", async () => {
    let isAsked = false;
    const { reporter, kinds, clock } = reporterWith({ takeKeyframeRequest: () => isAsked });
    reporter.report(nothing, nothing);
    clock.fails = true;
    reporter.report(nothing, nothing);
    await nextTurn();
    reporter.report(nothing, nothing);
    isAsked = true;
    reporter.report(nothing, nothing);
    assert.deepEqual(kinds, [true, false, false, true]);
  });

  it("have every pod in a keyframe, and those that changed else", () => {
    const [one, two] = [Pod.create({ uid: "one" }), Pod.create({ uid: "two" })];
    const { reporter, sent } = reporterWith({ pods: { all: () => [one, two], changed: () => [two] } });
    reporter.report(nothing, nothing);
    reporter.report(nothing, nothing);
    reporter.reportHeard(heard(0));
    assert.deepEqual(
      sent.map(({ pods }) => pods.map(({ uid }) => uid)),
      [["one", "two"], ["two"], ["two"]],
    );
  });

  it("have the age of what they say", () => {
    const { reporter, sent, clock } = reporterWith();
    clock.ms = 1234;
    reporter.report(nothing, observed(120));
    reporter.report(nothing, observed(200));
    assert.deepEqual(
      sent.map(({ ticks, ageMs }) => [ticks, ageMs]),
      [
        [120, 34],
        [200, 0],
      ],
    );
  });
});

describe("what was heard", () => {
  it("is a report with its own number, never a keyframe, without coverage", () => {
    const { reporter, sent, kinds, clock } = reporterWith();
    reporter.report(nothing, nothing);
    clock.ms = 2 * KEYFRAME_MS;
    reporter.reportHeard(heard(10));
    reporter.report(nothing, nothing);
    assert.deepEqual(
      sent.map(({ sequence }) => sequence),
      [1, 2, 3],
    );
    assert.deepEqual(kinds, [true, false, true]);
    assert.deepEqual(
      sent.map(({ coverage }) => coverage !== undefined),
      [true, false, true],
    );
  });

  it("makes the next observation a keyframe if it could not be delivered", async () => {
    const { reporter, kinds, clock } = reporterWith();
    reporter.report(nothing, nothing);
    clock.fails = true;
    reporter.reportHeard(heard(10));
    await nextTurn();
    reporter.report(nothing, nothing);
    assert.deepEqual(kinds, [true, false, true]);
  });
});
