// Runs against the real API server that KUBECONFIG names, if any. The pods are never scheduled (they have a
// scheduling gate); the test writes their addresses into their status, so that no node and no image is needed.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { test } from "node:test";
import type { TestContext } from "node:test";

import {
  AppsV1Api,
  CoreV1Api,
  DiscoveryV1Api,
  RbacAuthorizationV1Api,
  setHeaderOptions,
} from "@kubernetes/client-node";
import { KubeConfig } from "@kubernetes/client-node/dist/config.js";

import { loadKubeConfig } from "../../../../lib/kubernetes/kube-config.ts";
import { KubernetesApi } from "../../../../lib/kubernetes/kubernetes-api.ts";
import { until } from "../../../../lib/testing/eventually.ts";
import { ClusterIdentity } from "./cluster-identity.ts";
import { watchCluster } from "./cluster-watch.ts";
import type { ClusterWatch } from "./cluster-watch.ts";

const skip = process.env["KUBECONFIG"] === undefined ? "KUBECONFIG names no cluster" : false;
// TEST-NET-2: no cluster assigns these to pods.
const podIp = "198.51.100.201";
const nextIp = "198.51.100.202";
const gate = { schedulingGates: [{ name: "whotalks.dev/test" }] };
const container = { name: "main", image: "none", ports: [{ containerPort: 8080, name: "http" }] };

interface Watched {
  readonly identity: ClusterIdentity;
  readonly watch: ClusterWatch;
  readonly logged: string[];
}

function watchWith(t: TestContext, config: KubeConfig): Watched {
  const api = new KubernetesApi(config);
  const identity = new ClusterIdentity(3_600_000);
  const logged: string[] = [];
  const watch = watchCluster({
    api,
    identity,
    now: Date.now,
    log: (_level, sentence) => logged.push(sentence),
  });
  t.after(async () => {
    await watch.stop();
    api.close();
  });
  return { identity, watch, logged };
}

async function namespaceFor(t: TestContext, core: CoreV1Api): Promise<string> {
  const namespace = `whotalks-test-${randomBytes(4).toString("hex")}`;
  await core.createNamespace({
    body: { metadata: { name: namespace, labels: { purpose: "whotalks-test" } } },
  });
  t.after(() => core.deleteNamespace({ name: namespace }));
  return namespace;
}

async function giveAddress(core: CoreV1Api, namespace: string, name: string, ip: string): Promise<void> {
  const body = { status: { phase: "Running", podIP: ip, podIPs: [{ ip }] } };
  const options = setHeaderOptions("Content-Type", "application/merge-patch+json");
  await core.patchNamespacedPodStatus({ namespace, name, body }, options);
}

test("a Deployment's pod, its service and its end are followed", { skip }, async (t) => {
  const config = loadKubeConfig({ environment: process.env });
  const core = config.makeApiClient(CoreV1Api);
  const namespace = await namespaceFor(t, core);
  const { identity, watch } = watchWith(t, config);
  await watch.synced;
  assert.deepEqual(watch.limits(), []);

  const labels = { app: "web" };
  const template = { metadata: { labels }, spec: { ...gate, containers: [container] } };
  await config.makeApiClient(AppsV1Api).createNamespacedDeployment({
    namespace,
    body: { metadata: { name: "web" }, spec: { replicas: 1, selector: { matchLabels: labels }, template } },
  });
  const pod = await until(
    "the Deployment's pod",
    async () => (await core.listNamespacedPod({ namespace })).items[0],
  );
  const uid = pod.metadata!.uid!;
  const name = pod.metadata!.name!;
  await giveAddress(core, namespace, name, podIp);
  await until("the pod's address", () => identity.addressOwner(podIp, Date.now()).kind === "pod");
  await until("the owner", () => identity.pod(uid)?.workload.kind === "Deployment");
  assert.deepEqual(identity.pod(uid)?.workload, { kind: "Deployment", name: "web" });

  const hadItMs = Date.now();
  const service = await core.createNamespacedService({
    namespace,
    body: { metadata: { name: "web" }, spec: { ports: [{ name: "http", port: 80, targetPort: "http" }] } },
  });
  const clusterIp = service.spec!.clusterIP!;
  await config.makeApiClient(DiscoveryV1Api).createNamespacedEndpointSlice({
    namespace,
    body: {
      metadata: { name: "web-test", labels: { "kubernetes.io/service-name": "web" } },
      addressType: "IPv4",
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
      endpoints: [{ addresses: [podIp], targetRef: { kind: "Pod", uid, name, namespace } }],
    },
  });
  const front = await until("the service", () => {
    const found = identity.serviceFront(clusterIp, 80, "tcp", Date.now());
    return found?.hasBackend(podIp, 8080) === true && found;
  });
  assert.deepEqual([front.namespace, front.name], [namespace, "web"]);
  const declaration = identity.declaration(uid, 8080, "tcp");
  assert.deepEqual(declaration, { declared: true, services: [{ namespace, name: "web" }] });

  await config.makeApiClient(AppsV1Api).deleteNamespacedDeployment({ namespace, name: "web" });
  const noGrace = { namespace, name, gracePeriodSeconds: 0 };
  await core.deleteNamespacedPod(noGrace).catch(() => undefined);
  await until("the pod's end", () => identity.addressOwner(podIp, Date.now()).kind === "unknown");
  assert.equal(identity.addressOwner(podIp, hadItMs).kind, "pod");
  assert.equal(identity.addressOwner(podIp, pod.metadata!.creationTimestamp!.getTime() - 1).kind, "unknown");
  assert.equal(identity.pod(uid)?.workload.name, "web");
});

