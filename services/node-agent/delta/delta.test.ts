import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import {
  FamilySocket,
  NetworkNamespace,
  NodeCoverage,
  ProcessInfo,
} from "../../../lib/gen/whotalks/v1/report.ts";
import { HolderTable } from "../../../lib/holder-table.ts";
import type { DecodedReport } from "../../../lib/report-codec.ts";
import { decodeReport, REPORT_BYTES_MAX } from "../../../lib/report-codec.ts";
import { FlowTable } from "../../../lib/flow-table.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import { anySocketTable, rowsOf } from "../../../test/arbitraries/socket-table.ts";
import type { Observation } from "../observation.ts";
import type { Delta } from "./delta.ts";
import { emptyObservation, nothingEnded } from "./delta.ts";
import { diff, keyframe } from "./diff.ts";
import { encodeReports } from "./reports.ts";
import { apply } from "./testing/apply.ts";

const coverage = NodeCoverage.create({ node: "n" });
const origin = { node: "n", bootId: "b", epoch: 1 };

function anyObservation(): fc.Arbitrary<Observation> {
  return fc
    .record({
      sockets: anySocketTable(0),
      family: fc.uniqueArray(
        fc.record({ id: fc.integer({ min: 61, max: 80 }), inode: fc.nat(3), path: fc.string() }),
        {
          selector: ({ id }) => id,
        },
      ),
      held: fc.array(fc.record({ process: fc.integer({ min: 1, max: 6 }), fd: fc.nat(9) }), { maxLength: 3 }),
      heldShare: fc.integer({ min: 1, max: 3 }),
      namespaces: fc.uniqueArray(fc.integer({ min: 0, max: 5 })),
      processes: fc.uniqueArray(fc.integer({ min: 1, max: 6 })),
      ticks: fc.nat(1000),
    })
    .map(({ sockets, family, held, heldShare, namespaces, processes, ticks }) => {
      const holders = new HolderTable();
      for (let row = 0; row < sockets.length; row += heldShare) {
        for (const { process, fd } of held) holders.append(sockets.id[row]!, process, fd + row);
      }
      return {
        ticks,
        sockets,
        holders,
        namespaces: new Map(namespaces.map((id) => [id, sharedNamespaces[id]!])),
        processes: new Map(processes.map((id) => [id, sharedProcesses[id]!])),
        familySockets: new Map(family.map((socket) => [socket.id, FamilySocket.fromPartial(socket)])),
        ended: nothingEnded,
        coverage,
        namespaceCoverage: new Map(),
      };
    });
}

// Observations share the objects of unchanged namespaces and processes.
const sharedNamespaces = Array.from({ length: 6 }, (_, id) =>
  NetworkNamespace.create({ id, inode: 100 + id }),
);
const sharedProcesses = Array.from({ length: 7 }, (_, id) =>
  ProcessInfo.create({ id, pid: 1000 + id, name: `p${id}` }),
);

// Row order is not part of an observation, so it is normalized by sorting.
function normal(observation: Observation): unknown {
  return {
    ticks: observation.ticks,
    sockets: rowsOf(observation.sockets).toSorted((a, b) => a.id - b.id),
    family: [...observation.familySockets.values()].toSorted((a, b) => a.id - b.id),
    holders: holderRows(observation.holders),
    namespaces: [...observation.namespaces.keys()].toSorted((a, b) => a - b),
    processes: [...observation.processes.keys()].toSorted((a, b) => a - b),
  };
}

function holderRows(holders: HolderTable): string[] {
  return Array.from({ length: holders.length }, (_, row) =>
    [holders.socket[row], holders.process[row], holders.fd[row]].join(" "),
  ).toSorted((a, b) => a.localeCompare(b));
}

// An id identifies one kernel socket: its columns that never change must be equal in both observations.
function withSettledIds(previous: Observation, next: Observation): Observation {
  const before = new Map(rowsOf(previous.sockets).map((row, at) => [row.id, at]));
  const sockets = new SocketTable(64);
  for (let row = 0; row < next.sockets.length; row++) {
    const at = sockets.appendRow(next.sockets, row);
    const known = before.get(next.sockets.id[row]!);
    if (known === undefined) continue;
    const mutable = rowsOf(next.sockets)[row]!;
    sockets.copyRow(at, previous.sockets, known);
    for (const column of [
      "state",
      "inode",
      "uid",
      "recvQueue",
      "sendQueue",
      "timer",
      "timerDeadline",
    ] as const) {
      sockets[column][at] = mutable[column];
    }
    for (const column of ["retransmits", "references"] as const) sockets[column][at] = mutable[column];
  }
  return { ...next, sockets };
}

function reassemble(reports: readonly DecodedReport[]): Delta {
  const sockets = new SocketTable(64);
  const changes = new SocketTable(64);
  const holders = new HolderTable(64);
  for (const report of reports) {
    if (report.sockets !== null)
      for (let row = 0; row < report.sockets.length; row++) sockets.appendRow(report.sockets, row);
    if (report.changes !== null)
      for (let row = 0; row < report.changes.length; row++) changes.appendRow(report.changes, row);
    if (report.holders !== null) {
      const { socket, process, fd, length } = report.holders;
      for (let row = 0; row < length; row++) holders.append(socket[row]!, process[row]!, fd[row]!);
    }
  }
  const headers = reports.map(({ header }) => header);
  return {
    ticks: headers[0]!.ticks,
    sockets,
    changes,
    holders,
    socketsRemoved: reports.flatMap(({ socketsRemoved }) => [...socketsRemoved]),
    holdersCleared: reports.flatMap(({ holdersCleared }) => [...holdersCleared]),
    familySockets: reports.flatMap(({ familySockets }) => familySockets),
    namespaces: headers.flatMap(({ namespaces }) => namespaces),
    namespacesRemoved: headers.flatMap(({ namespacesRemoved }) => namespacesRemoved),
    processes: headers.flatMap(({ processes }) => processes),
    processesRemoved: headers.flatMap(({ processesRemoved }) => processesRemoved),
    coverage,
    namespaceCoverage: headers.flatMap(({ namespaceCoverage }) => namespaceCoverage),
    ended: 0,
    seenNow: true,
  };
}

