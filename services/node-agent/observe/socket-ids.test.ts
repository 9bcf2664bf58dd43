import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import { SocketTable } from "../../../lib/socket-table.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import { anySocketTable } from "../../../test/arbitraries/socket-table.ts";
import { IdPool } from "../ids/id-pool.ts";
import { settleSockets } from "./socket-ids.ts";

const { ESTABLISHED, TIME_WAIT, SYN_RECV, LISTEN, FIN_WAIT2 } = SocketState;

interface Shape {
  inode: number;
  state: number;
  remotePort?: number;
  timer?: number;
  timerDeadline?: number;
  cookie?: number;
}

function table(...shapes: Shape[]): SocketTable {
  const sockets = new SocketTable();
  for (const { inode, state, remotePort = 40000, timer = 0, timerDeadline = 0, cookie = 0 } of shapes) {
    const row = sockets.append();
    sockets.protocol[row] = 6;
    sockets.family[row] = 4;
    sockets.addresses.set([0, 0, 0xffff, 0x0a000001, 0, 0, 0xffff, 0x0a000002], row * 8);
    sockets.localPort[row] = 80;
    sockets.remotePort[row] = remotePort;
    sockets.inode[row] = inode;
    sockets.state[row] = state;
    sockets.timer[row] = timer;
    sockets.timerDeadline[row] = timerDeadline;
    sockets.cookieLow[row] = cookie;
  }
  return sockets;
}

const cases: { name: string; before: Shape; now: Shape; same: boolean; opened?: number }[] = [
  {
    name: "an unchanged socket keeps its id",
    before: { inode: 7, state: ESTABLISHED },
    now: { inode: 7, state: ESTABLISHED },
    same: true,
  },
  {
    name: "close() takes the inode away: the orphan is the same socket",
    before: { inode: 7, state: ESTABLISHED },
    now: { inode: 0, state: FIN_WAIT2 },
    same: true,
  },
  {
    name: "TIME_WAIT after ESTABLISHED is the same connection",
    before: { inode: 7, state: ESTABLISHED },
    now: { inode: 0, state: TIME_WAIT },
    same: true,
  },
  {
    name: "accept() gives an inode: the same socket",
    before: { inode: 0, state: ESTABLISHED },
    now: { inode: 7, state: ESTABLISHED },
    same: true,
  },
  {
    name: "a half-open connection becomes established",
    before: { inode: 0, state: SYN_RECV },
    now: { inode: 7, state: ESTABLISHED },
    same: true,
    // Half-open it was none yet.
    opened: 1,
  },
  {
    name: "a tuple used again after TIME_WAIT is another connection",
    before: { inode: 0, state: TIME_WAIT },
    now: { inode: 7, state: ESTABLISHED },
    same: false,
  },
  {
    name: "a tuple used again after TIME_WAIT and not yet accepted is another connection",
    before: { inode: 0, state: TIME_WAIT },
    now: { inode: 0, state: ESTABLISHED },
    same: false,
  },
  {
    name: "a tuple used again by another socket is another connection",
    before: { inode: 7, state: ESTABLISHED },
    now: { inode: 8, state: ESTABLISHED },
    same: false,
  },
  {
    name: "a TIME_WAIT entry with another cookie is another connection's",
    before: { inode: 0, state: TIME_WAIT, cookie: 5 },
    now: { inode: 0, state: TIME_WAIT, cookie: 6 },
    same: false,
  },
  {
    name: "a TIME_WAIT entry that began anew is another connection's, where there are no cookies",
    before: { inode: 0, state: TIME_WAIT, timer: 3, timerDeadline: 1000 },
    now: { inode: 0, state: TIME_WAIT, timer: 3, timerDeadline: 3000 },
    same: false,
  },
  {
    name: "an orphan with another cookie is another connection",
    before: { inode: 7, state: ESTABLISHED, cookie: 5 },
    now: { inode: 0, state: TIME_WAIT, cookie: 6 },
    same: false,
  },
  {
    name: "another port is another connection",
    before: { inode: 7, state: ESTABLISHED },
    now: { inode: 7, state: ESTABLISHED, remotePort: 40001 },
    same: false,
  },
];

