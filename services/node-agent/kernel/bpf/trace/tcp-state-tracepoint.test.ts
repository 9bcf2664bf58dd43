// The program on the tracepoint as the kernel runs it, and its ring buffer where it begins again and
// overflows.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createConnection, createServer } from "node:net";
import { describe, it } from "node:test";

import { until } from "../../../../../lib/testing/eventually.ts";
import { SocketState, stateWord } from "../../../../../lib/vocabulary/states.ts";
import { callerOf, cookieOf, sourcePortOf } from "../../../heard/tcp-state-row.ts";
import { hostIsLittleEndian } from "../../byte-order.ts";
import { TcpStateRecord as Record } from "./tcp-state-record.ts";
import { TcpStateTracepoint } from "./tcp-state-tracepoint.ts";

const obstacle = obstacleHere();
const ownNamespace = Number(/\d+/.exec(readlinkSync("/proc/self/ns/net"))![0]);

function obstacleHere(): string | null {
  try {
    TcpStateTracepoint.attach().close();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** A record of this network namespace. */
interface Heard {
  readonly change: string;
  readonly cookie: number;
  readonly localPort: number;
  readonly remotePort: number;
  readonly pid: number;
}

// Checks that a record has no bytes of another one.
function take(tracepoint: TcpStateTracepoint, into: Heard[]): void {
  tracepoint.drain((view, at, length) => {
    const [from, to] = [view.getUint8(at), view.getUint8(at + 1)];
    assert.ok(
      from >= SocketState.ESTABLISHED && from <= SocketState.NEW_SYN_RECV && from !== to,
      `${from} ${to}`,
    );
    assert.equal(length, lengthOf(to));
    if (view.getUint32(at + Record.namespace, hostIsLittleEndian) !== ownNamespace) return;
    const hasTuple = length >= Record.tupleBytes;
    into.push({
      change: `${stateWord(from)} ${stateWord(to)}`,
      cookie: cookieOf(view, at),
      localPort: !hasTuple
        ? 0
        : to === SocketState.CLOSE
          ? sourcePortOf(view, at)
          : view.getUint16(at + Record.localPort, hostIsLittleEndian),
      remotePort: hasTuple ? view.getUint16(at + Record.remotePort) : 0,
      pid: to === SocketState.SYN_SENT || to === SocketState.LISTEN ? (callerOf(view, at)?.pid ?? 0) : 0,
    });
  });
}

function lengthOf(state: number): number {
  switch (state) {
    case SocketState.SYN_SENT:
    case SocketState.LISTEN:
      return Record.callerBytes;
    case SocketState.ESTABLISHED:
      return Record.tupleBytes;
    case SocketState.CLOSE:
      return Record.closeBytes;
    default:
      return Record.stateBytes;
  }
}

const openFiles = (): number => readdirSync("/proc/self/fd").length;

/** A server that closes each connection when the other end does, and how to connect to it. */
async function startServer(host: string) {
  const server = createServer((socket) => socket.on("error", () => undefined).resume()).listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const talk = async (): Promise<void> => {
    const socket = createConnection({ host, port }).resume();
    await once(socket, "connect");
    socket.end();
    await once(socket, "close");
  };
  return { port, talk, [Symbol.dispose]: () => void server.close() };
}

describe("the program on inet_sock_set_state", { skip: obstacle ?? false }, () => {
  for (const host of ["127.0.0.1", "::1"]) {
    it(`reports the life of a listener and of both ends of a connection (${host})`, async () => {
      const tracepoint = TcpStateTracepoint.attach();
      try {
        const heard: Heard[] = [];
        let port: number;
        {
          using server = await startServer(host);
          ({ port } = server);
          await server.talk();
        }
        const ofPort = (): Heard[] =>
          heard.filter(({ localPort, remotePort }) => localPort === port || remotePort === port);
        const ends = (): Heard[] => ofPort().filter(({ change }) => change.endsWith(" CLOSE"));
        await until("both ends and the listener are over", () => {
          take(tracepoint, heard);
          return ends().length === 3;
        });
        const [clientCookie] = ofPort()
          .filter(({ change }) => change === "CLOSE SYN_SENT")
          .map(({ cookie }) => cookie);
        const changesOf = (wanted: number): string[] =>
          heard.filter(({ cookie }) => cookie === wanted).map(({ change }) => change);
        assert.deepEqual(changesOf(clientCookie!), [
          "CLOSE SYN_SENT",
          "SYN_SENT ESTABLISHED",
          "ESTABLISHED FIN_WAIT1",
          "FIN_WAIT1 FIN_WAIT2",
          "FIN_WAIT2 CLOSE",
        ]);
        const serverCookie = ofPort().find(({ change }) => change === "SYN_RECV ESTABLISHED")!.cookie;
        assert.deepEqual(changesOf(serverCookie), [
          "SYN_RECV ESTABLISHED",
          "ESTABLISHED CLOSE_WAIT",
          "CLOSE_WAIT LAST_ACK",
          "LAST_ACK CLOSE",
        ]);
        const listening = ofPort().find(({ change }) => change === "CLOSE LISTEN")!;
        assert.deepEqual(changesOf(listening.cookie), ["CLOSE LISTEN", "LISTEN CLOSE"]);
        const callers = ofPort().filter(({ pid }) => pid !== 0);
        assert.deepEqual(
          callers.map(({ pid }) => pid),
          [process.pid, process.pid],
        );
        assert.equal(tracepoint.lost, 0);
      } finally {
        tracepoint.close();
      }
    });
  }

  it("reads every record when the ring wraps around", async () => {
    const tracepoint = TcpStateTracepoint.attach({ ringBytes: 2 ** 16 });
    try {
      using server = await startServer("127.0.0.1");
      const heard: Heard[] = [];
      // Some 800 bytes each: the ring begins again three times.
      for (let count = 0; count < 300; count++) {
        await server.talk();
        take(tracepoint, heard);
      }
      const opened = (): Heard[] =>
        heard.filter(({ change, remotePort }) => change === "CLOSE SYN_SENT" && remotePort === server.port);
      // Who else uses the machine may have filled the ring meanwhile.
      if (tracepoint.lost === 0) assert.equal(new Set(opened().map(({ cookie }) => cookie)).size, 300);
      assert.equal(opened().length <= 300, true);
    } finally {
      tracepoint.close();
    }
  });

  it("counts what does not fit, and continues once there is room", async () => {
    const tracepoint = TcpStateTracepoint.attach({ ringBytes: 4096 });
    try {
      using server = await startServer("127.0.0.1");
      for (let count = 0; count < 20; count++) await server.talk();
      assert.ok(tracepoint.waiting <= 4096 && tracepoint.waiting > 4096 - Record.closeBytes - 16);
      const { lost } = tracepoint;
      // Nine records of each connection, of which six connections fit.
      assert.ok(lost > 100, `${lost} lost`);
      const heard: Heard[] = [];
      take(tracepoint, heard);
      assert.ok(heard.length > 0);
      await until("a whole connection finds room", async () => {
        heard.length = 0;
        take(tracepoint, heard);
        const before = tracepoint.lost;
        heard.length = 0;
        await server.talk();
        take(tracepoint, heard);
        return tracepoint.lost === before && heard.some(({ change }) => change === "CLOSE SYN_SENT");
      });
    } finally {
      tracepoint.close();
    }
  });

  it("leaves nothing open", () => {
    const before = openFiles();
    for (let count = 0; count < 3; count++) TcpStateTracepoint.attach({ ringBytes: 4096 }).close();
    assert.equal(openFiles(), before);
    assert.throws(() => TcpStateTracepoint.attach({ ringBytes: 4097 }));
    assert.throws(() => TcpStateTracepoint.attach({ btfPath: "/proc/self/status" }));
    assert.equal(openFiles(), before);
  });
});
