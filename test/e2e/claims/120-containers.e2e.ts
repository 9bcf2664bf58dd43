// Inside a pod: containers share an address and a network namespace, so only the process identifies the owner
// of a socket.

import assert from "node:assert/strict";
import { connectionsOf, shown } from "../answer.ts";
import { assertEachOnce, claim, withClient } from "../claim.ts";
import { apply } from "../command.ts";
import { eventually } from "../../../lib/testing/eventually.ts";
import { openConnections } from "../truth.ts";
import { client, pod, ready, server, service } from "../workload.ts";

claim(120, "two containers of one pod are told apart by container and process", async ({ namespace }) => {
  const web = { labels: { app: "web" } };
  await apply([
    pod(namespace, "both", web, server("first", 8081), server("second", 8082)),
    service(namespace, "web", 8081),
    { ...service(namespace, "web-second", 8082), spec: { selector: web.labels, ports: [{ port: 8082 }] } },
  ]);
  await ready(namespace, "both");
  await apply([
    pod(
      namespace,
      "caller",
      {},
      client("one", { host: "web", port: 8081, count: 2 }),
      client("two", { host: "web-second", port: 8082, count: 2 }),
    ),
  ]);
  await ready(namespace, "caller");
  await eventually(30_000, async () => {
    const answer = await connectionsOf(namespace);
    const pids = new Set<number>();
    for (const [from, to] of [
      ["one", "first"],
      ["two", "second"],
    ] as const) {
      const truth = await openConnections(namespace, "caller", from);
      const ends = { client: { pod: "caller", container: from }, server: { pod: "both", container: to } };
      assertEachOnce(answer, truth, ends);
      for (const own of truth) {
        const [found] = withClient(answer, own);
        assert.match(found?.client.process?.exe ?? "", /node$/, found === undefined ? "" : shown(found));
        pids.add(found?.client.process?.pid ?? 0).add(found?.server.process?.pid ?? 0);
      }
    }
    assert.equal(pids.size, 4, `four processes, not ${[...pids].join(" ")}`);
  });
});

claim(
  121,
  "containers of one pod that talk over loopback are shown, and pods do not mix there",
  async ({ namespace }) => {
    const containers = [
      server("inside", 9000, { host: "127.0.0.1" }),
      client("outside", { host: "127.0.0.1", port: 9000, count: 2 }),
    ];
    await apply([pod(namespace, "left", {}, ...containers), pod(namespace, "right", {}, ...containers)]);
    await ready(namespace, "left", "right");
    await eventually(30_000, async () => {
      const answer = await connectionsOf(namespace);
      for (const name of ["left", "right"]) {
        const truth = await openConnections(namespace, name, "outside");
        assert.equal(truth.length, 2);
        // The other pod may use the same loopback address and port: look only at this pod's.
        const ofPod = answer.filter((one) => one.client.pod === name);
        const ends = {
          client: { pod: name, container: "outside" },
          server: { pod: name, container: "inside" },
        };
        assertEachOnce(ofPod, truth, ends);
      }
    });
  },
);
