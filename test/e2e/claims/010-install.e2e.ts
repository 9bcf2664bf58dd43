// A user's first minutes: installation without values, a right answer within seconds, and a harmless upgrade.

import assert from "node:assert/strict";
import { connectionsOf, coverage, edgesOf, listenersOf } from "../answer.ts";
import { assertEachOnce, claim } from "../claim.ts";
import { apply, kubectlJson, must } from "../command.ts";
import { environment } from "../environment.ts";
import { eventually } from "../../../lib/testing/eventually.ts";
import { install, isInstalled, podsOf, uninstall, upgrade } from "../release.ts";
import { openConnections } from "../truth.ts";
import { client, pod, ready, server, service } from "../workload.ts";

/** From the start of `helm install` to the first right answer, with images already on the nodes. */
const firstAnswerMsMax = 20_000;

claim(
  10,
  "after helm install with no values the first right answer comes within 20 s",
  async ({ t, namespace, nodes }) => {
    if (environment.reuse) return t.skip("E2E_REUSE=1: the release that is there is used");
    if (await isInstalled()) await uninstall();
    await apply([
      pod(namespace, "web", { node: nodes.at(-1) ?? "" }, server("web", 8080)),
      service(namespace, "web", 8080),
      pod(namespace, "shop", { node: nodes[0] ?? "" }, client("shop", { host: "web", port: 8080, count: 2 })),
    ]);
    await ready(namespace, "web", "shop");
    const truth = await eventually(30_000, async () => {
      const open = await openConnections(namespace, "shop", "shop");
      assert.equal(open.length, 2);
      return open;
    });
    const start = performance.now();
    await install();
    const installedMs = performance.now() - start;
    await eventually(firstAnswerMsMax, async () => {
      const ends = { client: { pod: "shop" }, server: { pod: "web" } };
      assertEachOnce(await connectionsOf(namespace), truth, ends);
    });
    const answeredMs = performance.now() - start;
    t.diagnostic(
      `helm install took ${(installedMs / 1000).toFixed(1)} s, the answer came after ${(answeredMs / 1000).toFixed(1)} s`,
    );
    assert.ok(answeredMs <= firstAnswerMsMax, `it took ${Math.round(answeredMs)} ms`);
    return undefined;
  },
  { installed: false },
);

claim(11, "coverage names every node, none with a namespace that could not be read", async ({ t, nodes }) => {
  const agents = await podsOf("agent");
  assert.deepEqual(
    agents.map((agent) => agent.node).toSorted(),
    [...nodes].toSorted(),
    "an agent on each node",
  );
  await eventually(30_000, async () => {
    const covered = await coverage();
    assert.deepEqual(covered.map((each) => each.node).toSorted(), [...nodes].toSorted());
    for (const each of covered) {
      assert.equal(each.namespacesFailed ?? 0, 0, JSON.stringify(each));
      assert.ok((each.namespaces ?? 0) >= 1, JSON.stringify(each));
      assert.ok((each.ageMs ?? Infinity) < 15_000, JSON.stringify(each));
    }
    t.diagnostic(`${covered.length} of ${nodes.length} nodes`);
  });
});

claim(12, "edges and listeners name the workloads", async ({ namespace }) => {
  await apply([
    pod(namespace, "db", { labels: { "app.kubernetes.io/name": "database" } }, server("db", 5432)),
    service(namespace, "db", 5432),
    pod(namespace, "api", {}, client("api", { host: "db", port: 5432, count: 3 })),
  ]);
  await ready(namespace, "db", "api");
  await eventually(30_000, async () => {
    // Attempts before the Service had endpoints are separate edges.
    const edges = (await edgesOf(namespace)).filter(
      ({ port, outcome }) => port === 5432 && outcome === "established",
    );
    assert.equal(edges.length, 1, JSON.stringify(edges));
    const [edge] = edges;
    assert.deepEqual([edge?.client.workload?.name, edge?.server.workload?.name], ["api", "database"]);
    assert.deepEqual([edge?.protocol, edge?.open], ["tcp", 3]);
    const listeners = (await listenersOf(namespace)).filter((listener) => listener.port === 5432);
    assert.deepEqual(
      listeners.map((listener) => listener.endpoint.pod),
      ["db"],
    );
  });
});

claim(13, "helm test passes", async () => {
  await must("helm", ["test", environment.release, "-n", environment.namespace, "--timeout", "90s"]);
});

claim(14, "an upgrade keeps NATS's credentials and the agents' connections", async ({ t, nodes }) => {
  if (environment.reuse) return t.skip("E2E_REUSE=1: the release that is there is left as it is");
  const secret = ["get", "secret", "-n", environment.namespace, `${environment.release}-nats-auth`];
  const before = await kubectlJson<{ data: Record<string, string> }>(...secret);
  const agents = (await podsOf("agent")).map((agent) => agent.name);
  await upgrade("--set", "aggregator.podLabels.upgraded=yes");
  const after = await kubectlJson<{ data: Record<string, string> }>(...secret);
  assert.deepEqual(after.data, before.data);
  assert.deepEqual(
    (await podsOf("agent")).map((agent) => agent.name),
    agents,
    "no agent was restarted",
  );
  await eventually(30_000, async () => assert.equal((await coverage()).length, nodes.length));
  return undefined;
});