test(
  "what changes while the API server is away is known when it is back, and both are said once",
  { skip },
  async (t) => {
    const direct = loadKubeConfig({ environment: process.env });
    const core = direct.makeApiClient(CoreV1Api);
    const namespace = await namespaceFor(t, core);
    const spec = { ...gate, containers: [container] };
    await core.createNamespacedPod({ namespace, body: { metadata: { name: "first" }, spec } });
    await giveAddress(core, namespace, "first", podIp);

    const proxy = await Proxy.start(t, direct);
    const { identity, watch, logged } = watchWith(t, proxy.config);
    await watch.synced;
    assert.equal(identity.addressOwner(podIp, Date.now()).kind, "pod");

    proxy.cut();
    await until("the outage", () => logged.length > 0);
    const duringOutage = Date.now();
    await core.deleteNamespacedPod({ namespace, name: "first", gracePeriodSeconds: 0 });
    await core.createNamespacedPod({ namespace, body: { metadata: { name: "second" }, spec } });
    await giveAddress(core, namespace, "second", nextIp);
    assert.equal(identity.addressOwner(podIp, Date.now()).kind, "pod");
    assert.ok(watch.states().get("pods")!.ageMs > 0);

    proxy.mend();
    await until(
      "the end of the first pod",
      () => identity.addressOwner(podIp, Date.now()).kind === "unknown",
    );
    await until("the second pod", () => identity.addressOwner(nextIp, Date.now()).kind === "pod");
    await until("all watches", () => [...watch.states().values()].every(({ ageMs }) => ageMs === 0));
    assert.equal(identity.addressOwner(podIp, duringOutage).kind, "pod");
    await until("the all-clear", () => logged.length === 2);
    assert.match(logged[0]!, /^cannot follow \w+, going on with what is known: cannot reach the API server/);
    assert.equal(logged[1], "the API server is followed again");
  },
);

test(
  "what is forbidden is said by verb and resource, the rest goes on, and a grant is taken up",
  { skip },
  async (t) => {
    const admin = loadKubeConfig({ environment: process.env });
    const core = admin.makeApiClient(CoreV1Api);
    const rbac = admin.makeApiClient(RbacAuthorizationV1Api);
    const namespace = await namespaceFor(t, core);
    await core.createNamespacedServiceAccount({ namespace, body: { metadata: { name: "reader" } } });
    const rules = [
      { apiGroups: [""], resources: ["pods", "services", "nodes"], verbs: ["list", "watch"] },
      { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"] },
      { apiGroups: ["batch"], resources: ["jobs"], verbs: ["list", "watch"] },
      { apiGroups: ["node.k8s.io"], resources: ["runtimeclasses"], verbs: ["list", "watch"] },
    ];
    await rbac.createClusterRole({ body: { metadata: { name: namespace }, rules } });
    t.after(() => rbac.deleteClusterRole({ name: namespace }));
    await rbac.createClusterRoleBinding({
      body: {
        metadata: { name: namespace },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: namespace },
        subjects: [{ kind: "ServiceAccount", name: "reader", namespace }],
      },
    });
    t.after(() => rbac.deleteClusterRoleBinding({ name: namespace }));
    const request = { namespace, name: "reader", body: { spec: { audiences: [], expirationSeconds: 600 } } };
    const token = (await core.createNamespacedServiceAccountToken(request)).status?.token ?? "";
    const config = new KubeConfig();
    config.loadFromClusterAndUser(admin.getCurrentCluster()!, { name: "reader", token });

    const { identity, watch, logged } = watchWith(t, config);
    await watch.synced;
    assert.equal(identity.addressOwner("203.0.113.10", Date.now()).kind, "external");
    assert.deepEqual(watch.limits(), logged);
    assert.equal(logged.length, 1);
    assert.match(logged[0]!, /^may not list replicasets\.apps: .*grant list and watch on replicasets\.apps/);

    const granted = [...rules, { apiGroups: ["apps"], resources: ["replicasets"], verbs: ["list", "watch"] }];
    await rbac.replaceClusterRole({
      name: namespace,
      body: { metadata: { name: namespace }, rules: granted },
    });
    await until("the grant", () => watch.limits().length === 0);
    assert.equal(logged[1], "may list and watch replicasets.apps now");
  },
);

// A proxy to the API server whose connections can be cut.
class Proxy {
  readonly config = new KubeConfig();
  readonly #sockets = new Set<Socket>();
  #isCut = false;

  static async start(t: TestContext, direct: KubeConfig): Promise<Proxy> {
    const proxy = new Proxy();
    const target = new URL(direct.getCurrentCluster()!.server);
    const server = createServer((socket) => proxy.#carry(socket, target));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    // The certificate is for the server's own address; this test does not check certificates.
    const cluster = { name: "proxy", server: `https://127.0.0.1:${port}`, skipTLSVerify: true };
    proxy.config.loadFromClusterAndUser(cluster, direct.getCurrentUser()!);
    t.after(() => {
      proxy.cut();
      server.close();
    });
    return proxy;
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  #carry(socket: Socket, target: URL): void {
    if (this.#isCut) {
      socket.destroy();
      return;
    }
    const far = connect(
      Number(target.port === "" ? 443 : target.port),
      target.hostname.replace(/^\[|\]$/g, ""),
    );
    for (const [end, other] of [
      [socket, far],
      [far, socket],
    ] as const) {
      this.#sockets.add(end);
      end.pipe(other);
      end.on("error", () => other.destroy());
      end.on("close", () => {
        this.#sockets.delete(end);
        other.destroy();
      });
    }
  }
}
