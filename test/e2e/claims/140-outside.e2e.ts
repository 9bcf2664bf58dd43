// The cluster's edge: pods that call outside hosts, and outside hosts that call pods.

import assert from "node:assert/strict";
import { type Connection, connectionsOf, shown } from "../answer.ts";
import { claim, type Scene, withClient } from "../claim.ts";
import { apply, kubectl, kubectlJson } from "../command.ts";
import { environment } from "../environment.ts";
import { eventually } from "../../../lib/testing/eventually.ts";
import { openConnections, type OwnConnection } from "../truth.ts";
import { byFamily, client, pod, ready, server, service } from "../workload.ts";
import { callFromWorld, hasWorld, serveInWorld, worldAddresses } from "../world.ts";

type Family = "ipv4" | "ipv6";
const number = { ipv4: 4, ipv6: 6 } as const;
const worldPort = 18_480;

/** The only open connection with this client end. */
function only(answer: readonly Connection[], own: OwnConnection): Connection {
  const found = withClient(answer, own);
  const lines = answer.map(shown).join("\n");
  assert.equal(found.length, 1, `${own.ip}:${own.port} is shown ${found.length} times; all:\n${lines}`);
  return found[0] as Connection;
}

async function podToWorld({ t, namespace }: Scene, family: Family): Promise<void> {
  if (!hasWorld(t)) return;
  const host = (await worldAddresses())[family];
  if (host === undefined) return t.skip(`the outside host has no ${family} address`);
  serveInWorld(t, worldPort);
  const target = { host, port: worldPort, family: number[family], count: 2 };
  await apply([pod(namespace, "crawler", {}, client("crawler", target))]);
  await ready(namespace, "crawler");
  await eventually(30_000, async () => {
    const truth = await openConnections(namespace, "crawler", "crawler");
    assert.equal(truth.length, 2);
    const answer = await connectionsOf(namespace);
    for (const own of truth) {
      const found = only(answer, own);
      assert.deepEqual([found.client.kind, found.client.pod], ["pod", "crawler"], shown(found));
      assert.deepEqual(
        [found.server.kind, found.server.ip, found.server.port],
        ["external", host, worldPort],
        shown(found),
      );
    }
  });
  return undefined;
}

claim(140, "a pod that calls an address outside the cluster", (scene) => podToWorld(scene, "ipv4"));
claim(141, "a pod that calls an address outside the cluster, over IPv6", (scene) =>
  podToWorld(scene, "ipv6"),
);

/**
 * Creates a Service of this type that preserves the caller's address, its backend on a node that the caller
 * reaches.
 */
async function exposed({ namespace, nodes }: Scene, type: "NodePort" | "LoadBalancer"): Promise<void> {
  await apply([
    pod(namespace, "web", { node: nodes[0] ?? "" }, server("web", 8080)),
    service(namespace, "web", 8080, { type, externalTrafficPolicy: "Local" }),
  ]);
  await ready(namespace, "web");
}

interface ServiceObject {
  readonly spec: { readonly ports: readonly { readonly nodePort?: number }[] };
  readonly status: { readonly loadBalancer: { readonly ingress?: readonly { readonly ip?: string }[] } };
}

interface NodeObject {
  readonly status: { readonly addresses: readonly { readonly type: string; readonly address: string }[] };
}

/** Proves that an outside client that calls this address is shown as external, talking to the pod. */
async function proveCaller(scene: Scene, family: Family, host: string, port: number): Promise<void> {
  const target = { host, port, family: number[family], count: 2 };
  const caller = callFromWorld(scene.t, target);
  await eventually(30_000, async () => {
    const truth = caller.openConnections();
    assert.equal(truth.length, 2, "the outside client is not connected yet");
    const answer = await connectionsOf(scene.namespace);
    for (const own of truth) {
      const found = only(answer, own);
      assert.deepEqual([found.client.kind, found.client.ip], ["external", own.ip], shown(found));
      assert.deepEqual(
        [found.server.kind, found.server.pod, found.server.port],
        ["pod", "web", 8080],
        shown(found),
      );
    }
  });
}

