import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { SocketFlag, SocketKind, SocketStore } from "./socket-store.ts";

describe("the socket store", () => {
  it("keeps every value of every socket while it grows", () => {
    const sockets = new SocketStore();
    const count = 200_000;
    for (let at = 0; at < count; at++) {
      const slot = sockets.allocate();
      assert.equal(slot, at);
      assert.ok(!sockets.has(slot, 0xff) && sockets.holders(slot) === 0 && sockets.connection(slot) === 0);
      sockets.setKind(slot, SocketKind.end);
      sockets.setProtocol(slot, at & 0xff);
      sockets.setState(slot, (at >>> 1) & 0xff);
      sockets.setNamespace(slot, at);
      sockets.setLocalAddress(slot, at + 1);
      sockets.setRemoteAddress(slot, 2 ** 32 - 1 - at);
      sockets.setLocalPort(slot, at & 0xffff);
      sockets.setRemotePort(slot, (at * 7) & 0xffff);
      sockets.setInode(slot, at * 3);
      sockets.setConnection(slot, at * 2);
      sockets.setHolders(slot, at + 5);
      sockets.set(slot, SocketFlag.opening);
      sockets.sinceMs[slot] = 1.7e12 + at;
      sockets.bytesSent[slot] = at * 1e6;
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
