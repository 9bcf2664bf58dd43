// The frame of a claim: a numbered sentence about the product that is true on a real cluster, with a namespace
// of its own for its workloads.

import assert from "node:assert/strict";
import { after, test, type TestContext } from "node:test";
import { apply, kubectl, kubectlJson, run } from "./command.ts";
import { type Connection, shown } from "./answer.ts";
import { ensureInstalled } from "./release.ts";
import { type OwnConnection } from "./truth.ts";

/** What a claim has to work with. */
export interface Scene {
  readonly t: TestContext;
  /** A namespace of its own, removed afterwards. */
  readonly namespace: string;
  /** Names of the nodes that pods can run on, at least one. */
  readonly nodes: readonly string[];
}

/** Whatever ends: a claim, or all those of a file. */
export interface Lifetime {
  after(done: () => unknown): void;
}

const claimTimeoutMs = 420_000;

/** States one claim. `installed: false` for claims that install the product themselves. */
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

/** Where several claims of a file have their workloads together. */
export interface Stage extends Lifetime {
  readonly namespace: string;
  readonly nodes: readonly string[];
}

/**
 * Workloads that all claims of a file look at: the first claim that runs makes them, and they go with the last
 * one. Gives what states such a claim.
 */
export function stage<Made>(
  number: number,
  make: (stage: Stage) => Promise<Made>,
): (number: number, sentence: string, prove: (made: Made, t: TestContext) => Promise<void>) => void {
  let made: Promise<Made> | undefined;
  const endings: (() => unknown)[] = [];
  after(() => Promise.all(endings.map((end) => end()))); // Called within a test it would mean the end of that test.
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

/** A namespace of its own, as long as this lives. */
async function ownNamespace(number: number, lifetime: Lifetime): Promise<string> {
  const namespace = `whotalks-e2e-${number}`;
  await kubectl("delete", "namespace", namespace, "--ignore-not-found"); // what an interrupted run left
  const labels = { "pod-security.kubernetes.io/enforce": "privileged" };
  await apply([{ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace, labels } }]);
  lifetime.after(() =>
    run("kubectl", ["delete", "namespace", namespace, "--wait=false", "--ignore-not-found"]),
  );
  return namespace;
}

/** Names of the nodes that pods of the claims may run on: workers first. */
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

/** The two nodes that a claim about two nodes needs, or undefined after having skipped it. */
export function twoNodes({ t, nodes }: Scene): [string, string] | undefined {
  const [first, second] = nodes;
  if (first !== undefined && second !== undefined) return [first, second];
  t.skip("the cluster has one node");
  return undefined;
}

/** The connections in the answer whose client end is this one. */
export function withClient(answer: readonly Connection[], own: OwnConnection): Connection[] {
  return answer.filter(
    ({ client, closed }) => client.ip === own.ip && client.port === own.port && closed !== true,
  );
}

/** Who both ends must be. */
export interface Ends {
  readonly client: { readonly pod: string; readonly container?: string };
  readonly server: { readonly pod: string; readonly container?: string };
}

/** Asserts that each of the client's connections is in the answer exactly once, between these two. */
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
