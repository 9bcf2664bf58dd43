// Records in every order that the kernel may write them in, on tables as readings leave them.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { HolderTable } from "../../../lib/holder-table.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import { Timer } from "../../../lib/vocabulary/timers.ts";
import { Callers } from "../attribute/callers.ts";
import { ProcessTable } from "../attribute/process-table.ts";
import { IdPool } from "../ids/id-pool.ts";
import { SOCK_DONE } from "../kernel/bpf/trace/tcp-state-record.ts";
import { ECONNREFUSED, ECONNRESET, IPPROTO_MPTCP } from "../kernel/constants.ts";
import { socketOf } from "../testing/socket-of-row.ts";
import { rowsOf } from "../../../test/arbitraries/socket-table.ts";
import type { ReadingNews } from "./heard-sockets.ts";
import { HeardSockets } from "./heard-sockets.ts";
import { DOUBT_MS } from "./reading-doubts.ts";
import { writeSocket } from "./tcp-state-row.ts";
import type { RecordShape } from "./testing/tcp-state-records.ts";
import { tcpStateRecord } from "./testing/tcp-state-records.ts";

const NAMESPACE_ID = 3;

// Two ends of one connection, and two processes.
const client = { local: "10.0.0.1", localPort: 40_000, remote: "10.0.0.2", remotePort: 80, cookie: 11n };
const server = { local: "10.0.0.2", localPort: 80, remote: "10.0.0.1", remotePort: 40_000, cookie: 12n };
const listener = { local: "0.0.0.0", localPort: 80, cookie: 13n, inode: 500 };
const curl = { pid: 100, name: "curl" };
const nginx = { pid: 200, name: "nginx" };

const connecting = { ...client, from: "CLOSE", to: "SYN_SENT", localPort: 0, caller: curl } as const;
const connected = { ...client, from: "SYN_SENT", to: "ESTABLISHED" } as const;
const accepted = { ...server, from: "SYN_RECV", to: "ESTABLISHED" } as const;
const listening = { ...listener, from: "CLOSE", to: "LISTEN", caller: nginx } as const;

/** The close() of an end, in a state. */
function closed(end: typeof client, from: RecordShape["from"], more: Partial<RecordShape> = {}): RecordShape {
  const { localPort, ...rest } = end;
  return { from, to: "CLOSE", sourcePort: localPort, ...rest, ...more };
}

// What a report says.
interface Said {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly ended: readonly string[];
}

const NOTHING: Said = { added: [], changed: [], ended: [] };
const NO_NEWS: ReadingNews = { unheard: new Set(), kept: new Set(), unread: new Set() };

/** Hears records, and reports when it is asked to. */
class Ear {
  readonly heard: HeardSockets;
  readonly callers: Callers;
  /** When each connection was opened that was counted. */
  readonly openedNs: number[] = [];
  #nowMs = 0;
  readonly #processes = new ProcessTable();
  readonly #names = new Map<number, string>();
  #tables = { sockets: new SocketTable(), holders: new HolderTable() };
  readonly #tuples = new Map<number, string>();
  readonly #holders = new Map<number, string>();

