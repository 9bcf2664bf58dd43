// The frame of a claim: a numbered sentence about the product that holds on a real cluster, with its own
// namespace for workloads.

import assert from "node:assert/strict";
import { after, test, type TestContext } from "node:test";
import { apply, kubectl, kubectlJson, run } from "./command.ts";
import { type Connection, shown } from "./answer.ts";
import { ensureInstalled } from "./release.ts";
import { type OwnConnection } from "./truth.ts";

/** What a claim works with. */
export interface Scene {
  readonly t: TestContext;
  /** The claim's own namespace, removed afterwards. */
  readonly namespace: string;
  /** Names of the nodes that pods can run on, at least one. */
  readonly nodes: readonly string[];
}

/** Anything that ends: a claim, or all claims of a file. */
export interface Lifetime {
  after(done: () => unknown): void;
}

const claimTimeoutMs = 420_000;

/** Declares one claim. `installed: false` is for claims that install the product themselves. */
export function claim(
  number: number,
  sentence: string,
  prove: (scene: Scene) => Promise<void>,
  options: { readonly installed?: boolean } = {},
): void {
  void test(`${number} ${sentence}`, { timeout: claimTimeoutMs }, async (t) => {
    const namespace = await ownNamespace(number, t);
    if (options.installed !== false) await ensureInstalled();
    await prove({ t, namespace, nodes: await schedulableNodes() });
  });
}

/** The shared workloads of several claims in a file. */
export interface Stage extends Lifetime {
  readonly namespace: string;
  readonly nodes: readonly string[];
}

/**
 * Workloads shared by all claims of a file: the first claim that runs creates them, and they are removed after
 * the last one. Returns a function that declares such a claim.
 */
export function stage<Made>(
  number: number,
  make: (stage: Stage) => Promise<Made>,
): (number: number, sentence: string, prove: (made: Made, t: TestContext) => Promise<void>) => void {
  let made: Promise<Made> | undefined;
  const endings: (() => unknown)[] = [];
  after(() => Promise.all(endings.map((end) => end()))); // Within a test it would be bound to that test.
  const lifetime: Lifetime = { after: (done) => endings.push(done) };
  const begin = async (): Promise<Made> => {
    const namespace = await ownNamespace(number, lifetime);
    await ensureInstalled();
    return make({ ...lifetime, namespace, nodes: await schedulableNodes() });
  };
  return (claimNumber, sentence, prove) => {
    void test(`${claimNumber} ${sentence}`, { timeout: claimTimeoutMs }, async (t) => {
      made ??= begin();
      await prove(await made, t);
    });
  };
}

/** Creates a namespace that is removed when the lifetime ends. */
async function ownNamespace(number: number, lifetime: Lifetime): Promise<string> {
  const namespace = `whotalks-e2e-${number}`;
  await kubectl("delete", "namespace", namespace, "--ignore-not-found"); // left by an interrupted run
  const labels = { "pod-security.kubernetes.io/enforce": "privileged" };
  await apply([{ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace, labels } }]);
  lifetime.after(() =>
    run("kubectl", ["delete", "namespace", namespace, "--wait=false", "--ignore-not-found"]),
  );
  return namespace;
}

/** Names of the nodes that the claims' pods may run on: workers first. */
async function schedulableNodes(): Promise<string[]> {
  const { items } = await kubectlJson<NodeList>("get", "nodes");
  return items
    .filter((node) => node.spec.unschedulable !== true)
    .toSorted((a, b) => Number(isControlPlane(a)) - Number(isControlPlane(b)))
    .map((node) => node.metadata.name);
}

function isControlPlane(node: NodeObject): boolean {
  return node.metadata.labels?.["node-role.kubernetes.io/control-plane"] !== undefined;
}

interface NodeObject {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec: { readonly unschedulable?: boolean };
}

interface NodeList {
  readonly items: readonly NodeObject[];
}

/** The two nodes for a claim about two nodes; undefined if there are fewer, after skipping the claim. */
export function twoNodes({ t, nodes }: Scene): [string, string] | undefined {
  const [first, second] = nodes;
  if (first !== undefined && second !== undefined) return [first, second];
  t.skip("the cluster has one node");
  return undefined;
}

/** The connections in the answer with this client end. */
export function withClient(answer: readonly Connection[], own: OwnConnection): Connection[] {
  return answer.filter(
    ({ client, closed }) => client.ip === own.ip && client.port === own.port && closed !== true,
  );
}

/** The expected ends. */
export interface Ends {
  readonly client: { readonly pod: string; readonly container?: string };
  readonly server: { readonly pod: string; readonly container?: string };
}

/** Asserts that each of the client's connections is in the answer exactly once, between these two ends. */
export function assertEachOnce(
  answer: readonly Connection[],
  truth: readonly OwnConnection[],
  ends: Ends,
): void {
  assert.ok(truth.length > 0, "the client has no connection yet");
  for (const own of truth) {
    const found = withClient(answer, own);
    const lines = found.map(shown).join("\n");
    assert.equal(found.length, 1, `${own.ip}:${own.port} is shown ${found.length} times:\n${lines}`);
    const [only] = found;
    assert.equal(only?.client.pod, ends.client.pod, lines);
    assert.equal(only?.server.pod, ends.server.pod, lines);
    if (ends.client.container !== undefined)
      assert.equal(only?.client.container, ends.client.container, lines);
    if (ends.server.container !== undefined)
      assert.equal(only?.server.container, ends.server.container, lines);
    assert.deepEqual([only?.protocol, only?.state], ["tcp", "ESTABLISHED"], lines);
  }
  const between = answer.filter(
    ({ client, server, closed }) =>
      client.pod === ends.client.pod &&
      server.pod === ends.server.pod &&
      (ends.client.container === undefined || client.container === ends.client.container) &&
      (ends.server.container === undefined || server.container === ends.server.container) &&
      closed !== true,
  );
  assert.equal(between.length, truth.length, `more than there are:\n${between.map(shown).join("\n")}`);
}
