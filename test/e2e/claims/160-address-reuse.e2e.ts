// An address belongs to its owner at the time: after a pod is deleted and another gets its address, earlier
// connections still name the first.

import assert from "node:assert/strict";
import { connectionsOf, shown } from "../answer.ts";
import { claim } from "../claim.ts";
import { apply, kubectl, kubectlJson } from "../command.ts";
import { eventually } from "../../../lib/testing/eventually.ts";
import { openConnections } from "../truth.ts";
import { addressesOf, client, pod, podSpec, ready, server } from "../workload.ts";

/** A node's address pool often has 254 addresses, assigned in order. */
const podsMax = 300;
const batch = 50;

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string };
    readonly status: { readonly podIP?: string };
  }[];
}

claim(160, "a deleted pod keeps its connections, though another pod has its address now", async (scene) => {
  const { t, namespace, nodes } = scene;
  const [node = ""] = nodes;
  await apply([pod(namespace, "web", { node: nodes.at(-1) ?? "" }, server("web", 8080))]);
  await ready(namespace, "web");
  const { ipv4: host = "" } = await addressesOf(namespace, "web");
  await apply([pod(namespace, "first", { node }, client("first", { host, port: 8080 }))]);
  await ready(namespace, "first");
  const { ipv4: address = "" } = await addressesOf(namespace, "first");
  const [own] = await eventually(30_000, async () => {
    const truth = await openConnections(namespace, "first", "first");
    const answer = await connectionsOf(namespace);
    assert.ok(answer.some((one) => one.client.pod === "first" && one.client.port === truth[0]?.port));
    return truth;
  });
  await kubectl("delete", "pod", "-n", namespace, "first", "--wait=true");

  const second = await takeAddress(namespace, node, address, host);
  if (second === undefined) return t.skip(`none of ${podsMax} pods got the address ${address} again`);
  t.diagnostic(`${second} has ${address} now`);
  await eventually(30_000, async () => {
    const answer = await connectionsOf(namespace);
    const lines = answer.map(shown).join("\n");
    const past = answer.filter((one) => one.client.ip === address && one.client.port === own?.port);
    assert.deepEqual([past.length, past[0]?.client.pod, past[0]?.closed], [1, "first", true], lines);
    const now = answer.filter((one) => one.client.pod === second && one.closed !== true);
    assert.deepEqual([now.length, now[0]?.client.ip, now[0]?.server.pod], [1, address, "web"], lines);
  });
  return undefined;
});

/** Creates clients on the node, batch by batch, until one of them gets the address; returns its name. */
async function takeAddress(
  namespace: string,
  node: string,
  address: string,
  host: string,
): Promise<string | undefined> {
  for (let made = 0; made < podsMax; made += batch) {
    const names = Array.from({ length: batch }, (_, index) => `next-${made + index}`);
    const spec = podSpec({ node }, [client("next", { host, port: 8080 })]);
    await apply(
      names.map((name) => ({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { namespace, name, labels: { app: "next" } },
        spec,
      })),
    );
    const pods = await eventually(120_000, async () => {
      const { items } = await kubectlJson<PodList>("get", "pods", "-n", namespace, "-l", "app=next");
      assert.ok(
        items.every((each) => each.status.podIP !== undefined),
        "not every pod has an address yet",
      );
      return items;
    });
    const found = pods.find((each) => each.status.podIP === address)?.metadata.name;
    if (found !== undefined) return found;
    await kubectl(
      "delete",
      "pods",
      "-n",
      namespace,
      "-l",
      "app=next",
      "--wait=true",
      "--grace-period=0",
      "--force",
    );
  }
  return undefined;
}