async function worldToNodePort(scene: Scene, family: Family): Promise<void> {
  if (!hasWorld(scene.t)) return;
  await exposed(scene, "NodePort");
  const { spec } = await kubectlJson<ServiceObject>("get", "service", "-n", scene.namespace, "web");
  const { status } = await kubectlJson<NodeObject>("get", "node", scene.nodes[0] ?? "");
  const internal = status.addresses.filter(({ type }) => type === "InternalIP").map(({ address }) => address);
  const host = byFamily(internal)[family];
  if (host === undefined) return scene.t.skip(`the node has no ${family} address`);
  await proveCaller(scene, family, host, spec.ports[0]?.nodePort ?? 0);
  return undefined;
}

claim(142, "a host outside that calls a node port", (scene) => worldToNodePort(scene, "ipv4"));
claim(143, "a host outside that calls a node port, over IPv6", (scene) => worldToNodePort(scene, "ipv6"));

async function worldToLoadBalancer(scene: Scene, family: Family): Promise<void> {
  const { t, namespace } = scene;
  if (!hasWorld(t)) return;
  await exposed(scene, "LoadBalancer");
  // The next claim reuses these addresses.
  t.after(() => kubectl("delete", "service", "-n", namespace, "web", "--ignore-not-found"));
  if (environment.loadBalancerAddresses.length > 0) {
    const ingress = environment.loadBalancerAddresses.map((ip) => ({ ip }));
    const patch = JSON.stringify({ status: { loadBalancer: { ingress } } });
    await kubectl("patch", "service", "-n", namespace, "web", "--subresource=status", "-p", patch);
  }
  const host = await eventually(30_000, async () => {
    const { status } = await kubectlJson<ServiceObject>("get", "service", "-n", namespace, "web");
    const addresses = (status.loadBalancer.ingress ?? []).map(({ ip }) => ip ?? "").filter((ip) => ip !== "");
    if (addresses.length === 0) throw new Error("no address yet");
    return byFamily(addresses)[family];
  }).catch(() => undefined);
  if (host === undefined)
    return t.skip(`no controller gave the Service an ${family} address, nor E2E_LB_ADDRESSES`);
  await proveCaller(scene, family, host, 8080);
  return undefined;
}

claim(144, "a host outside that calls a load balancer", (scene) => worldToLoadBalancer(scene, "ipv4"));
claim(145, "a host outside that calls a load balancer, over IPv6", (scene) =>
  worldToLoadBalancer(scene, "ipv6"),
);

claim(
  146,
  "a caller whose address a node port hid is shown as that node, not as somebody else",
  async (scene) => {
    const { t, namespace, nodes } = scene;
    if (!hasWorld(t)) return;
    if (nodes.length < 2) return t.skip("the cluster has one node");
    await apply([
      pod(namespace, "web", { node: nodes.at(-1) ?? "" }, server("web", 8080)),
      service(namespace, "web", 8080, { type: "NodePort", externalTrafficPolicy: "Cluster" }),
    ]);
    await ready(namespace, "web");
    const { spec } = await kubectlJson<ServiceObject>("get", "service", "-n", namespace, "web");
    const { status } = await kubectlJson<NodeObject>("get", "node", nodes[0] ?? "");
    const internal = status.addresses
      .filter(({ type }) => type === "InternalIP")
      .map(({ address }) => address);
    const { ipv4: host } = byFamily(internal);
    if (host === undefined) return t.skip("the node has no ipv4 address");
    const caller = callFromWorld(t, { host, port: spec.ports[0]?.nodePort ?? 0 });
    await eventually(30_000, async () => {
      const truth = caller.openConnections();
      assert.equal(truth.length, 1);
      const answer = (await connectionsOf(namespace)).filter(
        (one) => one.server.pod === "web" && one.closed !== true,
      );
      assert.equal(answer.length, 1, answer.map(shown).join("\n"));
      const [found] = answer;
      // With the flow of the node in between, the caller itself is known; without it, only the node whose
      // address it got.
      const named =
        found?.client.kind === "external"
          ? found.client.ip === truth[0]?.ip
          : found?.client.kind === "node" && found.client.node === nodes[0];
      assert.ok(named, answer.map(shown).join("\n"));
    });
    return undefined;
  },
);
