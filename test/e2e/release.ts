// Installs and uninstalls the product with Helm, as documented, without values.

import path from "node:path";
import type { Lifetime } from "./claim.ts";
import { kubectl, kubectlJson, must, run } from "./command.ts";
import { environment, repository } from "./environment.ts";
import { eventually } from "../../lib/testing/eventually.ts";

const chart = path.join(repository, "charts/whotalks");
const { namespace, release } = environment;

/** Whether a release of this name exists. */
export async function isInstalled(): Promise<boolean> {
  return (await run("helm", ["status", release, "-n", namespace])).status === 0;
}

/** `helm install … --wait`, without values. */
export async function install(...args: readonly string[]): Promise<void> {
  await must("helm", ["install", release, chart, "-n", namespace, "--create-namespace", "--wait", ...args]);
}

/** `helm upgrade … --wait`. */
export async function upgrade(...args: readonly string[]): Promise<void> {
  await must("helm", ["upgrade", release, chart, "-n", namespace, "--wait", ...args]);
}

/** Runs the release with these values (`key=value`) until the claims end; all agents restart at once. */
export async function upgradeWhile(lifetime: Lifetime, ...values: readonly string[]): Promise<void> {
  const all = [...values, "agent.updateStrategy.rollingUpdate.maxUnavailable=100%"];
  lifetime.after(() => upgrade("--reset-values"));
  await upgrade(...all.flatMap((value) => ["--set", value]));
}

/** Installs the product if necessary, so that each claim can run alone. */
export async function ensureInstalled(): Promise<void> {
  if (!(await isInstalled())) await install();
}

/** `helm uninstall … --wait`, and removes the namespace, which Helm leaves. */
export async function uninstall(): Promise<void> {
  await must("helm", ["uninstall", release, "-n", namespace, "--wait", "--ignore-not-found"]);
  await kubectl("delete", "namespace", namespace, "--ignore-not-found");
}

/** Names of the component's pods that are not terminating, oldest first, with their nodes. */
export async function podsOf(component: "agent" | "aggregator" | "nats"): Promise<ProductPod[]> {
  const selector = `app.kubernetes.io/name=whotalks,app.kubernetes.io/component=${component}`;
  const { items } = await kubectlJson<PodList>("get", "pods", "-n", namespace, "-l", selector);
  return items
    .filter((pod) => pod.metadata.deletionTimestamp === undefined)
    .map((pod) => ({ name: pod.metadata.name, node: pod.spec.nodeName ?? "", ready: isReady(pod) }));
}

/** A pod of the product. */
export interface ProductPod {
  readonly name: string;
  readonly node: string;
  readonly ready: boolean;
}

interface PodList {
  readonly items: readonly PodObject[];
}

interface PodObject {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

function isReady(pod: PodObject): boolean {
  return (pod.status.conditions ?? []).some(({ type, status }) => type === "Ready" && status === "True");
}

/** Waits until this many pods of the component are ready, none of them among `gone`. */
export async function replaced(
  component: "agent" | "aggregator" | "nats",
  count: number,
  gone: readonly string[],
): Promise<void> {
  await eventually(90_000, async () => {
    const pods = await podsOf(component);
    const fresh = pods.filter((pod) => pod.ready && !gone.includes(pod.name));
    if (fresh.length !== count) throw new Error(`${fresh.length} of ${count} ${component} pods are ready`);
  });
}

/** Waits until all three components are ready, after a restart that keeps names. */
export async function allReady(): Promise<void> {
  for (const name of [
    `daemonset/${release}-agent`,
    `statefulset/${release}-nats`,
    `deployment/${release}-aggregator`,
  ]) {
    await kubectl("rollout", "status", "-n", namespace, name, "--timeout=120s");
  }
}
