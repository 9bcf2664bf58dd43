// Many pods at once: a Deployment scales up to 60 pods and down to 3.

import assert from "node:assert/strict";
import { type Connection, connectionsOf, coverage, shown } from "../answer.ts";
import { claim } from "../claim.ts";
import { apply, kubectl, kubectlJson } from "../command.ts";
import { always, eventually } from "../../../lib/testing/eventually.ts";
import { client, deployment, pod, ready, server, service } from "../workload.ts";

const many = 60;
const few = 3;
const openMs = 60_000;

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
    readonly status: { readonly podIP?: string };
  }[];
}

claim(
  180,
  "60 pods of one Deployment up, then down to 3: every connection with the right pod",
  async (scene) => {
    const { t, namespace, nodes } = scene;
    await apply([
      pod(namespace, "web", {}, server("web", 8080)),
      service(namespace, "web", 8080),
      deployment(namespace, "swarm", few, {}, client("swarm", { host: "web", port: 8080 })),
    ]);
    await ready(namespace, "web");
    const scale = async (replicas: number): Promise<void> => {
      await kubectl("scale", "-n", namespace, "deployment/swarm", `--replicas=${replicas}`);
      await kubectl("rollout", "status", "-n", namespace, "deployment/swarm", "--timeout=180s");
    };
    await scale(many);
    const owners = await addressOwners(namespace, many);
    await eventually(60_000, async () => proveRight(await connectionsOf(namespace), owners));
    await always(openMs, async () => proveRight(await connectionsOf(namespace), owners));
    t.diagnostic(`${many} connections stayed right for ${openMs / 1000} s`);
    assert.equal((await coverage()).length, nodes.length);
    await scale(few);
    const left = await addressOwners(namespace, few);
    await eventually(60_000, async () => {
      const answer = await connectionsOf(namespace);
      proveRight(answer, left);
      // Closed connections keep their owners.
      for (const one of answer.filter((each) => each.closed === true && each.server.pod === "web")) {
        assert.equal(one.client.pod, owners.get(one.client.ip ?? "") ?? one.client.pod, shown(one));
      }
    });
  },
);

/**
 * Asserts that every address has exactly one open connection, of its own pod, and that there are no others.
 */
function proveRight(answer: readonly Connection[], owners: ReadonlyMap<string, string>): void {
  const open = answer.filter(
    (one) => one.server.pod === "web" && one.closed !== true && one.state === "ESTABLISHED",
  );
  const lines = open.map(shown).join("\n");
  for (const [address, name] of owners) {
    const found = open.filter((one) => one.client.ip === address);
    assert.deepEqual([found.length, found[0]?.client.pod], [1, name], `${address}:\n${lines}`);
    assert.deepEqual(found[0]?.client.workload, { kind: "Deployment", name: "swarm" }, lines);
  }
  assert.equal(open.length, owners.size, lines);
}

/** Returns the owners of addresses, once the expected number of pods runs. */
function addressOwners(namespace: string, count: number): Promise<Map<string, string>> {
  return eventually(120_000, async () => {
    const { items } = await kubectlJson<PodList>("get", "pods", "-n", namespace, "-l", "app=swarm");
    const running = items.filter((each) => each.metadata.deletionTimestamp === undefined);
    const owners = new Map(running.map((each) => [each.status.podIP ?? "", each.metadata.name]));
    assert.deepEqual([items.length, owners.size, owners.has("")], [count, count, false]);
    return owners;
  });
}
