// The whole program against a real nats-server, without a Kubernetes API: identities come from the reports
// alone, as they do after a restart for deleted pods.

import assert from "node:assert/strict";
import { test } from "node:test";

import { parseAddress } from "../../lib/address.ts";
import { SocketTable } from "../../lib/socket-table.ts";
import { until } from "../../lib/testing/eventually.ts";
import { natsServerMissing } from "../../lib/testing/nats-server.ts";
import { Protocol } from "../../lib/vocabulary/protocols.ts";
import { SocketState } from "../../lib/vocabulary/states.ts";
import { connectionsOf, isReady, RunningAggregators } from "./testing/running-aggregators.ts";

const options = { skip: natsServerMissing() ?? false, timeout: 60_000 };

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
    const bench = await RunningAggregators.start(t);
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

test("without NATS it lives, is not ready and says why, and ends on request", options, async (t) => {
  const bench = await RunningAggregators.start(t);
  await bench.nats.stop();
  const { http, stop } = await bench.aggregate();
  await until("alive", async () => (await fetch(`http://${http}/livez`).catch(() => null))?.status === 200);
  const response = await fetch(`http://${http}/readyz`);
  assert.deepEqual([response.status, await response.text()], [503, "NATS is not connected yet\n"]);
  await stop();
});
