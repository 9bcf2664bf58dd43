import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { SocketTable } from "../../../lib/socket-table.ts";
import { Attempt } from "../../../lib/vocabulary/outcomes.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import { Timer } from "../../../lib/vocabulary/timers.ts";
import { SOCK_DONE } from "../kernel/bpf/trace/tcp-state-record.ts";
import { ECONNREFUSED, ECONNRESET } from "../kernel/constants.ts";
import { socketOf } from "../testing/socket-of-row.ts";
import {
  attemptOf,
  callerOf,
  cookieOf,
  hasRemoteAddress,
  isCaller,
  leaveTimeWait,
  sourcePortOf,
  writeFigures,
  writeSocket,
} from "./tcp-state-row.ts";
import type { CallerShape, FiguresShape, RecordShape } from "./testing/tcp-state-records.ts";
import { tcpStateRecord } from "./testing/tcp-state-records.ts";

const ETIMEDOUT = 110;

/** A row that is full of what another socket left. */
function usedRow(): SocketTable {
  const sockets = new SocketTable(1);
  sockets.append();
  for (const column of Object.values(sockets)) if (ArrayBuffer.isView(column)) fill(column);
  return sockets;
}

function fill(column: ArrayBufferView): void {
  new Uint8Array(column.buffer).fill(0x77);
}

function rowOf(shape: RecordShape): SocketTable {
  const sockets = usedRow();
  const { view, at } = tcpStateRecord(shape);
  writeSocket(view, at, sockets, 0);
  return sockets;
}

const families: {
  name: string;
  shape: Partial<RecordShape>;
  local: string;
  remote: string;
  family: number;
}[] = [
  {
    name: "IPv4",
    shape: { local: "10.1.2.3", remote: "192.168.254.255" },
    local: "10.1.2.3:40000",
    remote: "192.168.254.255:443",
    family: 4,
  },
  {
    name: "IPv6",
    shape: { local: "fd00:1:2:3:4:5:6:7", remote: "2001:db8::ff:fe00:1" },
    local: "fd00:1:2:3:4:5:6:7:40000",
    remote: "2001:db8::ff:fe00:1:443",
    family: 6,
  },
  {
    name: "IPv4 on a socket of IPv6",
    shape: { local: "::ffff:10.1.2.3", remote: "::ffff:192.168.254.255" },
    local: "10.1.2.3:40000",
    remote: "192.168.254.255:443",
    family: 4,
  },
];

describe("a record as a row", () => {
  for (const { name, shape, local, remote, family } of families) {
    it(`of ${name} has its tuple, and nothing of the row's last socket`, () => {
      const ports = { localPort: 40_000, remotePort: 443 };
      const made = { from: "SYN_SENT", to: "ESTABLISHED", inode: 77, uid: 1000, ...ports, ...shape } as const;
      const sockets = rowOf({ ...made, cookie: 0x1_0000_0002n });
      const row = socketOf(sockets, 0);
      assert.deepEqual(
        { ...row, id: 0, namespace: 0, firstSeen: 0 },
        {
          id: 0,
          namespace: 0,
          local,
          remote,
          firstSeen: 0,
          holders: [],
          state: "ESTABLISHED",
          isTimeWait: false,
          cookie: 0x1_0000_0002,
          inode: 77,
          uid: 1000,
          counted: false,
          sent: 0,
          received: 0,
          attempt: 0,
        },
      );
      assert.equal(sockets.family[0], family);
      const zero = ["recvQueue", "sendQueue", "timer", "timerDeadline", "retransmits", "references"] as const;
      for (const column of zero) assert.equal(sockets[column][0], 0, column);
    });
  }

  it("of a listener on every address has no remote one", () => {
    const listener = { from: "CLOSE", to: "LISTEN", localPort: 80 } as const;
    assert.deepEqual(
      ["0.0.0.0", "::"].map((local) => {
        const { local: found, remote, state } = socketOf(rowOf({ ...listener, local, remote: local }), 0);
        return [found, remote, state];
      }),
      [
        ["0.0.0.0:80", "0.0.0.0:0", "LISTEN"],
        [":::80", ":::0", "LISTEN"],
      ],
    );
  });

  it("is of a socket by its remote address, whatever its ports", () => {
    const shapes = families.map(({ shape }) => shape);
    for (const [place, shape] of shapes.entries()) {
      const sockets = rowOf({ from: "SYN_SENT", to: "ESTABLISHED", ...shape });
      const close = { from: "ESTABLISHED", to: "CLOSE" } as const;
      for (const [other, { local, remote }] of shapes.entries()) {
        const { view, at } = tcpStateRecord({ ...close, local: local!, remote: remote! });
        const isSame = place === other || place + other === 2;
        assert.equal(hasRemoteAddress(view, at, sockets, 0), isSame, `${place} ${other}`);
      }
      const { view, at } = tcpStateRecord({ ...close, local: "10.1.2.3", remote: "192.168.254.254" });
      assert.equal(hasRemoteAddress(view, at, sockets, 0), false);
    }
  });

  it("has a cookie of 64 bits", () => {
    const { view, at } = tcpStateRecord({ from: "ESTABLISHED", to: "FIN_WAIT1", cookie: 2n ** 52n + 3n });
    assert.equal(cookieOf(view, at), 2 ** 52 + 3);
  });
});

