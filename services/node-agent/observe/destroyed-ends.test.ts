import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { SocketTable } from "../../../lib/socket-table.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import { DestroyedTable } from "../destroyed/destroyed-table.ts";
import { DestroyedEnds } from "./destroyed-ends.ts";
import { IdPool } from "../ids/id-pool.ts";
import { settleSockets } from "./socket-ids.ts";

const { ESTABLISHED, TIME_WAIT, CLOSE, LISTEN, SYN_RECV, FIN_WAIT1 } = SocketState;

interface Row {
  readonly local: number;
  readonly remote: number;
  readonly state?: number;
  readonly inode?: number;
  readonly cookie?: number;
  readonly sent?: number;
}

function fill(
  table: SocketTable,
  row: number,
  { local, remote, state = CLOSE, inode = 0, cookie = 0, sent }: Row,
) {
  table.protocol[row] = Protocol.tcp;
  table.family[row] = 4;
  table.addresses.set([0, 0, 0xffff, 0x0a000001, 0, 0, 0xffff, 0x0a000001], row * 8);
  table.localPort[row] = local;
  table.remotePort[row] = remote;
  table.state[row] = state;
  table.inode[row] = inode;
  table.cookieLow[row] = cookie;
  table.counted[row] = sent === undefined ? 0 : 1;
  table.bytesSent[row] = sent ?? 0;
}

// Passes over one namespace that is heard: what each shows and what was announced since the one before.
class Passes {
  readonly ids = new IdPool(1, 1000);
  readonly ends = new DestroyedEnds(this.ids);
  previous = new SocketTable(8);
  ticks = 0;
  seen = 0;

  pass(
    rows: readonly Row[],
    destroyed: readonly Row[] = [],
  ): { added: number[]; finals: number[]; sent: number[] } {
    this.ticks += 100;
    const next = new SocketTable(8);
    for (const each of rows) fill(next, next.append(), each);
    const events = new DestroyedTable(4);
    for (const each of destroyed) fill(events.sockets, events.append(77, 0), each);
    const settled = settleSockets({ previous: this.previous, next, ids: this.ids, ticks: this.ticks });
    const merged = this.ends.merge({
      events,
      namespaceIds: new Map([[77, 0]]),
      previous: this.previous,
      next,
      continued: settled.continued,
      added: settled.added,
      ticks: this.ticks,
      heard: () => true,
      lostSinceTicks: null,
    });
    this.ids.settle();
    for (const { newTcpEnds } of [settled, merged]) this.seen += newTcpEnds.get(0) ?? 0;
    this.previous = next;
    return {
      added: [...merged.added.remotePort.subarray(0, merged.added.length)],
      finals: [...merged.finals.bytesSent.subarray(0, merged.finals.length)],
      sent: [...next.bytesSent.subarray(0, next.length)],
    };
  }
}

const open: Row = { local: 80, remote: 40_000, state: ESTABLISHED, inode: 5, cookie: 9, sent: 10 };

