// What the agent hears from the kernel's tracepoint: who made each TCP connection, however short, and at once.

import assert from "node:assert/strict";
import { coverage, type Edge, edgesOf, type Endpoint, podCoverages, shown, shownEdge } from "../answer.ts";
import { claim } from "../claim.ts";
import { apply, kubectl, kubectlJson } from "../command.ts";
import { environment } from "../environment.ts";
import { always, eventually } from "../../../lib/testing/eventually.ts";
import { hasNodeCommand, onNode, tryOnNode } from "../node.ts";
import { upgradeWhile } from "../release.ts";
import { countsOf, pastConnections } from "../truth.ts";
import { startWatch } from "../watch.ts";
import {
  addressesOf,
  burst,
  client,
  pod,
  podSpec,
  ready,
  scriptContainer,
  server,
  service,
  succeeded,
} from "../workload.ts";

const lifeMs = 5;
const port = 8080;
const hostPort = 18_475;
const probes = 12;

/** Names a client of an edge so that anything but a pod is conspicuous. */
function nameOf({ kind, pod: name, node, ip, process }: Endpoint): string {
  return kind === "pod" && name !== undefined ? name : `${kind} ${node}/${process?.name ?? ""}[${ip}]`;
}

function told(edges: readonly Edge[]): string {
  return `shown:\n${edges.map(shownEdge).join("\n")}`;
}

claim(
  320,
  "short-lived pods' connections of 5 ms through a Service: each (client, server) pair as the servers count it",
  async ({ t, namespace, nodes }) => {
    const [rounds, count] = [2, 150];
    const servers = ["web-0", "web-1", "web-2", "web-3"];
    const placed = (index: number): string => nodes[index % nodes.length] ?? "";
    const labels = { app: "web" };
    await apply([
      service(namespace, "web", port),
      ...servers.map((name, index) =>
        pod(namespace, name, { node: placed(index), labels }, server("web", port, { briefMs: lifeMs })),
      ),
    ]);
    await ready(namespace, ...servers);
    const { ipv6 } = await addressesOf(namespace, "web-0");
    if (ipv6 === undefined) t.diagnostic("the cluster has no IPv6: all calls are over IPv4");
    for (let round = 0; round < rounds; round++) {
      const callers = Array.from({ length: 6 }, (_, index) => ({
        name: `caller-${round}-${index}`,
        family: index % 2 === 1 && ipv6 !== undefined ? (6 as const) : (4 as const),
        options: { node: placed(index + round), hostNetwork: index === 2 || index === 3, runsOnce: true },
      }));
      await apply(
        callers.map(({ name, family, options }) =>
          pod(namespace, name, options, burst("caller", { host: "web", port, family, count, caller: name })),
        ),
      );
      await succeeded(namespace, ...callers.map(({ name }) => name));
    }
    await eventually(60_000, async () => {
      const counted: string[] = [];
      for (const name of servers)
        for (const [caller, times] of await countsOf(namespace, name))
          counted.push(`${caller} ${name} ${times}`);
      const total = counted.reduce((sum, line) => sum + Number(line.split(" ")[2]), 0);
      assert.equal(total, rounds * 6 * count, counted.join("\n"));
      const edges = (await edgesOf(namespace, "--port", `${port}`)).filter(
        (edge) => edge.protocol === "tcp" && edge.connections > 0,
      );
      const found = edges.map((edge) => `${nameOf(edge.client)} ${edge.server.pod} ${edge.connections}`);
      const wrong = edges.filter((_, index) => !counted.includes(found[index] ?? ""));
      assert.deepEqual(found.toSorted(), counted.toSorted(), told(wrong));
      assert.ok(edges.every(({ open }) => (open ?? 0) === 0));
      const covered = await podCoverages(namespace);
      assert.ok(
        servers.every((name) => covered.some((each) => each.pod === name)),
        JSON.stringify(covered),
      );
      assert.deepEqual(
        covered.filter(({ unseen }) => unseen !== 0),
        [],
      );
    });
  },
);

