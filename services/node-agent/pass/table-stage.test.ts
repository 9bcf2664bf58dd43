import assert from "node:assert/strict";
import { it } from "node:test";

import { SocketTable } from "../../../lib/socket-table.ts";
import { NamespaceIds } from "../ids/namespace-ids.ts";
import type { NamespaceReading, NamespaceRecord, ReadingHints, SocketReader } from "../observation.ts";
import { TableStage } from "./table-stage.ts";

const HINTS: ReadingHints = { destroyedIn: null, unheldKept: "always" };

const record = (inode: number, pid: number): NamespaceRecord => ({ inode, host: pid === 1, pids: [pid] });

const reading = (more: Partial<NamespaceReading> = {}): NamespaceReading => ({
  read: true,
  linesMalformed: 0,
  overflowed: 0,
  addresses: [],
  tcpCounters: null,
  unheldRead: false,
  ...more,
});

/** A stage whose reader appends a socket for each namespace and takes some time for it. */
function stageWith(readings: Record<number, Partial<NamespaceReading>> = {}, tookMs = 0) {
  const namespaceIds = new NamespaceIds();
  const log: string[] = [];
  let nowMs = 0;
  const reader: SocketReader = {
    name: "bpf-iter",
    probe: () => null,
    begin: (hints) => log.push(`begin ${hints?.unheldKept}`),
    read: ({ inode }, namespaceId, { sockets }) => {
      log.push(`read ${inode}`);
      nowMs += tookMs;
      sockets.namespace[sockets.append()] = namespaceId;
      return reading(readings[inode]);
    },
    limits: () => [],
  };
  return { stage: new TableStage(reader, namespaceIds, () => nowMs), namespaceIds, log };
}

const scanOf = (...namespaces: readonly NamespaceRecord[]) => ({
  processes: new Map(),
  namespaces,
  unreadable: 0,
  limits: [],
});

it("every namespace is read once, after the reader received its hints", async () => {
  const { stage, namespaceIds, log } = stageWith();
  const found = namespaceIds.identify(scanOf(record(100, 1), record(200, 7)), [], new Map());
  const { sink, readings, namespaces } = await stage.read(found, HINTS);
  assert.deepEqual(log, ["begin always", "read 100", "read 200"]);
  assert.deepEqual([...readings.keys()], [...namespaces.keys()]);
  assert.deepEqual(
    [...namespaces.values()].map(({ inode }) => inode),
    [100, 200],
  );
  assert.deepEqual([...sink.sockets.namespace.subarray(0, sink.sockets.length)], [...namespaces.keys()]);
});

it("a namespace that is gone is listed and not read", async () => {
  const { stage, namespaceIds, log } = stageWith();
  namespaceIds.identify(scanOf(record(100, 1), record(200, 7)), [], new Map());
  const found = namespaceIds.identify(scanOf(record(100, 1)), [200], new Map());
  const { readings, namespaces } = await stage.read(found, HINTS);
  assert.deepEqual([log, readings.size, namespaces.size], [["begin always", "read 100"], 1, 2]);
});

it("what could not be read is counted over all passes", async () => {
  const { stage, namespaceIds } = stageWith({ 100: { linesMalformed: 2 }, 200: { overflowed: 3 } });
  const found = namespaceIds.identify(scanOf(record(100, 1), record(200, 7)), [], new Map());
  await stage.read(found, HINTS);
  await stage.read(found, HINTS);
  assert.deepEqual([stage.linesMalformed, stage.overflowed], [4, 6]);
});

it("the addresses that were read are the namespace's", async () => {
  const address = Uint8Array.of(10, 0, 0, 1);
  const { stage, namespaceIds } = stageWith({ 100: { addresses: [address] } });
  const found = namespaceIds.identify(scanOf(record(100, 1)), [], new Map());
  const { namespaces } = await stage.read(found, HINTS);
  assert.deepEqual(
    [...namespaces.values()].map(({ addresses }) => addresses),
    [[address]],
  );
});

it("a returned table is filled again", async () => {
  const { stage, namespaceIds } = stageWith();
  const found = namespaceIds.identify(scanOf(record(100, 1)), [], new Map());
  const used = new SocketTable(16);
  used.append();
  stage.recycle(used);
  const { sink } = await stage.read(found, HINTS);
  assert.deepEqual([sink.sockets === used, sink.sockets.length], [true, 1]);
});

it("says what it cost, and lets others have their turn", async () => {
  const { stage, namespaceIds } = stageWith({}, 3);
  const found = namespaceIds.identify(
    scanOf(...[1, 2, 3, 4].map((pid) => record(100 * pid, pid))),
    [],
    new Map(),
  );
  let hadTurn = false;
  setImmediate(() => (hadTurn = true));
  const { cost } = await stage.read(found, HINTS);
  assert.equal(hadTurn, true);
  assert.deepEqual(cost, { namespaceMicrosMax: 3000, namespaceMicrosTotal: 12_000 });
});
