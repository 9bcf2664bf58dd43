// What events report on the kernel that runs, also against what sock_diag reads: run on every kernel of
// test/kernels. Where the kernel cannot report events, the agent must say why.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import type { AddressInfo, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { release } from "node:os";
import { test } from "node:test";

import type { NodeCoverage } from "../../../lib/gen/whotalks/v1/report.ts";
import { decodeReport } from "../../../lib/report-codec.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import { eventually, until } from "../../../lib/testing/eventually.ts";
import { stateWord } from "../../../lib/vocabulary/states.ts";
import { Timer } from "../../../lib/vocabulary/timers.ts";
import { createNodeAgent } from "../node-agent.ts";
import type { NodeAgent } from "../node-agent.ts";
import { createSockDiagReader } from "../readers/sock-diag.ts";

const [major = 0, minor = 0] = release().split(".").map(Number);
const hasCookies = major > 5 || (major === 5 && minor >= 12);
// On a kernel of its own, nothing but the kernel's version may prevent events.
const isOwnKernel = process.env["OWN_KERNEL"] === "1";

/** Emulated kernels are 5 to 10 times slower than this machine's. */
const DEADLINE_MS = 60_000;

/** An end of a connection, as reports have it. */
interface End {
  localPort: number;
  remotePort: number;
  /** "ESTAB" and so on, with the socket's cookie; empty for what the kernel keeps after a socket. */
  identity: string;
  bytesSent: number;
  bytesReceived: number;
  holders: number[];
}

function changing(table: SocketTable, row: number): Pick<End, "identity" | "bytesSent" | "bytesReceived"> {
  const cookie = table.cookieHigh[row]! * 2 ** 32 + table.cookieLow[row]!;
  return {
    identity: table.timer[row] === Timer.timeWait ? "" : `${stateWord(table.state[row]!)} ${cookie}`,
    bytesSent: table.bytesSent[row]!,
    bytesReceived: table.bytesReceived[row]!,
  };
}

function endOf(table: SocketTable, row: number): End {
  const [localPort, remotePort] = [table.localPort[row]!, table.remotePort[row]!];
  return { localPort, remotePort, ...changing(table, row), holders: [] };
}

/** What an agent reported. */
class Reported {
  readonly ends = new Map<number, End>();
  readonly closed: End[] = [];
  coverage: NodeCoverage | undefined;
  readonly #pids = new Map<number, number>();

