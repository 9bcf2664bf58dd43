// Rows that are kept from one reading to the next.

import assert from "node:assert/strict";
import { it } from "node:test";

import { FamilySocket } from "../../../../lib/gen/whotalks/v1/report.ts";
import { SocketTable } from "../../../../lib/socket-table.ts";
import type { SocketSink } from "../../observation.ts";
import { KeptRows } from "./kept-rows.ts";

function sinkOf(...familySockets: FamilySocket[]): SocketSink {
  return { sockets: new SocketTable(4), familySockets };
}

it("family sockets that were read again unchanged are the same objects, with their ids", () => {
  const kept = [1, 2, 3].map((inode) => FamilySocket.create({ id: 10 + inode, inode, firstSeen: 5 }));
  const of = KeptRows.of(sinkOf(...kept), 0, 0)!;
  const other = FamilySocket.create({ inode: 99 });
  const moved = FamilySocket.create({ inode: 2, recvQueue: 7 });
  const sink = sinkOf(other, FamilySocket.create({ inode: 1 }), moved);
  of.keepUnchanged(sink, 1);
  assert.equal(sink.familySockets[0], other);
  assert.equal(sink.familySockets[1], kept[0]);
  assert.equal(sink.familySockets[2], moved);
});

it("what was kept is appended, of none nothing", () => {
  const sink = sinkOf();
  const row = sink.sockets.append();
  sink.sockets.localPort[row] = 80;
  const one = KeptRows.of(sink, 0, 0)!;
  const none = KeptRows.of(sink, 1, 0)!;
  const into = sinkOf();
  assert.deepEqual([one.append(into, 3, null), none.append(into, 3, null)], [0, 0]);
  assert.deepEqual([one.length, none.length, into.sockets.length], [1, 0, 1]);
  assert.deepEqual([into.sockets.localPort[0], into.sockets.namespace[0]], [80, 3]);
});