claim(321, "kubelet's probes are shown as the kubelet's of that node, each of them", async (scene) => {
  const { namespace, nodes } = scene;
  const pods = nodes.flatMap((node, index) => [
    { name: `probed-${index}`, node, hostNetwork: false, port },
    { name: `probed-host-${index}`, node, hostNetwork: true, port: hostPort },
  ]);
  await apply(
    pods.map(({ name, port: own, ...options }) => {
      const probe = { httpGet: { path: "/", port: own }, periodSeconds: 1 };
      const container = { ...scriptContainer("web", probed(own)), readinessProbe: probe };
      return pod(namespace, name, { ...options, runsOnce: true }, container);
    }),
  );
  await succeeded(namespace, ...pods.map(({ name }) => name));
  await eventually(30_000, async () => {
    const all = await edgesOf(namespace);
    const edges = all.filter(({ server: to }) => to.namespace === namespace);
    const found = edges.map(
      ({ client: from, server: to, port: at, connections, refused = 0 }) =>
        `${from.kind} ${from.process?.name} of ${from.node} to ${to.pod} ${at}: ${connections - refused}`,
    );
    const accepted = await Promise.all(pods.map(({ name }) => kubectl("logs", "-n", namespace, name)));
    const expected = pods.map(
      ({ name, node, port: at }, index) =>
        `process kubelet of ${node} to ${name} ${at}: ${accepted[index]?.trim()}`,
    );
    assert.deepEqual(found.toSorted(), expected.toSorted(), told(all));
  });
});

/** A script that answers probes for a while and prints how many connections it accepted. */
function probed(own: number): string {
  return `
    let [connections, requests] = [0, 0];
    const server = require("http").createServer((request, response) => {
      response.end("ok");
      if (++requests === ${probes}) setTimeout(() => server.close(() => console.log(connections)), 300);
    });
    server.on("connection", () => connections++);
    server.listen(${own}, "::");
  `;
}

claim(
  322,
  "a hostNetwork DaemonSet's short connections are each its pod's, and no others",
  async ({ namespace, nodes }) => {
    const [count, rounds] = [200, 2];
    await apply([
      pod(namespace, "web", { node: nodes.at(-1) ?? "" }, server("web", port, { briefMs: lifeMs })),
      service(namespace, "web", port),
    ]);
    await ready(namespace, "web");
    await apply([
      daemonSet(namespace, "monitor", burst("monitor", { host: "web", port, count, rounds, pauseMs: 2000 })),
    ]);
    await kubectl("rollout", "status", "-n", namespace, "daemonset/monitor", "--timeout=60s");
    const pods = await podsByNode(namespace, "monitor");
    assert.ok(nodes.every((node) => pods.has(node)));
    await eventually(60_000, async () => {
      const counted = await countsOf(namespace, "web");
      for (const [own, name] of pods) {
        // On the node's network its host name is the node's.
        assert.equal(counted.get(own), rounds * count, own);
        const edges = await edgesOf(namespace, "--from", `pod/${name}`, "--port", `${port}`);
        const found = edges.map(({ client: from, server: to, connections }) => [
          from.workload?.kind,
          from.node,
          to.pod,
          connections,
        ]);
        assert.deepEqual(found, [["DaemonSet", own, "web", rounds * count]], told(edges));
      }
      const edges = await edgesOf(namespace, "--port", `${port}`);
      const callers = new Set(edges.map(({ client: from }) => `${from.kind} ${from.workload?.name}`));
      assert.deepEqual([...callers], ["pod monitor"], told(edges));
    });
  },
);

