// Runs against the real API server and kubelet that KUBECONFIG names: the tunnel leads to the readiness port
// of the cluster's DNS, the one pod with an HTTP port that every cluster has.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { test } from "node:test";
import type { TestContext } from "node:test";

import { CoreV1Api } from "@kubernetes/client-node";

import { loadKubeConfig } from "../../lib/kubernetes/kube-config.ts";
import type { AggregatorPod } from "./find-aggregator.ts";
import { openTunnel } from "./pod-tunnel.ts";
import type { PodTunnel } from "./pod-tunnel.ts";

const skip = process.env["KUBECONFIG"] === undefined ? "KUBECONFIG names no cluster" : false;

interface Target extends AggregatorPod {
  readonly path: string;
}

async function dnsPod(): Promise<Target | undefined> {
  const core = loadKubeConfig({ environment: process.env }).makeApiClient(CoreV1Api);
  const pods = await core.listNamespacedPod({ namespace: "kube-system", labelSelector: "k8s-app=kube-dns" });
  for (const { metadata, spec, status } of pods.items) {
    const probe = spec?.containers[0]?.readinessProbe?.httpGet;
    if (probe === undefined || status?.phase !== "Running" || typeof probe.port !== "number") continue;
    return { namespace: "kube-system", name: metadata!.name!, port: probe.port, path: probe.path ?? "/" };
  }
  return undefined;
}

// A local connection whose other end is joined to the tunnel.
async function joined(t: TestContext, tunnel: PodTunnel): Promise<Socket> {
  const server = createServer((socket) => tunnel.join(socket)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  t.after(() => {
    socket.destroy();
    server.close();
  });
  await once(socket, "connect");
  return socket;
}

async function readToEnd(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

test(
  "a tunnel carries a request to a pod's port and the answer back, and ends with it",
  { skip },
  async (t) => {
    const pod = await dnsPod();
    if (pod === undefined) return t.skip("the cluster's DNS has no pod with a readiness port");
    const tunnel = await openTunnel(loadKubeConfig({ environment: process.env }), pod);
    t.after(() => tunnel.close());
    assert.equal(tunnel.open, true);
    const socket = await joined(t, tunnel);
    socket.write(`GET ${pod.path} HTTP/1.1\r\nHost: dns\r\nConnection: close\r\n\r\n`);
    assert.match(await readToEnd(socket), /^HTTP\/1\.1 200 OK/);
    assert.equal(tunnel.open, false);
  },
);

test("a port without a listener ends the connection and says so", { skip }, async (t) => {
  const pod = await dnsPod();
  if (pod === undefined) return t.skip("the cluster's DNS has no pod with a readiness port");
  const tunnel = await openTunnel(loadKubeConfig({ environment: process.env }), { ...pod, port: 9 });
  t.after(() => tunnel.close());
  const socket = await joined(t, tunnel);
  assert.equal(await readToEnd(socket), "");
  assert.match(tunnel.error, /error forwarding port 9 to pod/);
});

test("a pod that is not there is said", { skip }, async () => {
  const config = loadKubeConfig({ environment: process.env });
  await assert.rejects(openTunnel(config, { namespace: "kube-system", name: "no-such-pod", port: 1 }), {
    name: "KubernetesError",
    code: "not-found",
    message: "the API server answered 404 to a port-forward to pod kube-system/no-such-pod",
  });
});
