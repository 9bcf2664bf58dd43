// The same over IPv6, if the cluster supports it.

import assert from "node:assert/strict";
import { connectionsOf, shown } from "../answer.ts";
import { assertEachOnce, claim, type Scene, twoNodes, withClient } from "../claim.ts";
import { apply, kubectlJson } from "../command.ts";
import { eventually } from "../../../lib/testing/eventually.ts";
import { openConnections } from "../truth.ts";
import { addressesOf, byFamily, client, pod, ready, server, service } from "../workload.ts";

interface ServiceObject {
  readonly spec: { readonly clusterIPs?: readonly string[] };
}

async function provePair(scene: Scene, clientNode: string, serverNode: string): Promise<void> {
  const { t, namespace } = scene;
  await apply([
    pod(namespace, "web", { node: serverNode }, server("web", 8080)),
    service(namespace, "web", 8080),
  ]);
  await ready(namespace, "web");
  const { ipv6: direct } = await addressesOf(namespace, "web");
  const { spec } = await kubectlJson<ServiceObject>("get", "service", "-n", namespace, "web");
  const { ipv6: viaService } = byFamily(spec.clusterIPs ?? []);
  if (direct === undefined || viaService === undefined) return t.skip("the cluster has no IPv6");
  const targets = [direct, viaService].map((host) => ({ host, port: 8080, family: 6 as const, count: 2 }));
  await apply([pod(namespace, "shop", { node: clientNode }, client("shop", ...targets))]);
  await ready(namespace, "shop");
  await eventually(30_000, async () => {
    const truth = await openConnections(namespace, "shop", "shop");
    assert.equal(truth.length, 4);
    const answer = await connectionsOf(namespace);
    assertEachOnce(answer, truth, { client: { pod: "shop" }, server: { pod: "web" } });
    for (const own of truth) {
      const [found] = withClient(answer, own);
      const line = found === undefined ? "" : shown(found);
      assert.equal(found?.server.ip, direct, line);
      assert.equal(found.via?.service?.name, own.remoteIp === viaService ? "web" : undefined, line);
    }
  });
  return undefined;
}

claim(150, "pod to pod over IPv6 on the same node, directly and through a Service", async (scene) => {
  const [node = ""] = scene.nodes;
  await provePair(scene, node, node);
});

claim(151, "pod to pod over IPv6 on two nodes, directly and through a Service", async (scene) => {
  const two = twoNodes(scene);
  if (two !== undefined) await provePair(scene, two[0], two[1]);
});
