// The main case: pods that talk to pods, through a Service and directly, on one node and on two.

import assert from "node:assert/strict";
import { connectionsOf, shown } from "../answer.ts";
import { assertEachOnce, claim, type Scene, twoNodes, withClient } from "../claim.ts";
import { apply } from "../command.ts";
import { eventually } from "../../../lib/testing/eventually.ts";
import { openConnections } from "../truth.ts";
import { addressesOf, client, pod, ready, server, service } from "../workload.ts";

const count = 4;

/**
 * Proves that each connection of a client and a server, through a Service or directly, is shown exactly once,
 * with both ends named.
 */
async function provePair(
  scene: Scene,
  clientNode: string,
  serverNode: string,
  direct: boolean,
): Promise<void> {
  const { namespace } = scene;
  await apply([
    pod(namespace, "web", { node: serverNode }, server("web", 8080)),
    service(namespace, "web", 8080),
  ]);
  await ready(namespace, "web");
  const host = direct ? ((await addressesOf(namespace, "web")).ipv4 ?? "") : "web";
  await apply([pod(namespace, "shop", { node: clientNode }, client("shop", { host, port: 8080, count }))]);
  await ready(namespace, "shop");
  await eventually(30_000, async () => {
    const truth = await openConnections(namespace, "shop", "shop");
    assert.equal(truth.length, count);
    const answer = await connectionsOf(namespace);
    const ends = { client: { pod: "shop", container: "shop" }, server: { pod: "web", container: "web" } };
    assertEachOnce(answer, truth, ends);
    for (const own of truth) {
      const [found] = withClient(answer, own);
      const line = found === undefined ? "" : shown(found);
      assert.deepEqual([found?.client.node, found?.server.node], [clientNode, serverNode], line);
      assert.deepEqual(
        [found?.client.kind, found?.server.kind, found?.server.port],
        ["pod", "pod", 8080],
        line,
      );
      assert.ok(
        found?.evidence?.includes("client-socket") === true && found.evidence.includes("server-socket"),
        line,
      );
      if (direct) assert.equal(found.via, undefined, line);
      else assert.deepEqual(found.via?.service, { namespace, name: "web" }, line);
    }
  });
}

claim(
  100,
  "a pod that calls a Service is shown talking to the backend pod on the same node",
  async (scene) => {
    const [node = ""] = scene.nodes;
    await provePair(scene, node, node, false);
  },
);

claim(
  101,
  "a pod that calls a Service is shown talking to the backend pod on another node",
  async (scene) => {
    const two = twoNodes(scene);
    if (two !== undefined) await provePair(scene, two[0], two[1], false);
  },
);

claim(102, "a pod that calls another pod directly, on the same node", async (scene) => {
  const [node = ""] = scene.nodes;
  await provePair(scene, node, node, true);
});

claim(103, "a pod that calls another pod directly, on another node", async (scene) => {
  const two = twoNodes(scene);
  if (two !== undefined) await provePair(scene, two[0], two[1], true);
});

claim(
  104,
  "of two backends of a Service each connection is shown with the one that has it",
  async (scene) => {
    const { namespace, nodes } = scene;
    const labels = { app: "web" };
    await apply([
      pod(namespace, "web-a", { node: nodes[0] ?? "", labels }, server("web", 8080)),
      pod(namespace, "web-b", { node: nodes.at(-1) ?? "", labels }, server("web", 8080)),
      service(namespace, "web", 8080),
    ]);
    await ready(namespace, "web-a", "web-b");
    await apply([pod(namespace, "shop", {}, client("shop", { host: "web", port: 8080, count: 12 }))]);
    await ready(namespace, "shop");
    await eventually(30_000, async () => {
      const truth = await openConnections(namespace, "shop", "shop");
      assert.equal(truth.length, 12);
      const answer = await connectionsOf(namespace);
      const servers = new Map<string, number>();
      for (const own of truth) {
        const found = withClient(answer, own);
        assert.equal(found.length, 1, found.map(shown).join("\n"));
        const name = found[0]?.server.pod ?? "nobody";
        servers.set(name, (servers.get(name) ?? 0) + 1);
      }
      // kube-proxy chooses at random: all 12 connections go to one backend once in 2048 runs.
      assert.deepEqual([...servers.keys()].toSorted(), ["web-a", "web-b"]);
    });
  },
);
