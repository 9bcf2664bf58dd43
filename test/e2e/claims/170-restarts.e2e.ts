// Nothing is lost silently: agents, NATS and the aggregator are killed while workloads talk.

import assert from "node:assert/strict";
import { connectionsOf, coverage, shown } from "../answer.ts";
import { assertEachOnce, claim, type Scene } from "../claim.ts";
import { apply, kubectl } from "../command.ts";
import { environment } from "../environment.ts";
import { eventually } from "../../../lib/testing/eventually.ts";
import { allReady, podsOf, replaced } from "../release.ts";
import { openConnections, pastConnections } from "../truth.ts";
import { client, pod, ready, server, service, type Target } from "../workload.ts";

const steady = 5;
const churnLifeMs = 3000;

/** What a client did must be in the answers after this time: some passes, and the way through NATS. */
const settleMs = 8000;

/** Starts a client with steady connections, and, if `livesMs` is given, one with short-lived ones. */
async function talk({ namespace, nodes }: Scene, ...more: readonly Target[]): Promise<void> {
  await apply([
    pod(namespace, "web", { node: nodes.at(-1) ?? "" }, server("web", 8080)),
    service(namespace, "web", 8080),
    pod(
      namespace,
      "shop",
      { node: nodes[0] ?? "" },
      client("shop", { host: "web", port: 8080, count: steady }),
    ),
    pod(namespace, "churn", { node: nodes[0] ?? "" }, client("churn", ...more)),
  ]);
  await ready(namespace, "web", "shop", "churn");
}

/** Asserts that each steady connection is shown exactly once, with both ends. */
async function proveSteady(namespace: string): Promise<void> {
  const truth = await openConnections(namespace, "shop", "shop");
  assert.equal(truth.length, steady);
  assertEachOnce(await connectionsOf(namespace), truth, { client: { pod: "shop" }, server: { pod: "web" } });
}

/** Asserts that coverage has every node, read recently. */
async function proveCovered(nodes: readonly string[]): Promise<void> {
  const covered = await coverage();
  assert.deepEqual(covered.map((each) => each.node).toSorted(), [...nodes].toSorted());
  for (const each of covered) assert.ok((each.ageMs ?? Infinity) < 10_000, JSON.stringify(each));
}

claim(
  170,
  "an agent that is killed comes back, and no connection is lost or doubled by it",
  async (scene) => {
    const { namespace, nodes } = scene;
    await talk(scene);
    await eventually(30_000, () => proveSteady(namespace));
    const killed = (await podsOf("agent"))
      .filter((agent) => agent.node === nodes[0])
      .map((agent) => agent.name);
    assert.equal(killed.length, 1);
    await kubectl("delete", "pod", "-n", environment.namespace, ...killed, "--grace-period=0", "--force");
    await replaced("agent", nodes.length, killed);
    await eventually(30_000, async () => {
      await proveCovered(nodes);
      await proveSteady(namespace);
    });
  },
);

claim(171, "NATS restarted under load: no connection is lost, doubled or left open by it", async (scene) => {
  const { t, namespace, nodes } = scene;
  await talk(scene, { host: "web", port: 8080, count: 20, livesMs: churnLifeMs });
  await eventually(30_000, () => proveSteady(namespace));
  const servers = (await podsOf("nats")).map((each) => each.name);
  const killedMs = Date.now();
  await kubectl("delete", "pod", "-n", environment.namespace, ...servers, "--grace-period=1");
  await allReady();
  await eventually(60_000, async () => {
    await proveCovered(nodes);
    await proveSteady(namespace);
    const { connections, lastMs } = await pastConnections(namespace, "churn", "churn");
    const answer = (await connectionsOf(namespace)).filter((one) => one.client.pod === "churn");
    const settled = connections.filter(({ openedMs }) => openedMs < lastMs - settleMs);
    const during = settled.filter(({ openedMs }) => openedMs > killedMs - churnLifeMs);
    assert.ok(during.length >= 60, `only ${during.length} connections were opened since NATS was killed`);
    const missing = settled.filter((own) => !answer.some(({ client: from }) => from.port === own.port));
    const share = `${missing.length} of ${settled.length} are missing`;
    // Missing connections must be reported: as lost reports, or as connections that the kernel counted but no
    // agent saw.
    const reported = (await coverage()).some(
      (each) => (each.gaps ?? 0) > 0 || (each.unseen ?? 0) >= missing.length,
    );
    assert.ok(missing.length === 0 || reported, `${share}, and nothing says so`);
    assert.ok(missing.length <= settled.length / 10, share);
    const ended = settled.filter(({ closedMs }) => (closedMs ?? Infinity) < lastMs - settleMs);
    const endedPorts = new Set(ended.map((own) => own.port));
    const stale = answer.filter(
      (one) => one.closed !== true && one.state === "ESTABLISHED" && endedPorts.has(one.client.port ?? 0),
    );
    assert.deepEqual(stale.map(shown), [], "shown as open though they ended");
    t.diagnostic(`${settled.length} connections, ${during.length} around the restart: ${share}`);
  });
});

claim(
  172,
  "an aggregator that is restarted knows what was known, and names pods deleted meanwhile",
  async (scene) => {
    const { namespace, nodes } = scene;
    await talk(scene);
    await apply([
      pod(namespace, "gone", { node: nodes[0] ?? "" }, client("gone", { host: "web", port: 8080, count: 2 })),
    ]);
    await ready(namespace, "gone");
    const past = await eventually(30_000, async () => {
      await proveSteady(namespace);
      const truth = await openConnections(namespace, "gone", "gone");
      assertEachOnce(await connectionsOf(namespace), truth, {
        client: { pod: "gone" },
        server: { pod: "web" },
      });
      return truth;
    });
    const deployment = `deployment/${environment.release}-aggregator`;
    const scale = (replicas: number): Promise<string> =>
      kubectl("scale", "-n", environment.namespace, deployment, `--replicas=${replicas}`);
    await scale(0);
    await eventually(60_000, async () => assert.deepEqual(await podsOf("aggregator"), []));
    await kubectl("delete", "pod", "-n", namespace, "gone", "--wait=true");
    await scale(1);
    await allReady();
    await eventually(30_000, async () => {
      await proveCovered(nodes);
      await proveSteady(namespace);
      const answer = await connectionsOf(namespace);
      for (const own of past) {
        const found = answer.filter(({ client: from }) => from.ip === own.ip && from.port === own.port);
        const lines = answer.map(shown).join("\n");
        assert.deepEqual(
          [found.length, found[0]?.client.pod, found[0]?.server.pod, found[0]?.closed],
          [1, "gone", "web", true],
          lines,
        );
      }
    });
  },
);
