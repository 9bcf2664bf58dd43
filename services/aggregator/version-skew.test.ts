// Agents and aggregators one version apart, in either direction, work together: fields are only added. The
// saved reports are a real agent's; a report of the next version has fields that this one does not know.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import type { Aggregator } from "./aggregator.ts";
import { createAggregator } from "./aggregator.ts";
import { decodeReport } from "../../lib/report-codec.ts";
import { Filter } from "../../lib/gen/whotalks/v1/query.ts";

const now = 1_795_000_100_000;

function saved(name: string): Uint8Array {
  return readFileSync(path.join(import.meta.dirname, "../../test/fixtures/reports", name));
}

function talked(aggregator: Aggregator): string[] {
  const answer = aggregator.query.connections(Filter.create(), 100);
  return [...answer.items].map(
    ({ protocol, client, server, closed }) =>
      `${protocol} ${client?.process?.name} → ${server?.process?.name} :${server?.port}${closed ? " closed" : ""}`,
  );
}

test("a report of an older agent is read", () => {
  const aggregator = createAggregator({ now: () => now });
  aggregator.ingest(saved("0.1.0-keyframe.bin"), now);
  assert.deepEqual(talked(aggregator).toSorted(), [
    "tcp MainThread → MainThread :7000",
    "udp MainThread → MainThread :7002",
  ]);
  aggregator.ingest(saved("0.1.0-delta.bin"), now + 300);
  assert.ok(talked(aggregator).every((line) => line.endsWith("closed")));
  assert.equal(aggregator.counts().rejected, 0);
});

// Sockets with drops and dual_stack, flows with mark, deadline, kernel_id and start_ms: unused columns that
// were removed.
test("a report of an agent that still sends the columns that were removed is read", () => {
  const report = decodeReport(saved("0.1.0-unread-columns.bin"));
  assert.ok(typeof report !== "string");
  const { sockets, changes, flows, flowChanges } = report;
  assert.deepEqual(
    [sockets, changes, flows, flowChanges].map((table) => [...table!.id.subarray(0, table!.length)]),
    [
      [1, 2],
      [1, 2],
      [1, 2],
      [1, 2],
    ],
  );
  assert.deepEqual(
    [...sockets!.cookieLow.subarray(0, 2), ...changes!.rttMicros.subarray(0, 2)],
    [11, 12, 40, 41],
  );
  assert.deepEqual([...flows!.ports.subarray(4, 8), flows!.firstSeen[1]], [4001, 80, 80, 4001, 6]);
  assert.deepEqual([...flowChanges!.counters.subarray(0, 4)], [1, 2, 3, 4]);
});

test("a report of a newer agent, with fields that are not known yet, is read", () => {
  // Field 2000, a string, as protobuf encodes it: tag (2000 << 3 | 2), length, bytes.
  const unknown = Uint8Array.of(0x82, 0x7d, 3, 0x61, 0x62, 0x63);
  const aggregator = createAggregator({ now: () => now });
  aggregator.ingest(Buffer.concat([saved("0.1.0-keyframe.bin"), unknown]), now);
  assert.equal(talked(aggregator).length, 2);
});

test("filters of an older command line mean what they meant", () => {
  const aggregator = createAggregator({ now: () => now });
  aggregator.ingest(saved("0.1.0-keyframe.bin"), now);
  const found = (filter: Partial<Filter>): number =>
    aggregator.query.connections(Filter.fromPartial(filter), 100).matched;
  // The words and numbers that version 0.1.0 sends.
  assert.equal(found({ protocols: ["tcp"] }), 1);
  assert.equal(found({ protocols: ["udp", "unix", "netlink", "packet", "raw"] }), 1);
  assert.equal(found({ protocols: ["6", "255"] }), 1);
  assert.equal(found({ states: ["ESTABLISHED", "TIME_WAIT"], protocols: ["tcp"] }), 1);
  assert.equal(found({ outcomes: ["refused", "timed-out", "pending"] }), 0);
});
