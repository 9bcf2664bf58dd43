import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { SocketTable as ReportSockets } from "../../../../lib/socket-table.ts";
import { SocketFlag, SocketKind } from "./socket-rows.ts";
import { SocketTable } from "./socket-table.ts";

describe("the socket table", () => {
  it("keeps every value of every socket while it grows", () => {
    const sockets = new SocketTable();
    const row = new ReportSockets(1);
    row.append();
    const count = 200_000;
    for (let at = 0; at < count; at++) {
      const socket = {
        id: at,
        namespace: at,
        protocol: at & 0xff,
        localAddress: at + 1,
        remoteAddress: 2 ** 32 - 1 - at,
        localPort: at & 0xffff,
        remotePort: (at * 7) & 0xffff,
        kind: SocketKind.end,
        sinceMs: 1.7e12 + at,
      };
      const slot = sockets.add(socket, socket.sinceMs, at & 0xff);
      assert.equal(slot, at);
      assert.ok(!sockets.has(slot, 0xff) && sockets.holders(slot) === 0 && sockets.connection(slot) === 0);
      row.state[0] = (at >>> 1) & 0xff;
      row.inode[0] = at * 3;
      row.counted[0] = 1;
      row.bytesSent[0] = at * 1e6;
      sockets.update(slot, row, 0);
      sockets.attach(slot, at * 2);
      sockets.setHolders(slot, at + 5);
      sockets.noteHandshake(slot, SocketFlag.opening);
    }
    for (let slot = 0; slot < count; slot++) {
      assert.deepEqual(
        [
          sockets.kind(slot),
          sockets.protocol(slot),
          sockets.state(slot),
          sockets.namespace(slot),
          sockets.localAddress(slot),
          sockets.remoteAddress(slot),
          sockets.localPort(slot),
          sockets.remotePort(slot),
          sockets.inode(slot),
          sockets.connection(slot),
          sockets.holders(slot),
          sockets.has(slot, SocketFlag.opening) && sockets.isLive(slot),
          sockets.sinceMs[slot],
          sockets.bytesSent[slot],
        ],
        [
          SocketKind.end,
          slot & 0xff,
          (slot >>> 1) & 0xff,
          slot,
          slot + 1,
          2 ** 32 - 1 - slot,
          slot & 0xffff,
          (slot * 7) & 0xffff,
          slot * 3,
          slot * 2,
          slot + 5,
          true,
          1.7e12 + slot,
          slot * 1e6,
        ],
      );
    }
  });
});
