// The whole program against a real nats-server, without a Kubernetes API: identities come from the reports
// alone, as they do after a restart for deleted pods.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { TestContext } from "node:test";

import { credentials } from "@grpc/grpc-js";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";

import { parseAddress } from "../../lib/address.ts";
import { QueryServiceClient } from "../../lib/gen/whotalks/v1/query_service.ts";
import type { Connection } from "../../lib/gen/whotalks/v1/query.ts";
import { Report } from "../../lib/gen/whotalks/v1/report.ts";
import { connectForEver } from "../../lib/nats/connection.ts";
import type { NatsLink } from "../../lib/nats/connection.ts";
import { until } from "../../lib/testing/eventually.ts";
import { TestNatsServer, natsServerMissing } from "../../lib/testing/nats-server.ts";
import { ensureStream } from "../../lib/nats/stream.ts";
import { reportSubject } from "../../lib/nats/subjects.ts";
import { encodeReport } from "../../lib/report-codec.ts";
import { SocketTable } from "../../lib/socket-table.ts";
import { silentLog } from "../../lib/testing/silent-log.ts";
import { defaultStreamSettings } from "../../lib/testing/stream-settings.ts";
import { Protocol } from "../../lib/vocabulary/protocols.ts";
import { SocketState } from "../../lib/vocabulary/states.ts";
import { readAggregatorConfig } from "./config.ts";
import { runAggregator } from "./run-aggregator.ts";

const options = { skip: natsServerMissing() ?? false, timeout: 60_000 };

type ReportParts = Parameters<typeof Report.fromPartial>[0];

class Bench {
  readonly nats: TestNatsServer;
  readonly link: NatsLink;
  readonly #context: TestContext;

  private constructor(context: TestContext, nats: TestNatsServer, link: NatsLink) {
    this.#context = context;
    this.nats = nats;
    this.link = link;
  }

  static async start(context: TestContext): Promise<Bench> {
    const nats = await TestNatsServer.start();
    context.after(() => nats.remove());
    const link = await connectForEver({ servers: [nats.url], name: "test" }, silentLog, context.signal);
    context.after(() => link.close());
    await ensureStream(await jetstreamManager(link.connection), defaultStreamSettings);
    return new Bench(context, nats, link);
  }

  async publish(parts: ReportParts, sockets?: SocketTable): Promise<void> {
    const report = Report.fromPartial({ schema: 1, bootId: "b", epoch: 1, parts: 1, ...parts });
    const rows = sockets === undefined ? {} : { sockets: { table: sockets, from: 0, to: sockets.length } };
    const bytes = encodeReport(report, rows);
    await jetstream(this.link.connection).publish(reportSubject(report.node, report.keyframe), bytes);
  }

  /** Runs an aggregator until stop() or the test's end. */
  async aggregate(): Promise<{ grpc: string; http: string; stop: () => Promise<void> }> {
    const [grpc, http] = [await freeAddress(), await freeAddress()];
    const config = readAggregatorConfig(
      { WHOTALKS_NATS_URL: this.nats.url, WHOTALKS_GRPC_ADDRESS: grpc, WHOTALKS_HTTP_ADDRESS: http },
      [],
    );
    assert.equal(config.kind, "settings");
    const stopping = new AbortController();
    const running = runAggregator(config.values, { HOME: "/no/such/home" }, silentLog, stopping.signal);
    const stop = async (): Promise<void> => {
      stopping.abort();
      await running;
    };
    this.#context.after(stop);
    return { grpc, http, stop };
  }
}

async function freeAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}

async function isReady(http: string): Promise<boolean> {
  const response = await fetch(`http://${http}/readyz`).catch(() => null);
  return response?.status === 200;
}

async function connectionsOf(grpc: string): Promise<Connection[]> {
  const client = new QueryServiceClient(grpc, credentials.createInsecure());
  const found: Connection[] = [];
  for await (const part of client.listConnections({ filter: undefined, limit: 0 })) {
    found.push(...((part as { batch?: { connections: Connection[] } }).batch?.connections ?? []));
  }
  client.close();
  return found;
}

// One socket of namespace 1: 10.244.1.5:40000 → 10.244.2.8:5432, first seen 10 s after its agent's start.
function clientSocket(): SocketTable {
  const table = new SocketTable();
  const row = table.append();
  table.id[row] = 1;
  table.namespace[row] = 1;
  table.protocol[row] = Protocol.tcp;
  table.family[row] = 4;
  table.state[row] = SocketState.ESTABLISHED;
  table.addresses.set(parseAddress("10.244.1.5")!, row * 8);
  table.addresses.set(parseAddress("10.244.2.8")!, row * 8 + 4);
  table.localPort[row] = 40_000;
  table.remotePort[row] = 5432;
  table.inode[row] = 7;
  table.firstSeen[row] = 1000;
  return table;
}

const client = {
  uid: "client",
  namespace: "shop",
  name: "web-1",
  ownerKind: "StatefulSet",
  ownerName: "web",
};
const gone = { uid: "gone", namespace: "shop", name: "db-0", ownerKind: "StatefulSet", ownerName: "db" };

test(
  "after a start, a connection to a pod that is long gone names it, and what comes then is known at once",
  options,
  async (t) => {
    const bench = await Bench.start(t);
    await bench.publish({
      node: "n2",
      sequence: 1,
      keyframe: true,
      ticks: 6000,
      pods: [{ ...gone, addresses: ["10.244.2.8"], firstSeen: 1, ended: 5000 }],
    });
    const own = { ...client, addresses: ["10.244.1.5"], firstSeen: 1 };
    const namespace = { id: 1, inode: 4_026_532_000, podUid: "client" };
    await bench.publish(
      { node: "n1", sequence: 1, keyframe: true, ticks: 6000, namespaces: [namespace], pods: [own] },
      clientSocket(),
    );

    const { grpc, http, stop } = await bench.aggregate();
    await until("ready", () => isReady(http));
    const [connection, ...others] = await connectionsOf(grpc);
    assert.deepEqual(others, []);
    assert.equal(connection?.client?.pod, "web-1");
    assert.equal(connection.client.workload?.name, "web");
    assert.equal(connection.server?.pod, "db-0");
    assert.deepEqual(
      [connection.server.workload?.kind, connection.server.workload?.name],
      ["StatefulSet", "db"],
    );

    const removed = new Uint8Array(new Uint32Array([1]).buffer);
    await bench.publish({ node: "n1", sequence: 2, ticks: 6100, socketsRemoved: removed });
    await until("the connection has closed", async () => (await connectionsOf(grpc))[0]?.closed === true);

    const metrics = await (await fetch(`http://${http}/metrics`)).text();
    assert.match(metrics, /^whotalks_aggregator_reports_applied_total 3$/m);
    assert.match(metrics, /^whotalks_aggregator_identity_pods 2$/m);
    await stop();
    assert.equal(await isReady(http), false);
  },
);

test("without NATS it lives, is not ready and says why, and ends when told", options, async (t) => {
  const bench = await Bench.start(t);
  await bench.nats.stop();
  const { http, stop } = await bench.aggregate();
  await until("alive", async () => (await fetch(`http://${http}/livez`).catch(() => null))?.status === 200);
  const response = await fetch(`http://${http}/readyz`);
  assert.deepEqual([response.status, await response.text()], [503, "NATS is not connected yet\n"]);
  await stop();
});
