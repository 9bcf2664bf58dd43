// Each privilege profile, installed with exactly its capabilities: what it reads, what it still gets right,
// and what it leaves alone.

import assert from "node:assert/strict";
import { connectionsOf, coverage } from "../answer.ts";
import { assertTold, through } from "../assert-told.ts";
import { stage } from "../claim.ts";
import { apply, kubectl, kubectlJson } from "../command.ts";
import { type Echo, startEcho } from "../echo.ts";
import { environment } from "../environment.ts";
import { eventually } from "../../../lib/testing/eventually.ts";
import { podsOf, upgradeWhile } from "../release.ts";
import { pod, ready, scriptContainer } from "../workload.ts";

/** A deleted pod's veth end must disappear from the node within this time. */
const wireGoneMs = 5000;

/** Bits of capabilities, from include/uapi/linux/capability.h. */
const capability: Readonly<Partial<Record<string, bigint>>> = {
  DAC_READ_SEARCH: 2n,
  NET_BROADCAST: 11n,
  NET_ADMIN: 12n,
  SYS_PTRACE: 19n,
  SYS_ADMIN: 21n,
  PERFMON: 38n,
  BPF: 39n,
};

const idle = "setInterval(() => undefined, 1000)";

const profiles = [
  { number: 260, name: "minimal", reader: /^procfs$/ },
  { number: 265, name: "standard", reader: /^(bpf-iter|procfs)$/ },
  { number: 270, name: "full", reader: /^(bpf-iter|sock-diag)$/ },
] as const;

interface Made {
  readonly echo: Echo;
  readonly node: string;
}

for (const { number, name, reader } of environment.reuse ? [] : profiles) {
  const claim = stage<Made>(number, async (place) => {
    await upgradeWhile(place, `agent.privileges=${name}`);
    const [node = ""] = place.nodes;
    await apply([
      pod(place.namespace, "watcher", { node, hostNetwork: true }, scriptContainer("watcher", idle)),
      pod(place.namespace, "short", { node }, scriptContainer("short", idle)),
    ]);
    const echo = await startEcho(place, null);
    await ready(place.namespace, "watcher", "short");
    return { echo, node };
  });

  claim(number, `the ${name} profile's agents have its capabilities and no other`, async () => {
    const given = await grantedCapabilities();
    assert.equal(given.includes("SYS_ADMIN"), name === "full");
    if (name === "minimal") assert.deepEqual(given.toSorted(), ["DAC_READ_SEARCH", "SYS_PTRACE"]);
    const mask = given.reduce((bits, each) => bits | (1n << (capability[each] ?? 63n)), 0n);
    for (const agent of await podsOf("agent")) {
      const status = await evaluate(
        environment.namespace,
        agent.name,
        "fs.readFileSync('/proc/self/status','utf8')",
      );
      const held = /^CapEff:\t(?<held>[0-9a-f]+)$/m.exec(status)?.groups?.["held"];
      assert.equal(held, mask.toString(16).padStart(16, "0"), agent.name);
    }
  });

  claim(
    number + 1,
    `with the ${name} profile every caller of a Service is shown with its pod`,
    async ({ echo }, t) => {
      const { namespace } = echo;
      const fronts = echo.fronts.filter((each) => each.kind === "cluster-ip" && each.service === "echo");
      await eventually(60_000, async () => {
        const [told, answer, nodes] = await Promise.all([echo.told(), connectionsOf(namespace), coverage()]);
        for (const node of nodes) assert.match(node.reader ?? "", reader, JSON.stringify(node));
        const flows = nodes.every(({ conntrack }) => conntrack !== "none");
        for (const front of fronts.filter(({ protocol }) => flows || protocol === "tcp")) {
          const these = through(told, front);
          assert.equal(these.length, echo.countOf(front, false), "not all connected yet");
          assertTold(answer, these, { namespace, flows }, front.service);
        }
        t.diagnostic(
          nodes.map((node) => `${node.node}: ${node.reader}, conntrack ${node.conntrack}`).join("; "),
        );
      });
    },
  );

  claim(number + 2, `a deleted pod's wire goes within 5 s under the ${name} profile`, async ({ echo }, t) => {
    const { namespace } = echo;
    const index = (
      await evaluate(namespace, "short", "fs.readFileSync('/sys/class/net/eth0/iflink','utf8')")
    ).trim();
    if (!(await indexes(namespace)).includes(index))
      return t.skip("pods of this cluster are on no veth pair");
    await kubectl("delete", "pod", "-n", namespace, "short", "--wait=true");
    await eventually(wireGoneMs, async () => {
      assert.ok(!(await indexes(namespace)).includes(index), `the node still has interface ${index}`);
    });
    return undefined;
  });
}

/** The capabilities that the agents' DaemonSet requests. */
async function grantedCapabilities(): Promise<readonly string[]> {
  const name = `${environment.release}-agent`;
  const { spec } = await kubectlJson<DaemonSet>("get", "daemonset", "-n", environment.namespace, name);
  return spec.template.spec.containers[0]?.securityContext.capabilities.add ?? [];
}

interface DaemonSet {
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly containers: readonly {
          readonly securityContext: { readonly capabilities: { readonly add: readonly string[] } };
        }[];
      };
    };
  };
}

/** Indexes of the network interfaces of the watcher's node. */
async function indexes(namespace: string): Promise<string[]> {
  const script =
    "fs.readdirSync('/sys/class/net').map((n) => fs.readFileSync(`/sys/class/net/${n}/ifindex`,'utf8').trim()).join(' ')";
  return (await evaluate(namespace, "watcher", script)).trim().split(" ");
}

/** Evaluates a JavaScript expression in a pod's first container. */
function evaluate(namespace: string, name: string, expression: string): Promise<string> {
  return kubectl("exec", "-n", namespace, name, "--", "/nodejs/bin/node", "-p", expression);
}