const figures: { name: string; shape: FiguresShape; sent: number; received: number }[] = [
  {
    name: "what was acknowledged is less the SYN and the FIN",
    shape: { sent: 1000n, acked: 1002n, received: 500n },
    sent: 1000,
    received: 500,
  },
  {
    name: "what was not acknowledged does not count as sent",
    shape: { sent: 1000n, acked: 601n, received: 0n },
    sent: 601,
    received: 0,
  },
  {
    name: "what was sent again counts once",
    shape: { sent: 3000n, retransmitted: 2000n, acked: 1002n, totalRetransmits: 2 },
    sent: 1000,
    received: 0,
  },
  {
    name: "the other end's FIN is no payload",
    shape: { received: 501n, flags: SOCK_DONE | 1 },
    sent: 0,
    received: 500,
  },
  {
    name: "nor is it where nothing else was counted",
    shape: { received: 0n, flags: SOCK_DONE },
    sent: 0,
    received: 0,
  },
  {
    name: "more than 32 bits",
    shape: { sent: 2n ** 40n, acked: 2n ** 40n + 2n, received: 2n ** 41n },
    sent: 2 ** 40,
    received: 2 ** 41,
  },
];

describe("the last figures", () => {
  for (const { name, shape, sent, received } of figures) {
    it(name, () => {
      const sockets = rowOf({ from: "SYN_SENT", to: "ESTABLISHED" });
      const { view, at } = tcpStateRecord({ from: "LAST_ACK", to: "CLOSE", srtt: 8 * 150, ...shape });
      writeFigures(view, at, sockets, 0);
      assert.deepEqual(
        [sockets.counted[0], sockets.bytesSent[0], sockets.bytesReceived[0], sockets.rttMicros[0]],
        [1, sent, received, 150],
      );
      assert.equal(sockets.totalRetransmits[0], shape.totalRetransmits ?? 0);
    });
  }

  it("stay as a reading found them if the record has none", () => {
    const sockets = rowOf({ from: "SYN_SENT", to: "ESTABLISHED" });
    sockets.counted[0] = 1;
    sockets.bytesSent[0] = 7;
    const { view, at } = tcpStateRecord({ from: "LAST_ACK", to: "CLOSE", counted: false });
    writeFigures(view, at, sockets, 0);
    assert.deepEqual([sockets.counted[0], sockets.bytesSent[0]], [1, 7]);
  });

  it("come with the port that was given back", () => {
    const { view, at } = tcpStateRecord({ from: "LAST_ACK", to: "CLOSE", sourcePort: 40_001 });
    assert.equal(sourcePortOf(view, at), 40_001);
  });
});

const attempts: [name: string, figures: FiguresShape, attempt: number][] = [
  ["a reset in answer", { error: ECONNREFUSED, segmentsIn: 1 }, Attempt.refused],
  ["a reset that another error hides", { error: ETIMEDOUT, segmentsIn: 1 }, Attempt.refused],
  ["an answer of which no segment was counted", { error: ECONNREFUSED }, Attempt.refused],
  ["a reset after simultaneous opening", { error: ECONNRESET }, Attempt.refused],
  ["no answer until the last try", { error: ETIMEDOUT }, Attempt.unanswered],
  ["a caller that gave up", {}, Attempt.unanswered],
];