  take(bytes: Uint8Array): Promise<void> {
    const report = decodeReport(bytes);
    assert.ok(typeof report !== "string");
    const { header, sockets, changes, holders } = report;
    this.coverage = header.coverage ?? this.coverage;
    for (const { id, pid } of header.processes) this.#pids.set(id, pid);
    for (let row = 0; row < (sockets?.length ?? 0); row++)
      this.ends.set(sockets!.id[row]!, endOf(sockets!, row));
    for (let row = 0; row < (changes?.length ?? 0); row++) {
      const end = this.ends.get(changes!.id[row]!);
      if (end !== undefined) Object.assign(end, changing(changes!, row));
    }
    for (let row = 0; row < (holders?.length ?? 0); row++)
      this.ends.get(holders!.socket[row]!)?.holders.push(this.#pids.get(holders!.process[row]!) ?? 0);
    for (const id of report.socketsRemoved) {
      const end = this.ends.get(id);
      if (end !== undefined) this.closed.push(end);
      // Another socket may get its id.
      this.ends.delete(id);
    }
    return Promise.resolve();
  }

  /** Returns whether events are reported; if not, checks that the agent has a reason for it. */
  get hasEvents(): boolean {
    const { events, eventsReason, reader } = this.coverage!;
    if (events === "tracepoint") {
      assert.ok(hasCookies);
      return true;
    }
    assert.notEqual(eventsReason, "", "no reason is given");
    assert.ok(!hasCookies || (reader !== "bpf-iter" && !isOwnKernel), eventsReason);
    return false;
  }
}

function agentFor(reported: Reported, intervalMs: number): NodeAgent {
  const startMs = performance.now();
  return createNodeAgent(
    { node: "here", procRoot: "/proc", reader: "auto", conntrack: "none", events: "auto" },
    { sink: { publish: (bytes) => reported.take(bytes) }, elapsedMs: () => performance.now() - startMs },
    { intervalMs, keyframeMs: 1e9, cpuShare: null },
  );
}

/** Living ends of connections to a port, sorted. */
function identitiesOf(ends: Iterable<End>, port: number): string[] {
  return [...ends]
    .filter(({ localPort, remotePort }) => localPort === port || remotePort === port)
    .filter(({ identity }) => identity !== "")
    .map(({ localPort, remotePort, identity }) => `${localPort} ${remotePort} ${identity}`)
    .toSorted();
}

/** What sock_diag reads of a port in this network namespace: without BPF. */
function readIdentities(port: number): string[] {
  const reader = createSockDiagReader({
    procRoot: "/proc",
    nowTicks: () => 0,
    tables: new Set(["tcp", "tcp6"]),
  });
  const sink = { sockets: new SocketTable(1024), familySockets: [] };
  const inode = Number(/\d+/.exec(readlinkSync("/proc/self/ns/net"))![0]);
  const reading = reader.read({ inode, host: false, pids: [process.pid] }, 0, sink);
  assert.ok(reading.read, reader.limits().join("; "));
  const ends = Array.from({ length: sink.sockets.length }, (_, row) => endOf(sink.sockets, row));
  return identitiesOf(ends, port);
}

test("short connections are reported with their process and exact bytes, or the agent says why not", async () => {
  const reported = new Reported();
  const agent = agentFor(reported, 1000);
  const server = createServer((socket) => socket.on("data", (data) => socket.end(data)));
  try {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    await agent.pass();
    if (!reported.hasEvents) return;
    for (let calls = 0; calls < 3; calls++) {
      const client = connect(port, "127.0.0.1", () => client.write("hello"));
      client.resume();
      await once(client, "close");
    }
    // The last acknowledgement may still be on its way.
    await eventually(DEADLINE_MS, async () => {
      await agent.pass();
      const ends = [...reported.ends.values(), ...reported.closed];
      const clients = ends.filter(({ remotePort }) => remotePort === port);
      const servers = ends.filter(({ localPort, remotePort }) => localPort === port && remotePort !== 0);
      assert.equal(clients.length, 3);
      assert.equal(servers.length, 3);
      for (const end of [...clients, ...servers]) {
        assert.deepEqual([end.bytesSent, end.bytesReceived], [5, 5]);
        assert.ok(end.holders.length > 0);
        assert.ok(end.holders.every((pid) => pid === process.pid));
      }
      assert.equal(reported.coverage?.eventsLost, 0);
    });
  } finally {
    server.close();
    agent.close();
  }
});

test("what events report without a pass is what sock_diag reads", async (t) => {
  const reported = new Reported();
  const agent = agentFor(reported, 3_600_000);
  const stop = new AbortController();
  const running = agent.run(stop.signal);
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined).resume();
  });
  try {
    await until("the first pass", () => reported.coverage !== undefined, DEADLINE_MS);
    if (!reported.hasEvents) return t.skip("this kernel reports no events");
    server.listen(0, "::");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    for (let calls = 0; calls < 12; calls++) {
      const client = connect({ port, host: calls % 2 === 0 ? "127.0.0.1" : "::1", allowHalfOpen: true });
      sockets.push(client);
      await once(client, "connect");
      // A third stays open, a third is half-closed, a third is reset.
      if (calls % 3 === 1) client.end();
      if (calls % 3 === 2) client.resetAndDestroy();
    }
    await eventually(DEADLINE_MS, () => {
      const read = readIdentities(port);
      assert.deepEqual(identitiesOf(reported.ends.values(), port), read);
      // The listener, and both ends of each connection that was not reset.
      assert.equal(read.length, 1 + 2 * 8);
      return Promise.resolve();
    });
    stop.abort();
    await running;
    await agent.pass();
    assert.deepEqual([reported.coverage?.eventsMissed, reported.coverage?.eventsLost], [0, 0]);
  } finally {
    stop.abort();
    await running;
    for (const socket of sockets) socket.destroy();
    server.close();
    agent.close();
  }
});
