// Pods on the node's network: they share the node's network namespace and its address.

import assert from "node:assert/strict";
import { connectionsOf, shown } from "../answer.ts";
import { assertEachOnce, claim, twoNodes, withClient } from "../claim.ts";
import { apply } from "../command.ts";
import { eventually } from "../../../lib/testing/eventually.ts";
import { openConnections } from "../truth.ts";
import { addressesOf, client, pod, ready, server } from "../workload.ts";

const portA = 18_471;
const portB = 18_472;

claim(110, "a hostNetwork pod that calls a pod is shown as that pod, not as its node", async (scene) => {
  const { namespace, nodes } = scene;
  await apply([pod(namespace, "web", { node: nodes.at(-1) ?? "" }, server("web", 8080))]);
  await ready(namespace, "web");
  const { ipv4: host = "" } = await addressesOf(namespace, "web");
  const options = { node: nodes[0] ?? "", hostNetwork: true };
  await apply([pod(namespace, "monitor", options, client("monitor", { host, port: 8080, count: 3 }))]);
  await ready(namespace, "monitor");
  await eventually(30_000, async () => {
    const truth = await openConnections(namespace, "monitor", "monitor");
    const answer = await connectionsOf(namespace);
    assertEachOnce(answer, truth, { client: { pod: "monitor" }, server: { pod: "web" } });
    assert.ok(truth.every((own) => withClient(answer, own)[0]?.client.hostNetwork === true));
  });
});

claim(111, "a pod that calls a hostNetwork pod is shown with that pod", async (scene) => {
  const { namespace, nodes } = scene;
  await apply([
    pod(namespace, "edge", { node: nodes.at(-1) ?? "", hostNetwork: true }, server("edge", portA)),
  ]);
  await ready(namespace, "edge");
  const { ipv4: host = "" } = await addressesOf(namespace, "edge");
  await apply([
    pod(namespace, "shop", { node: nodes[0] ?? "" }, client("shop", { host, port: portA, count: 3 })),
  ]);
  await ready(namespace, "shop");
  await eventually(30_000, async () => {
    const truth = await openConnections(namespace, "shop", "shop");
    assertEachOnce(await connectionsOf(namespace), truth, {
      client: { pod: "shop" },
      server: { pod: "edge" },
    });
  });
});

claim(112, "two hostNetwork pods on one node are told apart, as servers and as clients", async (scene) => {
  const two = twoNodes(scene);
  if (two === undefined) return;
  const { namespace } = scene;
  const [clientNode, serverNode] = two;
  await apply([
    pod(namespace, "edge-a", { node: serverNode, hostNetwork: true }, server("edge", portA)),
    pod(namespace, "edge-b", { node: serverNode, hostNetwork: true }, server("edge", portB)),
  ]);
  await ready(namespace, "edge-a", "edge-b");
  const { ipv4: host = "" } = await addressesOf(namespace, "edge-a");
  const options = { node: clientNode, hostNetwork: true };
  await apply([
    pod(namespace, "probe-a", options, client("probe", { host, port: portA, count: 2 })),
    pod(namespace, "probe-b", options, client("probe", { host, port: portB, count: 2 })),
  ]);
  await ready(namespace, "probe-a", "probe-b");
  await eventually(30_000, async () => {
    const answer = await connectionsOf(namespace);
    for (const letter of ["a", "b"]) {
      const truth = await openConnections(namespace, `probe-${letter}`, "probe");
      assertEachOnce(answer, truth, {
        client: { pod: `probe-${letter}` },
        server: { pod: `edge-${letter}` },
      });
    }
    const mixed = answer.filter(
      ({ client: from, server: to }) =>
        from.pod?.at(-1) !== to.pod?.at(-1) && to.pod?.startsWith("edge") === true,
    );
    assert.deepEqual(mixed.map(shown), []);
  });
});