  constructor() {
    this.callers = new Callers(this.#processes, () => "");
    this.heard = new HeardSockets({
      ids: new IdPool(1, 1000),
      callers: this.callers,
      hear: (namespaceId, openedNs) => {
        assert.equal(namespaceId, NAMESPACE_ID);
        this.openedNs.push(openedNs);
      },
    });
    this.heard.install(this.#tables, NO_NEWS, 0);
  }

  get seen(): number {
    return this.openedNs.length;
  }

  take(...shapes: readonly RecordShape[]): this {
    for (const shape of shapes) {
      const { view, at } = tcpStateRecord(shape);
      this.heard.take(view, at, NAMESPACE_ID, 77);
    }
    return this;
  }

  /** What was reported so far as a reading finds it, as it would be after `change`. */
  read(
    change: (sockets: SocketTable, holders: HolderTable) => void,
    news: Partial<Record<keyof ReadingNews, number[]>> = {},
  ): this {
    const sockets = new SocketTable();
    const holders = new HolderTable();
    for (let row = 0; row < this.#tables.sockets.length; row++)
      if (this.#tables.sockets.id[row] !== 0) sockets.appendRow(this.#tables.sockets, row);
    for (let row = 0; row < this.#tables.holders.length; row++) holders.appendRow(this.#tables.holders, row);
    change(sockets, holders);
    this.#tables = { sockets, holders };
    for (let row = 0; row < sockets.length; row++) this.#tuples.set(sockets.id[row]!, tupleOf(sockets, row));
    this.heard.install(
      this.#tables,
      {
        unheard: new Set(news.unheard),
        kept: new Set(news.unread),
        unread: new Set(news.unread),
      },
      this.#nowMs,
    );
    return this;
  }

  /** "10.0.0.1:40000 10.0.0.2:80 ESTABLISHED curl" of each socket. */
  report(): Said {
    // The second report after a reading settles what it left in doubt.
    this.#nowMs += 0.6 * DOUBT_MS;
    this.heard.settle(this.#nowMs);
    if (!this.heard.hasChanges) return NOTHING;
    const { sockets, holders, changes, removed, ended } = this.heard.flush();
    for (const { id, name } of this.callers.takeFresh()) this.#names.set(id, name);
    for (let row = 0; row < holders.length; row++)
      this.#holders.set(holders.socket[row]!, this.#names.get(holders.process[row]!)!);
    for (let row = 0; row < sockets.length; row++) this.#tuples.set(sockets.id[row]!, tupleOf(sockets, row));
    const said = (table: SocketTable, row: number): string => {
      const { state, counted, sent, received, attempt } = socketOf(table, row);
      const id = table.id[row]!;
      const holder = this.#holders.get(id) ?? "nobody";
      const outcome = ["", " refused", " unanswered"][attempt];
      return `${this.#tuples.get(id)} ${state}${outcome} ${holder}${counted ? ` ${sent}/${received}` : ""}`;
    };
    const added: string[] = [];
    const changed: string[] = [];
    const over: string[] = [];
    const gone = new Set(removed);
    assert.equal(gone.size, removed.length, "a socket is removed twice");
    for (let row = 0; row < sockets.length; row++) {
      const isOver = row >= sockets.length - ended;
      assert.equal(isOver || !added.includes(said(sockets, row)), true);
      (isOver ? over : added).push(said(sockets, row));
    }
    for (let row = 0; row < changes.length; row++)
      (gone.has(changes.id[row]!) ? over : changed).push(said(changes, row));
    const told = new Set([...rowsOf(sockets), ...rowsOf(changes)].map(({ id }) => id));
    for (const id of removed) if (!told.has(id)) over.push(`${this.#tuples.get(id)} is gone`);
    for (const id of removed) this.#holders.delete(id);
    return { added, changed, ended: over };
  }

  get living(): string[] {
    const { sockets } = this.#tables;
    return Array.from({ length: sockets.length }, (_, row) => row)
      .filter((row) => sockets.id[row] !== 0)
      .map((row) => `${tupleOf(sockets, row)} ${socketOf(sockets, row).state}`);
  }
}

function tupleOf(sockets: SocketTable, row: number): string {
  const { local, remote } = socketOf(sockets, row);
  return `${local} ${remote}`;
}

/** A row as a reading finds it. */
function append(sockets: SocketTable, id: number, shape: RecordShape): number {
  const row = sockets.append();
  const { view, at } = tcpStateRecord({ ...shape, to: "ESTABLISHED" });
  writeSocket(view, at, sockets, row);
  sockets.id[row] = id;
  sockets.namespace[row] = NAMESPACE_ID;
  sockets.state[row] = SocketState[shape.to];
  return row;
}

const CLIENT = "10.0.0.1:40000 10.0.0.2:80";
const SERVER = "10.0.0.2:80 10.0.0.1:40000";
const LISTENER = "0.0.0.0:80 0.0.0.0:0";

describe("a connection", () => {
  it("is reported as it begins, moves and ends, with who opened it", () => {
    const ear = new Ear();
    assert.deepEqual(ear.take(connecting).report(), NOTHING);
    assert.deepEqual(ear.take(connected).report(), { ...NOTHING, added: [`${CLIENT} ESTABLISHED curl`] });
    assert.equal(ear.seen, 1);
    const moved = ear.take({ ...client, from: "ESTABLISHED", to: "CLOSE_WAIT" }).report();
    assert.deepEqual(moved, { ...NOTHING, changed: [`${CLIENT} CLOSE_WAIT curl`] });
    const figures = { acked: 102n, sent: 100n, received: 51n, flags: SOCK_DONE };
    const over = ear.take(closed(client, "LAST_ACK", figures)).report();
    assert.deepEqual(over, { ...NOTHING, ended: [`${CLIENT} CLOSE curl 100/50`] });
    assert.deepEqual([ear.seen, ear.living], [1, []]);
  });

  it("that begins and ends between two reports is reported once", () => {
    const ear = new Ear();
    const over = ear.take(connecting, connected, closed(client, "LAST_ACK", { received: 5n })).report();
    assert.deepEqual(over, { ...NOTHING, ended: [`${CLIENT} CLOSE curl 0/5`] });
    assert.deepEqual([ear.seen, ear.report()], [1, NOTHING]);
  });

  it("is accepted by the process that listens, also if it began to listen just now", () => {
    const ear = new Ear();
    assert.deepEqual(ear.take(listening, accepted).report().added, [
      `${LISTENER} LISTEN nginx`,
      `${SERVER} ESTABLISHED nginx`,
    ]);
    const later = { ...server, remotePort: 40_001, cookie: 14n };
    const over = ear.take({ ...accepted, ...later }, closed(later, "LAST_ACK")).report().ended;
    assert.deepEqual(over, ["10.0.0.2:80 10.0.0.1:40001 CLOSE nginx 0/0"]);
  });

  it("is accepted by a listener that closes in the same report", () => {
    const ear = new Ear();
    ear.take(listening).report();
    const { added, ended } = ear.take(accepted, closed({ ...client, ...listener }, "LISTEN")).report();
    assert.deepEqual(added, [`${SERVER} ESTABLISHED nginx`]);
    assert.deepEqual(ended, [`${LISTENER} CLOSE nginx`]);
  });

  it("has no holder if several listen on its port", () => {
    const ear = new Ear();
    const other = { ...listening, cookie: 20n, inode: 501, caller: { pid: 201, name: "haproxy" } };
    assert.deepEqual(
      ear.take(listening, other, accepted).report().added.at(-1),
      `${SERVER} ESTABLISHED nobody`,
    );
  });

  it("whose beginning was told twice is one", () => {
    const ear = new Ear();
    assert.equal(ear.take(connecting, connected, connected).report().added.length, 1);
    assert.deepEqual(ear.take(connected).report(), NOTHING);
    assert.equal(ear.seen, 1);
  });

  it("whose beginning was lost is reported at its end", () => {
    const ear = new Ear();
    const over = ear.take(closed(client, "LAST_ACK", { received: 7n })).report();
    assert.deepEqual(over, { ...NOTHING, ended: [`${CLIENT} CLOSE nobody 0/7`] });
    assert.equal(ear.seen, 1);
  });

  it("that was reset has its remote port still", () => {
    const ear = new Ear();
    ear.take(connecting, connected).report();
    const over = ear
      .take(closed({ ...client, remotePort: 0 }, "ESTABLISHED", { error: ECONNRESET }))
      .report();
    assert.deepEqual(over.ended, [`${CLIENT} CLOSE curl 0/0`]);
  });

  it("of a socket that connects again is another one", () => {
    const ear = new Ear();
    const again = { ...client, localPort: 40_002 };
    ear.take(connecting, connected, closed(client, "ESTABLISHED"), connecting, { ...connected, ...again });
    const { added, ended } = ear.report();
    assert.deepEqual(ended, [`${CLIENT} CLOSE curl 0/0`]);
    assert.deepEqual(added, ["10.0.0.1:40002 10.0.0.2:80 ESTABLISHED curl"]);
    assert.deepEqual(ear.take(closed(again, "ESTABLISHED")).report().ended, [
      "10.0.0.1:40002 10.0.0.2:80 CLOSE curl 0/0",
    ]);
    assert.equal(ear.seen, 2);
  });
});

describe("an attempt", () => {
  const refused = closed(client, "SYN_SENT", { error: ECONNREFUSED, segmentsIn: 1 });

  it("that fails is reported at its end, with who made it", () => {
    const ear = new Ear();
    const over = ear.take(connecting, refused).report();
    assert.deepEqual(over, { ...NOTHING, ended: [`${CLIENT} SYN_SENT refused curl 0/0`] });
    assert.deepEqual([ear.seen, ear.heard.connects.size], [1, 0]);
  });

  it("that the same socket makes again is another one", () => {
    const ear = new Ear();
    const unanswered = closed({ ...client, localPort: 40_002 }, "SYN_SENT");
    const over = ear.take(connecting, refused, connecting, unanswered).report().ended;
    assert.deepEqual(over, [
      `${CLIENT} SYN_SENT refused curl 0/0`,
      "10.0.0.1:40002 10.0.0.2:80 SYN_SENT unanswered curl 0/0",
    ]);
    assert.equal(ear.seen, 2);
  });

  it("that never got a port was none", () => {
    assert.deepEqual(
      new Ear().take(connecting, closed({ ...client, localPort: 0 }, "SYN_SENT")).report(),
      NOTHING,
    );
  });

  it("that a reading found first ends with its outcome, and who made it", () => {
    const ear = new Ear().take(connecting);
    ear.read((sockets) => append(sockets, 900, { ...connecting, localPort: 40_000 }), { unheard: [900] });
    assert.deepEqual(ear.take(refused).report().ended, [`${CLIENT} SYN_SENT refused curl 0/0`]);
    ear.report();
    assert.deepEqual([ear.heard.missed, ear.seen], [0, 0]);
  });

  it("into a listener that is not accepted is none yet, nor is a handshake that fails", () => {
    const ear = new Ear().take(listening);
    ear.report();
    assert.deepEqual(ear.take(closed(server, "SYN_RECV")).report(), NOTHING);
  });
});

describe("a connection counts as opened", () => {
  it("when its SYN is sent, or when it is accepted", () => {
    const ear = new Ear();
    ear.take({ ...connecting, timeNs: 5n }, { ...connected, timeNs: 9n }, { ...accepted, timeNs: 8n });
    assert.deepEqual(ear.openedNs, [5, 8]);
  });

  it("when an attempt that fails is made", () => {
    const failed = closed(client, "SYN_SENT", { timeNs: 9n });
    assert.deepEqual(new Ear().take({ ...connecting, timeNs: 5n }, failed).openedNs, [5]);
  });

  it("when it ends, if its beginning was lost", () => {
    assert.deepEqual(new Ear().take(closed(server, "LAST_ACK", { timeNs: 9n })).openedNs, [9]);
  });

  it("when the handshake is over that a reading found", () => {
    for (const [record, state] of [
      [accepted, "ESTABLISHED"],
      [closed(server, "ESTABLISHED"), null],
    ] as const) {
      const ear = new Ear();
      ear.read((sockets) => append(sockets, 900, { ...accepted, to: "SYN_RECV" }), { unheard: [900] });
      ear.take({ ...record, timeNs: 7n });
      ear.report();
      assert.deepEqual([ear.openedNs, ear.living], [[7], state === null ? [] : [`${SERVER} ${state}`]]);
    }
  });

  it("never, if the handshake that a reading found fails", () => {
    const ear = new Ear();
    ear.read((sockets) => append(sockets, 900, { ...accepted, to: "SYN_RECV" }), { unheard: [900] });
    ear.take(closed(server, "SYN_RECV"));
    assert.deepEqual(ear.openedNs, []);
  });
});

describe("a listener", () => {
  const stop = closed({ ...client, ...listener }, "LISTEN");

  it("begins and ends", () => {
    const ear = new Ear();
    assert.deepEqual(ear.take(listening).report().added, [`${LISTENER} LISTEN nginx`]);
    assert.deepEqual(ear.take(stop).report().ended, [`${LISTENER} CLOSE nginx`]);
    assert.deepEqual([ear.seen, ear.living, ear.report()], [0, [], NOTHING]);
  });

  it("whose beginning was lost ends without a word", () => {
    assert.deepEqual(new Ear().take(stop).report(), NOTHING);
  });

  it("may begin again", () => {
    for (const isReportedBetween of [false, true]) {
      const ear = new Ear();
      ear.take(listening).report();
      ear.take(stop);
      if (isReportedBetween) ear.report();
      assert.deepEqual(ear.take(listening).report().added, [`${LISTENER} LISTEN nginx`]);
      assert.deepEqual(ear.living, [`${LISTENER} LISTEN`]);
    }
  });

  it("of MPTCP is one with its subflow", () => {
    const ear = new Ear();
    const subflow = { ...listening, cookie: 99n };
    assert.deepEqual(ear.take({ ...listening, protocol: IPPROTO_MPTCP }, subflow).report().added, [
      `${LISTENER} LISTEN nginx`,
    ]);
    const ends = [
      { ...stop, cookie: 99n },
      { ...stop, protocol: IPPROTO_MPTCP },
    ];
    assert.deepEqual(ear.take(...ends).report().ended, [`${LISTENER} CLOSE nginx`]);
    assert.deepEqual([ear.report(), ear.living], [NOTHING, []]);
  });
});

describe("what is in TIME_WAIT", () => {
  const finished = closed(client, "FIN_WAIT2", { flags: SOCK_DONE, acked: 9n, sent: 8n });

  it("goes on as an entry, with the last figures, until a connection has its tuple", () => {
    const ear = new Ear();
    ear.take(connecting, connected).report();
    assert.deepEqual(ear.take(finished).report(), { ...NOTHING, changed: [`${CLIENT} TIME_WAIT curl 8/0`] });
    const again = { ...connected, cookie: 44n };
    const { added, ended } = ear.take({ ...connecting, cookie: 44n }, again).report();
    assert.deepEqual([added, ended], [[`${CLIENT} ESTABLISHED curl`], [`${CLIENT} is gone`]]);
    assert.deepEqual(ear.living, [`${CLIENT} ESTABLISHED`]);
  });

  it("expires after the kernel's 60 s, which no record reports", () => {
    const ear = new Ear();
    ear.take(connecting, connected).report();
    assert.equal(ear.heard.hasExpired(1e6), false);
    ear.take(finished).report();
    // Records bear the time 77.
    assert.deepEqual([ear.heard.hasExpired(6076), ear.heard.hasExpired(6077)], [false, true]);
  });

  it("is over for a connection that was not reported before", () => {
    const ear = new Ear();
    assert.deepEqual(ear.take(connecting, connected, finished).report().ended, [`${CLIENT} CLOSE curl 8/0`]);
    assert.deepEqual(ear.living, []);
  });

  it("is the entry that a reading found before the records", () => {
    const ear = new Ear();
    ear.read((sockets) => {
      const row = append(sockets, 900, { ...connected, to: "TIME_WAIT" });
      sockets.timer[row] = Timer.timeWait;
    });
    const told = ear
      .take(connecting, connected, { ...client, from: "ESTABLISHED", to: "FIN_WAIT1" }, finished)
      .report();
    assert.deepEqual(told, { ...NOTHING, changed: [`${CLIENT} TIME_WAIT nobody 8/0`] });
    assert.equal(ear.seen, 0);
  });
});

describe("what a reading found", () => {
  it("before its records were taken is not added again, nor counted", () => {
    const ear = new Ear();
    ear.read((sockets) => append(sockets, 900, connected), { unheard: [900] });
    // The descriptor was not listed yet.
    const told = ear.take(connecting, connected).report();
    assert.deepEqual([told, ear.seen], [NOTHING, 0]);
    ear.report();
    assert.equal(ear.heard.missed, 0);
    assert.deepEqual(ear.take(closed(client, "LAST_ACK")).report().ended, [`${CLIENT} CLOSE curl 0/0`]);
  });

  it("and held keeps its holder", () => {
    const ear = new Ear();
    const { id } = ear.callers.of({
      pid: 300,
      startTicks: 0,
      parentPid: 0,
      name: "wget",
      uid: 0,
      namespaceInode: 0,
      cgroup: 0,
      mountNamespace: 0,
    });
    ear.read(
      (sockets, holders) => {
        append(sockets, 900, connected);
        holders.append(900, id, 4);
      },
      { unheard: [900] },
    );
    ear.take(connecting, connected, closed(client, "LAST_ACK"));
    const { holders } = ear.heard.flush();
    assert.deepEqual([...holders.socket.subarray(0, holders.length)], []);
  });

  it("and no record explains is missed", () => {
    const ear = new Ear();
    ear.read((sockets) => append(sockets, 900, connected), { unheard: [900] });
    assert.deepEqual([ear.report(), ear.report(), ear.heard.missed], [NOTHING, NOTHING, 1]);
  });

  it("in another state, before the record of it was taken, is not missed", () => {
    for (const isTold of [true, false]) {
      const ear = new Ear();
      ear.take(connecting, connected).report();
      ear.read((sockets) => (sockets.state[0] = SocketState.CLOSE_WAIT), { unheard: [1] });
      if (isTold) ear.take({ ...client, from: "ESTABLISHED", to: "CLOSE_WAIT" });
      ear.report();
      ear.report();
      assert.deepEqual([ear.heard.missed, ear.living], [isTold ? 0 : 1, [`${CLIENT} CLOSE_WAIT`]]);
    }
  });

  it("without a cookie is found by its tuple", () => {
    const ear = new Ear();
    ear.read((sockets) => append(sockets, 900, { ...accepted, cookie: 0n }));
    assert.deepEqual(ear.take(closed(server, "LAST_ACK")).report().ended, [`${SERVER} CLOSE nobody 0/0`]);
    assert.equal(ear.seen, 0);
  });

  it("of MPTCP goes by the cookie of its subflow from then on", () => {
    const ear = new Ear();
    ear.read((sockets) => append(sockets, 900, { ...connected, cookie: 555n }), { unheard: [900] });
    assert.equal(ear.take(connected).report().added.length, 0);
    assert.deepEqual(ear.take(closed(client, "LAST_ACK")).report().ended, [`${CLIENT} CLOSE nobody 0/0`]);
    ear.report();
    assert.deepEqual([ear.heard.missed, ear.seen], [0, 0]);
  });
});

function heardAndNotFound(): Ear {
  const ear = new Ear();
  ear.take(connecting, connected).report();
  return ear.read(() => undefined, { unread: [1] });
}

describe("what a reading of everything did not find", () => {
  it("is gone, if no record says so", () => {
    const ear = heardAndNotFound();
    assert.deepEqual(ear.report(), NOTHING);
    assert.deepEqual(ear.report().ended, [`${CLIENT} CLOSE curl`]);
    assert.deepEqual([ear.heard.missed, ear.living], [1, []]);
  });

  it("is gone with its last figures, if one does", () => {
    const ear = heardAndNotFound();
    const over = ear.take(closed(client, "LAST_ACK", { received: 3n })).report();
    assert.deepEqual(over.ended, [`${CLIENT} CLOSE curl 0/3`]);
    assert.deepEqual([ear.report(), ear.heard.missed], [NOTHING, 0]);
  });

  it("lives, if a record says so", () => {
    const ear = heardAndNotFound();
    ear.take({ ...client, from: "ESTABLISHED", to: "CLOSE_WAIT" }).report();
    assert.deepEqual([ear.report(), ear.heard.missed], [NOTHING, 0]);
    assert.deepEqual(ear.living, [`${CLIENT} CLOSE_WAIT`]);
  });
});

it("before the first reading only calls are taken", () => {
  const ear = new Ear();
  for (const shape of [connecting, listening, accepted, closed(server, "LAST_ACK")]) {
    const { view, at } = tcpStateRecord(shape);
    ear.heard.takeConnect(view, at);
  }
  assert.deepEqual([ear.report(), ear.heard.connects.size], [NOTHING, 1]);
  assert.deepEqual(ear.take(connected).report().added, [`${CLIENT} ESTABLISHED curl`]);
});