claim(
  323,
  "two containers of one pod that make short connections are told apart by container",
  async ({ namespace, nodes }) => {
    const counts = { one: 300, two: 200 };
    const [node = ""] = nodes;
    await apply([
      pod(namespace, "web", { node: nodes.at(-1) ?? "" }, server("web", port, { briefMs: lifeMs })),
      service(namespace, "web", port),
    ]);
    await ready(namespace, "web");
    const pods = ["both", "both-host"];
    await apply(
      pods.map((name) =>
        pod(
          namespace,
          name,
          { node, hostNetwork: name === "both-host", runsOnce: true },
          ...Object.entries(counts).map(([container, count]) =>
            burst(container, { host: "web", port, count, caller: `${name}/${container}` }),
          ),
        ),
      ),
    );
    await succeeded(namespace, ...pods);
    await eventually(60_000, async () => {
      const counted = await countsOf(namespace, "web");
      const all = await edgesOf(namespace, "--port", `${port}`);
      for (const name of pods) {
        for (const [container, count] of Object.entries(counts)) {
          assert.equal(counted.get(`${name}/${container}`), count);
          const edges = (await edgesOf(namespace, "--from", `container/${container}`)).filter(
            (edge) => edge.port === port && edge.client.pod === name,
          );
          const found = edges.map((edge) => [edge.client.container, edge.server.pod, edge.connections]);
          assert.deepEqual(found, [[container, "web", count]], `${told(edges)}\nof ${told(all)}`);
        }
      }
      assert.deepEqual(all.map((edge) => nameOf(edge.client)).toSorted(), pods, told(all));
    });
  },
);

claim(324, "a connection is in watch within its first second, while it is open", async (scene) => {
  const { t, namespace, nodes } = scene;
  const [open, livesMs, wanted] = [5, 2000, 20];
  await apply([
    pod(namespace, "web", { node: nodes.at(-1) ?? "" }, server("web", port)),
    service(namespace, "web", port),
  ]);
  await ready(namespace, "web");
  const events = await startWatch(t, "-n", namespace, "--port", `${port}`);
  const target = { host: "web", port, count: open, livesMs };
  await apply([pod(namespace, "shop", { node: nodes[0] ?? "" }, client("shop", target))]);
  await ready(namespace, "shop");
  const past = await eventually(60_000, async () => {
    const { connections } = await pastConnections(namespace, "shop", "shop");
    const closed = connections.filter(({ closedMs }) => closedMs !== undefined);
    assert.ok(closed.length >= wanted, `${closed.length} connections have been closed`);
    return closed.slice(0, wanted);
  });
  const latencies = past.map(({ ip, port: from, openedMs, closedMs = 0 }) => {
    const own = events.filter(
      ({ connection, atMs }) =>
        connection.client.port === from &&
        connection.client.ip === ip &&
        atMs >= openedMs - 100 &&
        atMs < closedMs,
    );
    const lines = own.map((one) => `${one.type} after ${one.atMs - openedMs} ms: ${shown(one.connection)}`);
    const message = `closed after ${closedMs - openedMs} ms, before that:\n${lines.join("\n")}`;
    assert.deepEqual([own[0]?.type, own[0]?.connection.client.pod], ["opened", "shop"], message);
    assert.equal(own.at(-1)?.connection.server.pod, "web", message);
    return (own[0]?.atMs ?? 0) - openedMs;
  });
  const sorted = latencies.toSorted((a, b) => a - b);
  t.diagnostic(`median ${sorted[wanted / 2]} ms of ${sorted.join(" ")}`);
});

claim(325, "connections of a curl on the node that lives some milliseconds are curl's", async (scene) => {
  const { t, namespace, nodes } = scene;
  if (!hasNodeCommand(t)) return;
  const calls = 20;
  const [node = ""] = nodes;
  await apply([
    pod(namespace, "web", { node: nodes.at(-1) ?? "" }, server("web", port, { briefMs: lifeMs })),
  ]);
  await ready(namespace, "web");
  if ((await tryOnNode(node, "curl", "--version")).status !== 0) return t.skip("the node has no curl");
  const { ipv4: host = "" } = await addressesOf(namespace, "web");
  const script = `for call in $(seq ${calls}); do curl -s --http0.9 -o /dev/null http://${host}:${port}/curl; done`;
  const startMs = performance.now();
  await onNode(node, "sh", "-c", script);
  t.diagnostic(`a curl took ${((performance.now() - startMs) / calls).toFixed(0)} ms from start to end`);
  await eventually(30_000, async () => {
    assert.equal((await countsOf(namespace, "web")).get("GET /curl HTTP/1.1\r"), calls);
    const all = await edgesOf(namespace, "--port", `${port}`);
    const found = all.map(({ client: from, server: to, connections }) => [
      from.kind,
      from.process?.name,
      from.node,
      to.pod,
      connections,
    ]);
    assert.deepEqual(found, [["process", "curl", node, "web", calls]], told(all));
  });
  return undefined;
});

