// What events report on the kernel that runs: run on every kernel of test/kernels. Where it cannot report them, the agent
// must say why.

import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:net";
import { release } from "node:os";
import { test } from "node:test";

import type { NodeCoverage } from "../../../lib/gen/whotalks/v1/report.ts";
import { decodeReport } from "../../../lib/report-codec.ts";
import { eventually } from "../../../lib/testing/eventually.ts";
import { createNodeAgent } from "../node-agent.ts";

const [major = 0, minor = 0] = release().split(".").map(Number);
const hasCookies = major > 5 || (major === 5 && minor >= 12);

/** An end of a connection, as reports have it. */
interface End {
  localPort: number;
  remotePort: number;
  bytesSent: number;
  bytesReceived: number;
  holders: number[];
}

test("short connections are reported with their process and exact bytes, or the agent says why not", async () => {
  const ends = new Map<number, End>();
  const closed: End[] = [];
  const pids = new Map<number, number>();
  let coverage: NodeCoverage | undefined;
  const take = (bytes: Uint8Array): Promise<void> => {
    const report = decodeReport(bytes);
    assert.ok(typeof report !== "string");
    const { header, sockets, changes, holders } = report;
    coverage = header.coverage ?? coverage;
    for (const process of header.processes) pids.set(process.id, process.pid);
    for (let row = 0; row < (sockets?.length ?? 0); row++) {
      ends.set(sockets!.id[row]!, {
        localPort: sockets!.localPort[row]!,
        remotePort: sockets!.remotePort[row]!,
        bytesSent: sockets!.bytesSent[row]!,
        bytesReceived: sockets!.bytesReceived[row]!,
        holders: [],
      });
    }
    for (let row = 0; row < (changes?.length ?? 0); row++) {
      const end = ends.get(changes!.id[row]!);
      if (end === undefined) continue;
      end.bytesSent = changes!.bytesSent[row]!;
      end.bytesReceived = changes!.bytesReceived[row]!;
    }
    for (let row = 0; row < (holders?.length ?? 0); row++)
      ends.get(holders!.socket[row]!)?.holders.push(pids.get(holders!.process[row]!) ?? 0);
    for (const id of report.socketsRemoved) {
      const end = ends.get(id);
      if (end !== undefined) closed.push(end);
      // Another socket may get its id.
      ends.delete(id);
    }
    return Promise.resolve();
  };
  const startMs = performance.now();
  const agent = createNodeAgent(
    { node: "here", procRoot: "/proc", reader: "auto", conntrack: "none", events: "auto" },
    { sink: { publish: take }, elapsedMs: () => performance.now() - startMs },
    { intervalMs: 1000, keyframeMs: 1e9, cpuShare: null },
  );
  const server = createServer((socket) => socket.on("data", (data) => socket.end(data)));
  try {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    await agent.pass();
    if (coverage?.events !== "tracepoint") {
      assert.notEqual(coverage?.eventsReason, "", "no reason is given");
      assert.ok(!hasCookies || coverage?.reader !== "bpf-iter", coverage?.eventsReason);
      return;
    }
    assert.ok(hasCookies);
    for (let calls = 0; calls < 3; calls++) {
      const client = connect(port, "127.0.0.1", () => client.write("hello"));
      client.resume();
      await once(client, "close");
    }
    // The last acknowledgement may still be on its way.
    await eventually(30_000, async () => {
      await agent.pass();
      const clients = [...ends.values(), ...closed].filter(({ remotePort }) => remotePort === port);
      const servers = [...ends.values(), ...closed].filter(
        ({ localPort, remotePort }) => localPort === port && remotePort !== 0,
      );
      assert.equal(clients.length, 3);
      assert.equal(servers.length, 3);
      for (const end of [...clients, ...servers]) {
        assert.deepEqual([end.bytesSent, end.bytesReceived], [5, 5]);
        assert.ok(end.holders.length > 0);
        assert.ok(end.holders.every((pid) => pid === process.pid));
      }
      assert.equal(coverage?.eventsLost, 0);
    });
  } finally {
    server.close();
    agent.close();
  }
});