function decodeAll(encoded: readonly Uint8Array[]): DecodedReport[] {
  return encoded.map((bytes) => {
    const decoded = decodeReport(bytes);
    if (typeof decoded === "string") assert.fail(decoded);
    return decoded;
  });
}

function flowIds(tables: readonly (FlowTable | null)[]): number[] {
  return tables.flatMap((table) => (table === null ? [] : [...table.id.subarray(0, table.length)]));
}

describe("deltas", () => {
  it("diff, then apply, returns the observation", () => {
    fc.assert(
      fc.property(anyObservation(), anyObservation(), (previous, later) => {
        const next = withSettledIds(previous, later);
        assert.deepEqual(normal(apply(previous, diff(previous, next))), normal(next));
      }),
    );
  });

  it("flows are split into parts below the limit, none lost, removals after what they remove", () => {
    const added = new FlowTable(64);
    for (let id = 1; id <= 10_000; id++) {
      const row = added.append();
      added.id[row] = id;
      added.family[row] = id % 2 === 0 ? 4 : 6;
    }
    const removed = Array.from({ length: 300 }, (_, at) => at + 1);
    const nothing = diff(emptyObservation(coverage), emptyObservation(coverage));
    const options = { keyframe: false, firstSequence: 1, ageMs: 0, pods: [] };
    const encoded = encodeReports(origin, nothing, { ...options, flows: { added, changed: added, removed } });
    assert.ok(encoded.length > 1 && encoded.every((bytes) => bytes.length <= REPORT_BYTES_MAX));
    const decoded = decodeAll(encoded);
    const all = [...added.id.subarray(0, added.length)];
    assert.deepEqual(flowIds(decoded.map(({ flows }) => flows)), all);
    assert.deepEqual(flowIds(decoded.map(({ flowChanges }) => flowChanges)), all);
    assert.deepEqual([...decoded.at(-1)!.flowsRemoved], removed);
  });

  it("a keyframe restores the observation from nothing", () => {
    fc.assert(
      fc.property(anyObservation(), (observation) => {
        assert.deepEqual(
          normal(apply(emptyObservation(coverage), keyframe(observation))),
          normal(observation),
        );
      }),
    );
  });

  it("nothing changed is an empty delta", () => {
    fc.assert(
      fc.property(anyObservation(), (observation) => {
        const { sockets, changes, holders, ...rest } = diff(observation, observation);
        assert.deepEqual([sockets.length, changes.length, holders.length], [0, 0, 0]);
        assert.deepEqual([...rest.socketsRemoved, ...rest.familySockets, ...rest.holdersCleared], []);
        assert.deepEqual([...rest.namespaces, ...rest.processes, ...rest.processesRemoved], []);
      }),
    );
  });

  it("diff, encode, decode, then apply returns the observation", () => {
    fc.assert(
      fc.property(anyObservation(), anyObservation(), (previous, later) => {
        // Keyframes carry first sightings; in a delta they are the report's own time.
        const next = withSettledIds(previous, later);
        const fresh = diff(previous, next);
        fresh.sockets.firstSeen.fill(next.ticks);
        const expected = apply(previous, fresh);
        const encoded = encodeReports(origin, diff(previous, next), {
          keyframe: false,
          firstSequence: 1,
          ageMs: 0,
          pods: [],
        });
        assert.deepEqual(normal(apply(previous, reassemble(decodeAll(encoded)))), normal(expected));
      }),
    );
  });

  it("splits a large keyframe into numbered parts below the limit, holders beside their sockets", () => {
    const sockets = new SocketTable(64);
    const holders = new HolderTable();
    for (let id = 1; id <= 40_000; id++) {
      const row = sockets.append();
      sockets.id[row] = id;
      sockets.family[row] = id % 2 === 0 ? 4 : 6;
      sockets.inode[row] = id;
      sockets.addresses.fill(id, row * 8, row * 8 + 8);
      if (id % 2 === 0) sockets.addresses.set([0, 0, 0xffff, id, 0, 0, 0xffff, id], row * 8);
      sockets.firstSeen[row] = id;
      holders.append(id, 1, id);
    }
    const observation = { ...emptyObservation(coverage), ticks: 50_000, sockets, holders };
    const delta = keyframe(observation);
    const encoded = encodeReports(origin, delta, { keyframe: true, firstSequence: 10, ageMs: 3, pods: [] });
    assert.ok(encoded.length > 3);
    assert.ok(encoded.every((bytes) => bytes.length <= REPORT_BYTES_MAX));
    const decoded = decodeAll(encoded);
    assert.deepEqual(
      decoded.map(({ header }) => [
        header.sequence,
        header.part,
        header.parts,
        header.coverage !== undefined,
      ]),
      decoded.map((_, part) => [10 + part, part, decoded.length, part === decoded.length - 1]),
    );
    for (const report of decoded) {
      const inPart = new Set(report.sockets?.id.slice(0, report.sockets.length));
      for (const socket of report.holders?.socket.slice(0, report.holders.length) ?? [])
        assert.ok(inPart.has(socket));
    }
    assert.deepEqual(normal(apply(emptyObservation(coverage), reassemble(decoded))), normal(observation));
  });
});