claim(
  326,
  "a new pod has no connection of a short-lived one whose namespace's number the kernel gives again",
  async ({ namespace, nodes }) => {
    const placed = (index: number): string => nodes[index % nodes.length] ?? "";
    const six = Array.from({ length: 6 }, (_, index) => index);
    await apply([
      pod(namespace, "web", { node: placed(0) }, server("web", port, { briefMs: lifeMs })),
      service(namespace, "web", port),
    ]);
    await ready(namespace, "web");
    const callers = six.map((index) => `caller-${index}`);
    const calls = burst("caller", { host: "web", port, count: 50 });
    await apply(
      callers.map((name, index) => pod(namespace, name, { node: placed(index), runsOnce: true }, calls)),
    );
    await succeeded(namespace, ...callers);
    await kubectl("delete", "pod", "-n", namespace, ...callers);
    const idlers = six.map((index) => `idler-${index}`);
    const idle = scriptContainer("idler", "setInterval(() => undefined, 1000)");
    await apply(idlers.map((name, index) => pod(namespace, name, { node: placed(index + 1) }, idle)));
    await ready(namespace, ...idlers);
    await always(10_000, async () => {
      const all = await edgesOf(namespace);
      const idleEdges = all.filter(
        ({ client: from, server: to }) =>
          from.pod?.startsWith("idler") === true || to.pod?.startsWith("idler") === true,
      );
      assert.deepEqual(idleEdges.map(shownEdge), []);
    });
  },
);

if (!environment.reuse) {
  claim(327, "with agent.events=off coverage says so, and nothing stays attached", async ({ t, nodes }) => {
    const hasCommand = environment.node !== "";
    if (!hasCommand) t.diagnostic("E2E_NODE is not set: what is attached is not looked at");
    await eventually(30_000, async () => assert.equal((await coverage()).length, nodes.length));
    for (const { node, events } of await coverage()) {
      t.diagnostic(`${node}: events ${events}`);
      if (hasCommand && events === "tracepoint") assert.equal((await attachedOn(node)).length, 1, node);
    }
    await upgradeWhile(t, "agent.events=off");
    await eventually(30_000, async () => {
      const now = await coverage();
      const found = now.map((each) => `${each.node}: ${each.events}, ${each.eventsReason}`);
      assert.deepEqual(
        found.toSorted(),
        nodes.toSorted().map((node) => `${node}: destroyed, they are switched off`),
      );
    });
    if (!hasCommand) return;
    for (const node of nodes) assert.deepEqual(await attachedOn(node), [], node);
  });
}

/**
 * Descriptors of the node's processes that keep a program attached to the tracepoint, as the kernel describes
 * them in /proc/PID/fdinfo (bpf_raw_tp_link_show_fdinfo()).
 */
async function attachedOn(node: string): Promise<string[]> {
  const script = "grep -ls '^tp_name:.*inet_sock_set_state' /proc/[0-9]*/fdinfo/* || true";
  return (await onNode(node, "sh", "-c", script)).split("\n").filter((line) => line !== "");
}

/** A DaemonSet on the nodes' network. */
function daemonSet(namespace: string, name: string, container: object): Record<string, unknown> {
  const labels = { app: name };
  const template = { metadata: { labels }, spec: podSpec({ hostNetwork: true }, [container]) };
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { namespace, name },
    spec: { selector: { matchLabels: labels }, template },
  };
}

/** Names of the pods with this `app`, by node. */
async function podsByNode(namespace: string, app: string): Promise<Map<string, string>> {
  const { items } = await kubectlJson<PodList>("get", "pods", "-n", namespace, "-l", `app=${app}`);
  return new Map(items.map(({ metadata, spec }) => [spec.nodeName, metadata.name]));
}

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string };
    readonly spec: { readonly nodeName: string };
  }[];
}
