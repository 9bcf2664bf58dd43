// Attempts and traffic without sockets: attempts that are refused or time out, ping, and protocols that only
// conntrack knows.

import assert from "node:assert/strict";
import { allConnections, type Connection, connectionsOf, shown } from "../answer.ts";
import { stage } from "../claim.ts";
import { apply, kubectl } from "../command.ts";
import { environment } from "../environment.ts";
import { eventually } from "../../../lib/testing/eventually.ts";
import { hasNodeCommand, onNode, tryOnNode } from "../node.ts";
import { addressesOf, client, pod, ready, server, toolContainer } from "../workload.ts";

const closedPort = 9999;

interface Made {
  readonly namespace: string;
  readonly nodes: readonly [near: string, far: string];
  readonly web: { readonly ipv4?: string; readonly ipv6?: string };
}

const claim = stage<Made>(280, async ({ namespace, nodes }) => {
  const [near = "", far = nodes.at(-1) ?? ""] = [nodes[0], nodes.at(-1)];
  await apply([pod(namespace, "web", { node: far }, server("web", 8080))]);
  await ready(namespace, "web");
  const web = await addressesOf(namespace, "web");
  const host = web.ipv4 ?? web.ipv6 ?? "";
  await apply([
    pod(namespace, "knocker", { node: near }, client("knocker", { host, port: closedPort })),
    pod(namespace, "talker", { node: near }, client("talker", { host, port: 8080 })),
  ]);
  await ready(namespace, "knocker", "talker");
  return { namespace, nodes: [near, far], web };
});

/** The connections of a pod to the server's pod. */
async function attemptsOf(namespace: string, name: string): Promise<Connection[]> {
  const answer = await connectionsOf(namespace);
  return answer.filter((one) => one.client.pod === name && one.server.pod === "web");
}

claim(
  280,
  "a pod that keeps calling a closed port is shown refused, and never as talk",
  async ({ namespace }) => {
    await eventually(30_000, async () => {
      const attempts = await attemptsOf(namespace, "knocker");
      const lines = attempts.map((one) => `${one.outcome} ${shown(one)}`).join("\n");
      assert.ok(
        attempts.some((one) => one.outcome === "refused" && one.server.port === closedPort),
        lines,
      );
      assert.ok(!attempts.some((one) => one.outcome === "established"), lines);
      const talk = await attemptsOf(namespace, "talker");
      assert.ok(
        talk.some((one) => one.outcome === "established"),
        talk.map(shown).join("\n"),
      );
    });
  },
);

claim(
  281,
  "a pod that a policy cuts off is shown pending, then timed out, and never as talk",
  async (made, t) => {
    if (!hasNodeCommand(t)) return;
    const { namespace, nodes, web } = made;
    const { ipv4: host = "" } = web;
    // Create the pod after the rule that drops its packets.
    const rule = ["FORWARD", "-p", "tcp", "-d", host, "--dport", "8081", "-j", "DROP"];
    await onNode(nodes[1], "iptables", "-I", ...rule);
    t.after(() => tryOnNode(nodes[1], "iptables", "-D", ...rule));
    await apply([pod(namespace, "cut-off", { node: nodes[0] }, client("cut-off", { host, port: 8081 }))]);
    await ready(namespace, "cut-off");
    const seen = new Set<string>();
    await eventually(60_000, async () => {
      const attempts = await attemptsOf(namespace, "cut-off");
      const lines = attempts.map((one) => `${one.outcome} ${shown(one)}`).join("\n");
      for (const one of attempts) seen.add(one.outcome ?? "");
      assert.ok(!seen.has("established") && !seen.has("refused"), lines);
      assert.ok(seen.has("pending") && seen.has("timed-out"), `${[...seen].join(" ")}:\n${lines}`);
    });
  },
);

for (const [number, family] of [
  [282, "ipv4"],
  [283, "ipv6"],
] as const) {
  const protocol = family === "ipv4" ? "icmp" : "icmpv6";
  claim(number, `a ping between pods is a connection (${protocol})`, async ({ namespace, nodes, web }, t) => {
    if (environment.toolsImage === "") return t.skip("E2E_TOOLS_IMAGE names no image with busybox");
    const address = web[family];
    if (address === undefined) return t.skip(`the cluster has no ${family}`);
    const name = `ping-${family}`;
    await apply([pod(namespace, name, { node: nodes[0] }, toolContainer("ping", "/bin/ping", address))]);
    await ready(namespace, name);
    await eventually(30_000, async () => {
      const answer = (await connectionsOf(namespace)).filter((one) => one.protocol === protocol);
      const lines = answer.map(shown).join("\n");
      const found = answer.filter(({ client: from }) => from.pod === name);
      assert.deepEqual(
        found.map((one) => [one.server.pod, one.outcome]),
        [["web", "established"]],
        lines,
      );
      assert.deepEqual(found[0]?.evidence, ["flow"], lines);
    });
    await kubectl("delete", "pod", "-n", namespace, name, "--wait=false");
    return undefined;
  });
}

claim(284, "an SCTP conversation that only conntrack knows is shown between its pods", async (made, t) => {
  if (!hasNodeCommand(t)) return;
  const { namespace, nodes, web } = made;
  const { ipv4: from = "" } = await addressesOf(namespace, "talker");
  const { ipv4: to = "" } = web;
  if ((await tryOnNode(nodes[0], "conntrack", "-V")).status !== 0) return t.skip("the node has no conntrack");
  const entry = ["-p", "sctp", "-s", from, "-d", to, "--sport", "36412", "--dport", "38412"];
  const state = "--state ESTABLISHED --timeout 120 --orig-vtag 1 --reply-vtag 2".split(" ");
  const inserted = await tryOnNode(nodes[0], "conntrack", "-I", ...entry, ...state);
  if (inserted.status !== 0) return t.skip(`no entry could be made: ${inserted.stderr.trim()}`);
  t.after(() => tryOnNode(nodes[0], "conntrack", "-D", ...entry));
  await eventually(30_000, async () => {
    const found = (await allConnections()).filter((one) => one.protocol === "sctp");
    const lines = found.map(shown).join("\n");
    assert.deepEqual(
      found.map((one) => [one.client.pod, one.client.port, one.server.pod, one.server.port, one.evidence]),
      [["talker", 36_412, "web", 38_412, ["flow"]]],
      lines,
    );
  });
});