describe("socket ids", () => {
  for (const { name, before, now, same, opened = same ? 0 : 1 } of cases) {
    it(name, () => {
      const ids = new IdPool(1, 100);
      const previous = table(before);
      settleSockets({ previous: new SocketTable(), next: previous, ids, ticks: 1 });
      const next = table(now);
      const { newTcpEnds } = settleSockets({ previous, next, ids, ticks: 2 });
      assert.equal(next.id[0] === previous.id[0], same);
      assert.equal(next.firstSeen[0], same ? 1 : 2);
      assert.equal(newTcpEnds.get(0) ?? 0, opened);
    });
  }

  it("leaves out a connection without a file that another row has too: a pass read it at two moments", () => {
    for (const state of [FIN_WAIT2, ESTABLISHED, SYN_RECV]) {
      const ids = new IdPool(1, 100);
      const next = table(
        { inode: 0, state },
        { inode: 7, state: ESTABLISHED },
        { inode: 0, state: TIME_WAIT },
      );
      const { newTcpEnds } = settleSockets({ previous: new SocketTable(), next, ids, ticks: 1 });
      assert.deepEqual([next.length, next.inode[0], newTcpEnds.get(0)], [1, 7, 1]);
    }
  });

  it("leaves out what a torn dump repeats, in the same state or a later one, and counts it once", () => {
    for (const state of [ESTABLISHED, FIN_WAIT2, LISTEN]) {
      const next = table(
        { inode: 7, state: state === LISTEN ? LISTEN : ESTABLISHED },
        { inode: 8, state: ESTABLISHED, remotePort: 40001 },
        { inode: 7, state },
      );
      const ids = new IdPool(1, 100);
      const { newTcpEnds } = settleSockets({ previous: new SocketTable(), next, ids, ticks: 1 });
      assert.deepEqual([...next.inode.subarray(0, next.length)], [7, 8]);
      assert.equal(newTcpEnds.get(0), state === LISTEN ? 1 : 2);
    }
  });

  it("keeps listeners that share a port, and subflows that share an inode", () => {
    const next = table(
      { inode: 7, state: LISTEN },
      { inode: 8, state: LISTEN },
      { inode: 9, state: ESTABLISHED, cookie: 1 },
      { inode: 9, state: ESTABLISHED, cookie: 2 },
    );
    settleSockets({ previous: new SocketTable(), next, ids: new IdPool(1, 100), ticks: 1 });
    assert.equal(next.length, 4);
  });

  it("does not count listeners as opened connections", () => {
    const next = table({ inode: 1, state: LISTEN }, { inode: 2, state: ESTABLISHED });
    assert.equal(
      settleSockets({ previous: new SocketTable(), next, ids: new IdPool(1, 100), ticks: 1 }).newTcpEnds.get(
        0,
      ),
      1,
    );
  });

  it("keeps a timer's end that only jittered, and takes one that moved", () => {
    const ids = new IdPool(1, 100);
    const previous = table({ inode: 7, state: ESTABLISHED, timer: 2, timerDeadline: 1000 });
    settleSockets({ previous: new SocketTable(), next: previous, ids, ticks: 1 });
    const jittered = table({ inode: 7, state: ESTABLISHED, timer: 2, timerDeadline: 1004 });
    settleSockets({ previous, next: jittered, ids, ticks: 2 });
    assert.equal(jittered.timerDeadline[0], 1000);
    const moved = table({ inode: 7, state: ESTABLISHED, timer: 2, timerDeadline: 2000 });
    settleSockets({ previous: jittered, next: moved, ids, ticks: 3 });
    assert.equal(moved.timerDeadline[0], 2000);
  });

  it("never assigns one id to two living sockets, nor two ids to one socket within a pass", () => {
    fc.assert(
      fc.property(fc.array(anySocketTable(0), { maxLength: 6 }), (passes) => {
        const ids = new IdPool(1, 10_000);
        let previous = new SocketTable();
        for (const [pass, next] of passes.entries()) {
          const tick = pass + 1;
          const gone = new Set(previous.id.slice(0, previous.length));
          settleSockets({ previous, next, ids, ticks: tick });
          const living = next.id.slice(0, next.length);
          assert.equal(new Set(living).size, living.length);
          for (let row = 0; row < next.length; row++) {
            const isNew = next.firstSeen[row] === tick;
            if (isNew) assert.ok(!gone.has(next.id[row]!), "an id was used again at once");
          }
          ids.settle();
          previous = next;
        }
      }),
    );
  });

  it("finds the same sockets whatever the order of the rows", () => {
    fc.assert(
      fc.property(anySocketTable(0), fc.integer({ min: 1, max: 7 }), (first, seed) => {
        const ids = new IdPool(1, 10_000);
        settleSockets({ previous: new SocketTable(), next: first, ids, ticks: 1 });
        ids.settle();
        const shuffled = new SocketTable();
        const order = Array.from({ length: first.length }, (_, row) => row).toSorted(
          (a, b) => ((a * seed) % 11) - ((b * seed) % 11),
        );
        for (const row of order) shuffled.appendRow(first, row);
        settleSockets({ previous: first, next: shuffled, ids, ticks: 2 });
        assert.deepEqual(
          new Set(shuffled.id.slice(0, shuffled.length)),
          new Set(first.id.slice(0, first.length)),
        );
      }),
    );
  });
});
