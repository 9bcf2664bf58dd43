// Connections that open and close between two passes, and reused ports: every connection is counted, each for
// the right client.

import assert from "node:assert/strict";
import { edgesOf, podCoverage } from "../answer.ts";
import { stage } from "../claim.ts";
import { apply, kubectl } from "../command.ts";
import { environment } from "../environment.ts";
import { eventually } from "../../../lib/testing/eventually.ts";
import { upgradeWhile } from "../release.ts";
import { burst, pod, podSpec, ready, server, service } from "../workload.ts";

const count = 10_000;
const few = 500;
const pauseMs = 30_000;
const lifeMs = 5;
const payloadBytes = 100;

/** So few ports that each is reused in every round; a sysctl that every cluster allows. */
const fewPorts = [{ name: "net.ipv4.ip_local_port_range", value: "30000 33999" }];

interface Done {
  readonly made: number;
  readonly failed: number;
}

/** Returns what a burst printed when it was done. */
function done(namespace: string, name: string, deadlineMs: number): Promise<Done> {
  return eventually(deadlineMs, async () => {
    const lines = (await kubectl("logs", "-n", namespace, name)).split("\n");
    const last = lines.find((line) => line.includes('"done"'));
    if (last === undefined) throw new Error(`${name} is not done yet: ${lines.at(-2)}`);
    return JSON.parse(last) as Done;
  });
}

const claim = stage<{ namespace: string; node: string }>(300, async ({ namespace, nodes }) => {
  const [near = "", far = nodes.at(-1) ?? ""] = [nodes[0], nodes.at(-1)];
  await apply([
    pod(namespace, "web", { node: far }, server("web", 8080, { briefMs: lifeMs })),
    pod(namespace, "other-web", { node: near }, server("web", 8080, { briefMs: lifeMs })),
    service(namespace, "web", 80, { ports: [{ port: 80, targetPort: 8080 }] }),
    service(namespace, "other-web", 80, { ports: [{ port: 80, targetPort: 8080 }] }),
  ]);
  await ready(namespace, "web", "other-web");
  await apply([
    pod(
      namespace,
      "hasty",
      { node: near, sysctls: fewPorts },
      burst("hasty", { host: "web", port: 80, count, rounds: 2, pauseMs }),
    ),
    pod(
      namespace,
      "other",
      { node: far, sysctls: fewPorts },
      burst("other", { host: "other-web", port: 80, count: few, rounds: 2, pauseMs }),
    ),
  ]);
  await ready(namespace, "hasty", "other");
  return { namespace, node: far };
});

claim(
  300,
  "a Job of two seconds that makes 100 connections: all 100, the Job named",
  async ({ namespace, node }) => {
    const template = podSpec({ node }, [burst("brief", { host: "web", port: 80, count: 100, paceMs: 10 })]);
    await apply([
      {
        apiVersion: "batch/v1",
        kind: "Job",
        metadata: { namespace, name: "brief" },
        spec: { template: { spec: { ...template, restartPolicy: "Never" } } },
      },
    ]);
    await kubectl("wait", "-n", namespace, "--for=condition=Complete", "--timeout=60s", "job/brief");
    await eventually(30_000, async () => {
      const edges = (await edgesOf(namespace)).filter(({ client }) => client.workload?.name === "brief");
      const web = edges.filter(({ server: to }) => to.workload?.name === "web");
      assert.deepEqual(
        web.map((edge) => [edge.client.workload, edge.connections]),
        [[{ kind: "Job", name: "brief" }, 100]],
        JSON.stringify(edges),
      );
    });
  },
);

claim(
  301,
  "10,000 connections of 5 ms between two pods, and again after 30 s: the edge counts each of them once",
  async ({ namespace }, t) => {
    const { made, failed } = await done(namespace, "hasty", 150_000);
    t.diagnostic(`${made} connections, ${failed} failed`);
    assert.equal(made, 2 * count);
    await eventually(30_000, async () => {
      const edges = (await edgesOf(namespace, "--port", "8080")).filter(
        ({ client }) => client.workload?.name === "hasty",
      );
      const counted = edges.map((edge) => [edge.server.workload?.name, edge.connections, edge.open ?? 0]);
      assert.deepEqual(counted, [["web", made, 0]], JSON.stringify(edges));
      const [edge] = edges;
      // The kernel counts a FIN as a received byte, and one end alone does not always show whether it arrived.
      const lone = made / 10_000;
      for (const bytes of [edge?.bytesToServer, edge?.bytesToClient])
        assert.ok(Math.abs((bytes ?? 0) - made * payloadBytes) <= lone, `${bytes} bytes`);
    });
  },
);

claim(302, "of those connections coverage says that none was not seen", async ({ namespace }) => {
  await eventually(30_000, async () => {
    for (const name of ["hasty", "web"]) {
      const covered = await podCoverage(namespace, name);
      assert.ok((covered?.openedByKernel ?? 0) >= 2 * count, JSON.stringify(covered));
      assert.equal(covered?.unseen, 0, JSON.stringify(covered));
    }
  });
});

claim(
  303,
  "none of the short connections of two pairs of pods is shown between others",
  async ({ namespace }) => {
    await done(namespace, "other", 60_000);
    const edges = (await edgesOf(namespace)).filter(
      ({ client, server: to }) => client.kind === "pod" && to.kind === "pod" && to.namespace === namespace,
    );
    assert.deepEqual(
      edges.map((edge) => `${edge.client.workload?.name} ${edge.server.workload?.name}`).toSorted(),
      ["brief web", "hasty web", "other other-web"],
    );
  },
);

if (!environment.reuse) {
  const claimMinimal = stage<string>(310, async (place) => {
    await upgradeWhile(place, "agent.privileges=minimal");
    const { namespace } = place;
    await apply([
      pod(namespace, "web", {}, server("web", 8080, { briefMs: lifeMs })),
      service(namespace, "web", 80, { ports: [{ port: 80, targetPort: 8080 }] }),
    ]);
    await ready(namespace, "web");
    await apply([
      pod(namespace, "hasty", {}, burst("hasty", { host: "web", port: 80, count: few, rounds: 2 })),
    ]);
    await ready(namespace, "hasty");
    return namespace;
  });

  claimMinimal(
    310,
    "with the minimal profile what was not seen is counted to the last",
    async (namespace, t) => {
      const { made } = await done(namespace, "hasty", 60_000);
      await eventually(60_000, async () => {
        for (const name of ["hasty", "web"]) {
          const covered = await podCoverage(namespace, name);
          assert.equal(covered?.openedByKernel, made, JSON.stringify(covered));
          assert.equal(covered.seen + covered.unseen, made, JSON.stringify(covered));
          t.diagnostic(`${name}: ${covered.seen} seen, ${covered.unseen} not`);
        }
      });
    },
  );
}