describe("an attempt to connect ends with", () => {
  for (const [name, shape, attempt] of attempts) {
    it(name, () => {
      const { view, at } = tcpStateRecord({ from: "SYN_SENT", to: "CLOSE", ...shape });
      assert.equal(attemptOf(view, at), attempt);
    });
  }
});

const closings: [shape: Partial<RecordShape>, state: number | null][] = [
  [{ from: "FIN_WAIT2", flags: SOCK_DONE }, SocketState.TIME_WAIT],
  // The other end has not closed: the kernel waits for its FIN.
  [{ from: "FIN_WAIT2" }, SocketState.FIN_WAIT2],
  [{ from: "CLOSING", flags: SOCK_DONE }, SocketState.TIME_WAIT],
  [{ from: "FIN_WAIT2", flags: SOCK_DONE, error: ECONNRESET }, null],
  [{ from: "LAST_ACK", flags: SOCK_DONE }, null],
  [{ from: "ESTABLISHED" }, null],
  [{ from: "FIN_WAIT1" }, null],
  [{ from: "CLOSE_WAIT", flags: SOCK_DONE }, null],
  [{ from: "SYN_SENT" }, null],
];

describe("an entry in TIME_WAIT", () => {
  for (const [shape, state] of closings) {
    const error = shape.error === undefined ? "" : " with an error";
    const fin = shape.flags === undefined ? "" : " after the other end's FIN";
    it(`${state === null ? "is not" : "is"} left by a socket that closes in ${shape.from}${fin}${error}`, () => {
      const sockets = rowOf({ from: "SYN_SENT", to: "ESTABLISHED", inode: 9 });
      const { view, at } = tcpStateRecord({ from: "FIN_WAIT2", to: "CLOSE", ...shape });
      assert.equal(leaveTimeWait(view, at, sockets, 0, 1234), state !== null);
      const { state: states, inode, timer, timerDeadline } = sockets;
      assert.deepEqual(
        [states[0], inode[0], timer[0], timerDeadline[0]],
        state === null ? [SocketState.ESTABLISHED, 9, 0, 0] : [state, 0, Timer.timeWait, 1234 + 6000],
      );
    });
  }
});

const curl: CallerShape = {
  pid: 4242,
  parentPid: 17,
  cgroup: 2n ** 33n + 5n,
  startNs: 123_456_789_012n,
  mountNamespace: 4_026_531_841,
  processNamespace: 4_026_531_840,
  name: "curl",
  uid: 65_534,
};

const callOf = (caller: CallerShape) => tcpStateRecord({ from: "CLOSE", to: "SYN_SENT", caller });

describe("a caller", () => {
  it("has what /proc would say of it", () => {
    const { view, at } = callOf(curl);
    assert.deepEqual(callerOf(view, at), {
      pid: 4242,
      startTicks: 12_345,
      parentPid: 17,
      name: "curl",
      uid: 65_534,
      namespaceInode: 4_026_531_840,
      cgroup: 2 ** 33 + 5,
      mountNamespace: 4_026_531_841,
    });
  });

  it("is unknown if the reader's pid namespace has no number for it", () => {
    const { view, at } = callOf({ ...curl, pid: 0 });
    assert.equal(callerOf(view, at), null);
  });

  it("may have a name of 16 bytes, of any bytes", () => {
    const { view, at } = callOf({ ...curl, name: "0123456789abcdef" });
    assert.equal(callerOf(view, at)!.name, "0123456789abcdef");
    const named = callOf({ ...curl, name: "a b\nü" });
    assert.equal(callerOf(named.view, named.at)!.name, "a b\nü");
  });

  it("is the same one while process, program and place are", () => {
    const { view, at } = callOf(curl);
    const known = callerOf(view, at)!;
    assert.equal(isCaller(view, at, known), true);
    const others: Partial<CallerShape>[] = [
      { pid: 4243 },
      { startNs: 123_466_789_012n },
      { mountNamespace: 1 },
      { name: "cur" },
      { name: "curl2" },
      { name: "wget" },
      { name: "0123456789abcdef" },
    ];
    for (const other of others) {
      const made = callOf({ ...curl, ...other });
      assert.equal(isCaller(made.view, made.at, known), false, JSON.stringify(other.name ?? other.pid));
    }
  });
});
