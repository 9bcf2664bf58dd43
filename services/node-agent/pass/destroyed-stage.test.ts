import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { NetworkNamespace } from "../../../lib/gen/whotalks/v1/report.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import { Timer } from "../../../lib/vocabulary/timers.ts";
import { DestroyedTable } from "../destroyed/destroyed-table.ts";
import { IdPool } from "../ids/id-pool.ts";
import type { DestroyedReader } from "../observation.ts";
import { DestroyedStage } from "./destroyed-stage.ts";

const INODE = 77;
const NAMESPACE_ID = 2;
const scan = { processes: new Map(), namespaces: [], unreadable: 0, limits: [] };
const namespaces = [
  {
    namespace: NetworkNamespace.create({ id: NAMESPACE_ID, inode: INODE }),
    record: { inode: INODE, host: false, pids: [1] },
    gone: false,
  },
];

// Announcements that a test makes.
class Announcements implements DestroyedReader {
  readonly hearing = "all";
  overruns = 0;
  readonly malformed = 0;
  readonly overflowed = 0;
  onCrowd = null;
  #table = new DestroyedTable();

  refresh(): void {
    // Namespaces are known.
  }

  takeArrivals() {
    return new Map();
  }

  take(): DestroyedTable {
    const table = this.#table;
    this.#table = new DestroyedTable();
    return table;
  }

  hears(): boolean {
    return true;
  }

  wasThereAtStart(): boolean {
    return true;
  }

  limits() {
    return [];
  }

  /** Announces the end of a UDP socket. */
  announce(localPort: number): void {
    const row = this.#table.append(INODE, 0);
    const { sockets } = this.#table;
    fill(sockets, row, { protocol: Protocol.udp, localPort });
  }
}

function fill(sockets: SocketTable, row: number, columns: { protocol: number; localPort: number }): void {
  sockets.protocol[row] = columns.protocol;
  sockets.family[row] = 4;
  sockets.addresses.set([0, 0, 0xffff, 0x0a000001, 0, 0, 0xffff, 0x0a000002], row * 8);
  sockets.localPort[row] = columns.localPort;
  sockets.remotePort[row] = 53;
  sockets.inode[row] = 0;
  sockets.state[row] = SocketState.CLOSE;
  sockets.cookieLow[row] = columns.localPort;
}

/** A pass that finds `next`. */
function merge(stage: DestroyedStage, next: SocketTable, hearsTcp = true, hearsFromStart = false) {
  stage.take(scan);
  return stage.merge({
    namespaceIds: new Map([[INODE, NAMESPACE_ID]]),
    previous: new SocketTable(),
    next,
    continued: null,
    added: new Set(next.id.subarray(0, next.length)),
    ticks: 100,
    hearsTcp,
    hearsFromStart: ({ namespace }) => hearsFromStart && namespace.id === NAMESPACE_ID,
    namespaces,
  });
}

describe("announcements", () => {
  it("before the first pass belong to no pass", () => {
    const destroyed = new Announcements();
    const stage = new DestroyedStage({ destroyed, elapsedMs: () => 0 }, new IdPool(1, 100));
    destroyed.announce(1000);
    assert.equal(merge(stage, new SocketTable()).added.length, 0);
    destroyed.announce(1001);
    const { added } = merge(stage, new SocketTable());
    assert.deepEqual([added.length, added.localPort[0], added.namespace[0]], [1, 1001, NAMESPACE_ID]);
  });

  it("that are none, and losses that are none, are quiet", () => {
    const destroyed = new Announcements();
    const stage = new DestroyedStage({ destroyed, elapsedMs: () => 0 }, new IdPool(1, 100));
    merge(stage, new SocketTable());
    stage.take(scan);
    assert.equal(stage.isQuiet, true);
    stage.skip();
    destroyed.announce(1000);
    stage.take(scan);
    assert.equal(stage.isQuiet, false);
    merge(stage, new SocketTable());
    destroyed.overruns++;
    stage.take(scan);
    assert.equal(stage.isQuiet, false);
  });

  it("are none without a reader", () => {
    const stage = new DestroyedStage({ elapsedMs: () => 0 }, new IdPool(1, 100));
    merge(stage, new SocketTable());
    const { added, finals } = merge(stage, new SocketTable());
    assert.deepEqual([added.length, finals.length, stage.isQuiet], [0, 0, true]);
  });
});

function withEntry(): SocketTable {
  const next = new SocketTable();
  const row = next.append();
  fill(next, row, { protocol: Protocol.tcp, localPort: 80 });
  next.id[row] = 9;
  next.namespace[row] = NAMESPACE_ID;
  next.state[row] = SocketState.TIME_WAIT;
  next.timer[row] = Timer.timeWait;
  next.timerDeadline[row] = 6100;
  return next;
}

describe("an unknown entry in TIME_WAIT", () => {
  for (const [hearsTcp, kept] of [
    [true, 0],
    [false, 1],
  ] as const) {
    it(`is ${hearsTcp ? "left out" : "reported"} where TCP is ${hearsTcp ? "" : "not "}heard`, () => {
      const stage = new DestroyedStage({ elapsedMs: () => 0 }, new IdPool(1, 100));
      merge(stage, new SocketTable(), hearsTcp);
      const next = withEntry();
      merge(stage, next, hearsTcp);
      assert.equal(next.length, kept);
    });
  }

  for (const [hearsFromStart, kept] of [
    [true, 0],
    [false, 1],
  ] as const) {
    const whose = hearsFromStart ? "was heard from its start" : "came before it was heard";
    it(`is ${hearsFromStart ? "left out" : "reported"} of a new namespace that ${whose}`, () => {
      const stage = new DestroyedStage({ elapsedMs: () => 0 }, new IdPool(1, 100));
      const next = withEntry();
      merge(stage, next, true, hearsFromStart);
      assert.equal(next.length, kept);
    });
  }
});
