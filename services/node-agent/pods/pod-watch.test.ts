// Runs against a real API server, the one in $KUBECONFIG; faults that a real one does not produce on request
// are tested with lists and watches (lib/kubernetes).

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test, type TestContext } from "node:test";
import { KubeConfig } from "@kubernetes/client-node/dist/config.js";
import { KubernetesApi } from "../../../lib/kubernetes/kubernetes-api.ts";
import { loadKubeConfig } from "../../../lib/kubernetes/kube-config.ts";
import { until } from "../../../lib/testing/eventually.ts";
import { silentLog } from "../../../lib/testing/silent-log.ts";
import { PodTable } from "./pod-table.ts";
import { PodWatch } from "./pod-watch.ts";

const options = { skip: clusterMissing() ?? false, timeout: 60_000 };

function clusterMissing(): string | null {
  if (process.env["KUBECONFIG"] === undefined) return "KUBECONFIG names no cluster";
  try {
    kubectl("get", "--raw", "/readyz", "--request-timeout=3s");
    return null;
  } catch {
    return "kubectl reaches no cluster";
  }
}

function kubectl(...args: string[]): string {
  return execFileSync("kubectl", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}

function namespace(t: TestContext): string {
  const name = `whotalks-test-${process.pid}-${Math.round(performance.now())}`;
  kubectl("create", "namespace", name);
  t.after(() => kubectl("delete", "namespace", name, "--wait=false"));
  return name;
}

function watch(t: TestContext, api: KubernetesApi, node: string): { pods: PodTable; watch: PodWatch } {
  const pods = new PodTable(() => performance.now());
  const made = new PodWatch(api, node, pods, silentLog);
  t.after(async () => {
    await made.stop();
    api.close();
  });
  return { pods, watch: made };
}

test("a node's pods come and go, and no other node's", options, async (t) => {
  const inNamespace = namespace(t);
  const node = kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}");
  const { pods, watch: watching } = watch(
    t,
    new KubernetesApi(loadKubeConfig({ environment: process.env })),
    node,
  );
  await watching.settled;
  const create = (name: string, nodeName: string): void => {
    const spec = {
      nodeName,
      containers: [{ name: "main", image: "none.invalid/none:1", imagePullPolicy: "Never" }],
    };
    const overrides = JSON.stringify({ spec });
    kubectl("run", name, "-n", inNamespace, "--image=none.invalid/none:1", `--overrides=${overrides}`);
  };
  create("here", node);
  create("elsewhere", "no-such-node");
  const named = (name: string) =>
    pods.all().find((pod) => pod.name === name && pod.namespace === inNamespace);
  await until("the pod is known", () => named("here") !== undefined);
  assert.deepEqual(
    named("here")!.containers.map(({ name, image }) => [name, image]),
    [["main", "none.invalid/none:1"]],
  );
  assert.equal(named("here")!.ended, 0);
  kubectl("delete", "pod", "here", "-n", inNamespace, "--grace-period=0", "--force");
  await until("its end is known", () => named("here")!.ended > 0);
  assert.equal(named("elsewhere"), undefined);
  assert.equal(watching.state.ageMs, 0);
  assert.deepEqual(watching.limits(), []);
});

test("missing permissions are reported with verb and resource", options, async (t) => {
  const inNamespace = namespace(t);
  await until("the namespace has its service account", () => {
    try {
      return kubectl("get", "serviceaccount", "default", "-n", inNamespace) !== "";
    } catch {
      return false;
    }
  });
  const token = kubectl("create", "token", "default", "-n", inNamespace).trim();
  const config = new KubeConfig();
  const cluster = loadKubeConfig({ environment: process.env }).getCurrentCluster()!;
  config.loadFromClusterAndUser(cluster, { name: "nobody", token });
  const { watch: watching } = watch(t, new KubernetesApi(config), "n");
  await until("the refusal is told", () => watching.limits().length > 0);
  assert.match(watching.limits()[0]!, /needs the verb "list" on the resource "pods".*no pods are known/);
});
