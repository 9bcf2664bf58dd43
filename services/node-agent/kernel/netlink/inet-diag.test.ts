import assert from "node:assert/strict";
import { once } from "node:events";
import { createConnection, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { describe, it } from "node:test";

import fc from "fast-check";

import { SocketTable } from "../../../../lib/socket-table.ts";
import { Protocol } from "../../../../lib/vocabulary/protocols.ts";
import { hostIsLittleEndian } from "../byte-order.ts";
import { NETLINK_SOCK_DIAG } from "../constants.ts";
import { parseNetlinkDiag, parsePacketDiag } from "./family-diag.ts";
import { appendInetDiag, inetDiagRequest, tcpDiagRequest } from "./inet-diag.ts";
import type { InetDiagTarget } from "./inet-diag.ts";
import { dump, openNetlink } from "./netlink.ts";
import { syscalls } from "../syscalls.ts";
import { payloadReceived, payloadSent } from "./tcp-info.ts";

function target(protocol: number = Protocol.tcp): InetDiagTarget {
  return {
    sockets: new SocketTable(),
    namespaceId: 2,
    protocol,
    nowTicks: 500,
    littleEndian: hostIsLittleEndian,
    tally: { linesMalformed: 0, overflowed: 0 },
  };
}

function dumpOwn(request: Uint8Array, protocol: number): SocketTable {
  const into = target(protocol);
  const descriptor = openNetlink(NETLINK_SOCK_DIAG);
  try {
    dump(descriptor, request, (view, start, end) => appendInetDiag(view, start, end, into));
  } finally {
    syscalls().close(descriptor);
  }
  assert.deepEqual(into.tally, { linesMalformed: 0, overflowed: 0 });
  return into.sockets;
}

function rowOf(sockets: SocketTable, localPort: number, remotePort: number): number {
  for (let row = 0; row < sockets.length; row++) {
    if (sockets.localPort[row] === localPort && sockets.remotePort[row] === remotePort) return row;
  }
  return assert.fail(`no socket ${localPort} -> ${remotePort}`);
}

describe("sock_diag messages", () => {
  it("take any bytes, and each that makes no sense is counted", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 400 }),
        fc.constantFrom(2, 10, 16, 17),
        fc.boolean(),
        (noise, family, littleEndian) => {
          const bytes = Uint8Array.of(family, ...noise);
          const view = new DataView(bytes.buffer);
          const into = { ...target(), littleEndian };
          appendInetDiag(view, 0, bytes.length, into);
          assert.equal(into.sockets.length + into.tally.linesMalformed, 1);
          parseNetlinkDiag(view, 0, bytes.length, littleEndian);
          parsePacketDiag(view, 0, bytes.length, littleEndian);
        },
      ),
    );
  });
});

describe("payload", () => {
  for (const [what, acked, sentOnce, expected] of [
    ["leaves the SYN out", 101, 100, 100],
    ["leaves SYN and FIN out", 102, 100, 100],
    ["leaves out what is not acknowledged", 40, 100, 40],
    ["is what was acknowledged where more is not known", 41, null, 41],
    ["is never negative", 1, -5, 0],
  ] as const) {
    it(`that was sent ${what}`, () => assert.equal(payloadSent(acked, sentOnce), expected));
  }

  it("received leaves out the FIN once it has arrived", () => {
    assert.deepEqual([payloadReceived(11, 8), payloadReceived(11, 1), payloadReceived(0, 8)], [10, 11, 0]);
  });
});

describe("TCP sockets of the kernel", () => {
  it("count the exact bytes of a connection while it is open and after its other end closed", async () => {
    const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const client = createConnection(port, "127.0.0.1");
    const [accepted] = (await once(server, "connection")) as [Socket];
    try {
      accepted.on("data", () => undefined);
      client.on("data", () => undefined);
      client.write(Buffer.alloc(12_345));
      accepted.write(Buffer.alloc(777));
      const localPort = client.localPort!;
      const expectCounters = async (): Promise<void> => {
        const deadline = performance.now() + 5000;
        for (;;) {
          const sockets = dumpOwn(tcpDiagRequest(hostIsLittleEndian), Protocol.tcp);
          const [near, far] = [rowOf(sockets, localPort, port), rowOf(sockets, port, localPort)];
          const counters = [near, far].map((row) => [sockets.bytesSent[row], sockets.bytesReceived[row]]);
          try {
            assert.deepEqual(counters, [
              [12_345, 777],
              [777, 12_345],
            ]);
            assert.ok(sockets.counted[near] === 1 && sockets.rttMicros[near]! > 0);
            assert.ok(sockets.cookieLow[near] !== 0 && sockets.inode[near] !== 0);
            return;
          } catch (error) {
            if (performance.now() > deadline) throw error;
          }
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      await expectCounters();
      const ended = once(accepted, "end");
      client.end();
      await ended;
      // FIN_WAIT2 and CLOSE_WAIT: FIN and SYN are sequence numbers, not bytes.
      await expectCounters();
    } finally {
      client.destroy();
      accepted.destroy();
      server.close();
    }
  });

  it("are asked for by protocol and family too", () => {
    const sockets = dumpOwn(inetDiagRequest(Protocol.tcp, 6, hostIsLittleEndian), Protocol.tcp);
    assert.ok(sockets.protocol.subarray(0, sockets.length).every((protocol) => protocol === Protocol.tcp));
  });
});
