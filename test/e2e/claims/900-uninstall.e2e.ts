// Last: helm uninstall removes everything that helm install created.

import assert from "node:assert/strict";
import { claim } from "../claim.ts";
import { apply, kubectl } from "../command.ts";
import { environment } from "../environment.ts";
import { eventually } from "../../../lib/testing/eventually.ts";
import { install, isInstalled, podsOf, uninstall } from "../release.ts";
import { pod, ready, scriptContainer } from "../workload.ts";

/** Kinds whose objects appear and disappear by themselves. */
const volatile = /^(events|leases|endpoints|componentstatuses|controllerrevisions)(\.|$)|metrics\.k8s\.io/;

claim(
  900,
  "helm uninstall leaves nothing in the cluster, and no process on its nodes",
  async ({ t, namespace, nodes }) => {
    if (environment.reuse) return t.skip("E2E_REUSE=1: the release that is there is left as it is");
    if (await isInstalled()) await uninstall();
    await eventually(60_000, async () => assert.deepEqual(await podsOf("agent"), []));
    const before = await objects(namespace);
    await install();
    const during = await objects(namespace);
    assert.ok(
      during.some((name) => name.includes("daemonset")),
      "the snapshot sees what is installed",
    );
    const watchers = await processWatchers(namespace, nodes);
    await eventually(30_000, async () => {
      for (const watcher of watchers) assert.match(await productProcesses(namespace, watcher), /agent/);
    });
    await uninstall();
    await eventually(60_000, async () => {
      for (const watcher of watchers) assert.equal(await productProcesses(namespace, watcher), "");
      const after = await objects(namespace);
      assert.deepEqual(
        after.filter((name) => !before.includes(name)),
        [],
        "left behind",
      );
    });
    return undefined;
  },
  { installed: false },
);

/** Prints the product's processes on its node, once a second. */
const watch = `
  const fs = require("node:fs");
  setInterval(() => {
    const lines = fs.readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name)).map((pid) => {
      try { return fs.readFileSync("/proc/" + pid + "/cmdline", "utf8").replaceAll("\\0", " "); } catch { return ""; }
    });
    console.log(JSON.stringify(lines.filter((line) => /[/]app[/](agent|aggregator)[/]|^[/]nats-server/.test(line))));
  }, 1000);
`;

/** Creates a pod on each node that sees all its processes; returns their names. */
async function processWatchers(namespace: string, nodes: readonly string[]): Promise<string[]> {
  const names = nodes.map((_, index) => `watcher-${index}`);
  await apply(
    nodes.map((node, index) => {
      const made = pod(namespace, names[index] ?? "", { node }, scriptContainer("watcher", watch));
      return { ...made, spec: Object.assign({ hostPID: true }, made["spec"]) };
    }),
  );
  await ready(namespace, ...names);
  return names;
}

/** A watcher's latest output, one line per process. */
async function productProcesses(namespace: string, watcher: string): Promise<string> {
  const last = await kubectl("logs", "-n", namespace, watcher, "--tail=1");
  return (JSON.parse(last) as string[]).join("\n");
}

/** The names of all objects of the cluster, except the volatile ones and those of the claims. */
async function objects(ownNamespace: string): Promise<string[]> {
  const kinds = (await kubectl("api-resources", "--verbs=list", "-o", "name")).split("\n");
  const listed = kinds.filter((kind) => kind !== "" && !volatile.test(kind));
  const lines = await kubectl(
    "get",
    listed.join(","),
    "-A",
    "-o",
    "custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name",
    "--no-headers",
  );
  return lines
    .split("\n")
    .map((line) => line.trim().replaceAll(/\s+/g, " ").toLowerCase())
    .filter((line) => line !== "" && !line.includes(ownNamespace) && !line.includes("whotalks-e2e-"));
}
