import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import { Attempt } from "../../../lib/vocabulary/outcomes.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import type { EventTarget } from "./destroy-event.ts";
import { appendDestroyed, EventKind } from "./destroy-event.ts";
import { DestroyedTable, MaybeFin } from "./destroyed-table.ts";

const MESSAGE_BYTES = 72;
const INFO_BYTES = 224;

interface Told {
  readonly localPort?: number;
  readonly remotePort?: number;
  readonly remote?: number;
  readonly unread?: number;
  readonly unacknowledged?: number;
  /** Of struct tcp_info, by offset: 64 bits each from 120 on, 32 bits each below and between. */
  readonly acked?: number;
  readonly received?: number;
  readonly sent?: number;
  readonly rtt?: number;
  readonly segmentsIn?: number;
  readonly dataSegmentsIn?: number;
}

// A message as the kernel sends it: the struct, the protocol, tcp_info.
function message(told: Told): DataView {
  const { localPort = 40_000, remotePort = 80, remote = 0x0a000002, unread = 0, unacknowledged = 0 } = told;
  const view = new DataView(new ArrayBuffer(MESSAGE_BYTES + 8 + 4 + INFO_BYTES));
  view.setUint8(0, 2);
  view.setUint8(1, SocketState.CLOSE);
  view.setUint16(4, localPort);
  view.setUint16(6, remotePort);
  view.setUint32(8, 0x0a000001);
  view.setUint32(24, remote);
  view.setUint32(44, 7, true);
  view.setUint32(56, unread, true);
  view.setUint32(60, unacknowledged, true);
  view.setUint16(72, 5, true);
  view.setUint16(74, 10, true);
  view.setUint8(76, 6);
  view.setUint16(80, 4 + INFO_BYTES, true);
  view.setUint16(82, 2, true);
  const info = 84;
  view.setUint32(info + 68, told.rtt ?? 0, true);
  view.setUint32(info + 120, told.acked ?? 0, true);
  view.setUint32(info + 128, told.received ?? 0, true);
  view.setUint32(info + 140, told.segmentsIn ?? 0, true);
  view.setUint32(info + 152, told.dataSegmentsIn ?? 0, true);
  view.setUint32(info + 200, told.sent ?? 0, true);
  return view;
}

function target(): EventTarget {
  return { table: new DestroyedTable(4), littleEndian: true, ticks: 9, place: 5, nsid: 1 };
}

const talked = { rtt: 100, segmentsIn: 5, dataSegmentsIn: 1 };

const cases: {
  name: string;
  told: Told;
  kind?: number;
  sent?: number;
  received?: number;
  fin?: number;
  attempt?: number;
}[] = [
  {
    name: "a client whose FIN was acknowledged, the other's read or not there",
    told: { ...talked, acked: 102, sent: 100, received: 51 },
    sent: 100,
    received: 51,
    fin: MaybeFin.ofAnyone,
  },
  {
    name: "a client that had not read the other's FIN",
    told: { ...talked, acked: 102, sent: 100, received: 51, unread: 1 },
    sent: 100,
    received: 50,
  },
  {
    name: "one sequence number more than was sent: a client's SYN or a server's FIN",
    told: { ...talked, acked: 51, sent: 50, received: 101 },
    sent: 50,
    received: 101,
    fin: MaybeFin.ofServer,
  },
  {
    name: "reset by the other end",
    told: { ...talked, acked: 50, sent: 50, received: 100 },
    sent: 50,
    received: 100,
  },
  {
    name: "a FIN without any data before it",
    told: { ...talked, dataSegmentsIn: 0, acked: 102, sent: 100, received: 1 },
    sent: 100,
    received: 0,
  },
  {
    name: "an attempt that was answered by a reset",
    told: { unacknowledged: 1, segmentsIn: 1 },
    sent: 0,
    received: 0,
    attempt: Attempt.refused,
  },
  {
    name: "an attempt that nobody answered",
    told: { unacknowledged: 1 },
    sent: 0,
    received: 0,
    attempt: Attempt.unanswered,
  },
  {
    name: "an attempt whose caller waited for it",
    told: { remotePort: 0, unacknowledged: 3 },
    sent: 0,
    received: 0,
    attempt: Attempt.refused,
  },
  { name: "reset by itself", told: { remotePort: 0, unacknowledged: 65_538 }, sent: 0, received: 0 },
  { name: "a listener", told: { remotePort: 0, remote: 0 }, kind: EventKind.noConnection },
  { name: "never bound", told: { localPort: 0, remotePort: 0 }, kind: EventKind.noConnection },
];

describe("a destroyed socket's message", () => {
  for (const { name, told, kind = EventKind.appended, sent, received, fin, attempt } of cases) {
    it(`reports ${name}`, () => {
      const into = target();
      const view = message(told);
      assert.equal(appendDestroyed(view, 0, view.byteLength, into), kind);
      assert.equal(into.table.length, kind === EventKind.appended ? 1 : 0);
      if (kind !== EventKind.appended) return;
      const { sockets, maybeFin, place } = into.table;
      assert.deepEqual(
        [sockets.bytesSent[0], sockets.bytesReceived[0], maybeFin[0], sockets.attempt[0]],
        [sent, received, fin ?? MaybeFin.no, attempt ?? Attempt.none],
      );
      assert.deepEqual([sockets.cookieLow[0], sockets.firstSeen[0], place[0]], [7, 9, 5]);
    });
  }

  it("does no harm whatever its bytes are", () => {
    const into = target();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(400), fc.nat(400), (bytes, start, end) => {
        const before = into.table.length;
        const kind = appendDestroyed(
          new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
          start,
          end,
          into,
        );
        assert.equal(into.table.length - before, kind === EventKind.appended ? 1 : 0);
      }),
    );
  });
});