describe("destroyed sockets, merged with passes", () => {
  it("are rows of their own if no pass saw them", () => {
    const passes = new Passes();
    const { added } = passes.pass(
      [],
      [
        { local: 80, remote: 1 },
        { local: 80, remote: 2 },
      ],
    );
    assert.deepEqual([added, passes.seen], [[1, 2], 2]);
  });

  for (const [name, before, event] of [
    ["by their cookie", open, { ...open, state: CLOSE, inode: 0, sent: 30 }],
    [
      "by their tuple, where a reader tells no cookies",
      { ...open, cookie: 0 },
      { ...open, state: CLOSE, inode: 0, sent: 30 },
    ],
  ] as const) {
    it(`give what was known its last figures, ${name}`, () => {
      const passes = new Passes();
      passes.pass([before]);
      assert.deepEqual(passes.pass([], [event]), { added: [], finals: [30], sent: [] });
      assert.equal(passes.seen, 1);
    });
  }

  it("give a TIME_WAIT entry its figures, whose cookie was made after the socket's", () => {
    const passes = new Passes();
    const entry = { local: 80, remote: 40_000, state: TIME_WAIT, cookie: 3 };
    assert.deepEqual(passes.pass([entry], [{ ...open, state: CLOSE, inode: 0, sent: 30 }]).sent, [30]);
    assert.deepEqual(passes.pass([entry]).sent, [30], "and it keeps them");
    assert.equal(passes.seen, 1);
  });

  it("lend their cookie to an entry without one, so that the next entry with the same ports is not taken for it", () => {
    const passes = new Passes();
    const entry = { local: 80, remote: 40_000, state: TIME_WAIT };
    passes.pass([entry], [{ ...open, state: CLOSE, inode: 0 }]);
    passes.pass([entry]);
    assert.equal(passes.previous.cookieLow[0], 9);
    assert.deepEqual(passes.pass([entry], [{ ...open, inode: 0, cookie: 10 }]).added, [40_000]);
  });

  it("count once if a pass misses the socket before its event arrives", () => {
    const passes = new Passes();
    passes.pass([open]);
    passes.pass([]);
    const { added } = passes.pass([], [{ ...open, state: CLOSE, inode: 0, sent: 30 }]);
    assert.deepEqual([added, passes.seen], [[40_000], 1]);
  });

  it("are reported once if the entry appears only in a later pass, and if their event does", () => {
    const passes = new Passes();
    const entry = { local: 80, remote: 40_000, state: TIME_WAIT, cookie: 3 };
    const event = { local: 80, remote: 40_000, cookie: 2, sent: 1 };
    assert.deepEqual(passes.pass([], [event]).added, [40_000]);
    passes.pass([entry]);
    assert.equal(passes.seen, 1);
    const late = new Passes();
    late.pass([entry]);
    assert.equal(late.seen, 0);
    late.pass([entry], [event]);
    assert.equal(late.seen, 1);
  });

  for (const [name, state] of [
    ["not accepted yet", ESTABLISHED],
    ["half-open", SYN_RECV],
    ["an orphan", FIN_WAIT1],
  ] as const) {
    it(`are seen once if a reader still returns their earlier rows, ${name}`, () => {
      const passes = new Passes();
      const unheld = { local: 80, remote: 40_000, state };
      passes.pass([unheld]);
      assert.deepEqual(passes.pass([unheld], [{ ...open, state: CLOSE, inode: 0, sent: 30 }]).sent, [30]);
      passes.pass([unheld]);
      assert.equal(passes.previous.state[0], CLOSE);
      passes.pass([{ ...unheld, state: TIME_WAIT }]);
      assert.equal(passes.seen, 1);
      assert.deepEqual(passes.pass([{ ...open, inode: 6, cookie: 10 }]).sent, [10], "and its port anew");
      assert.equal(passes.seen, 2);
    });
  }

  it("are several if a port was reused, and the last of them left the entry", () => {
    const passes = new Passes();
    const { added, sent } = passes.pass(
      [{ local: 80, remote: 1, state: TIME_WAIT }],
      [
        { local: 80, remote: 1, cookie: 1, sent: 1 },
        { local: 80, remote: 1, cookie: 2, sent: 2 },
      ],
    );
    assert.deepEqual([added, sent, passes.seen], [[1], [2], 2]);
  });

  it("get back the port that a reset of their own took from them, from the other end", () => {
    const passes = new Passes();
    const { added } = passes.pass(
      [{ local: 80, remote: 0, state: LISTEN, inode: 4 }],
      [
        { local: 40_000, remote: 0, cookie: 1 },
        { local: 80, remote: 40_000, cookie: 2, sent: 5 },
      ],
    );
    assert.deepEqual([added, passes.seen], [[80, 40_000], 2]);
  });

  it("are counted as seen, without a row, if nothing says which port they had", () => {
    const passes = new Passes();
    assert.deepEqual(passes.pass([], [{ local: 40_000, remote: 0, cookie: 1 }]).added, []);
    assert.equal(passes.seen, 1);
  });
});
