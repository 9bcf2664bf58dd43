// What a user of kubectl types: flags first, objects as words, misspelt names, versions, completion.

import assert from "node:assert/strict";
import path from "node:path";
import { whotalks, whotalksArguments } from "../answer.ts";
import { stage } from "../claim.ts";
import { apply, must, run } from "../command.ts";
import { repository } from "../environment.ts";
import { eventually } from "../../../lib/testing/eventually.ts";
import { client, pod, ready, server, service } from "../workload.ts";

const claim = stage(340, async ({ namespace, nodes }) => {
  await apply([
    pod(namespace, "web", { node: nodes.at(-1) ?? "" }, server("web", 8080)),
    service(namespace, "web", 8080),
    pod(namespace, "shop", { node: nodes[0] ?? "" }, client("shop", { host: "web", port: 8080, count: 1 })),
  ]);
  await ready(namespace, "web", "shop");
  return { namespace, nodes };
});

claim(
  340,
  "flags come first, and objects are words: who talks with them, either way",
  async ({ namespace }) => {
    const columns = "custom-columns=CLIENT:.client.pod,SERVER:.server.pod";
    await eventually(30_000, async () => {
      for (const words of [["pod/shop"], ["pods", "web"], ["svc/web"], ["pods", "shop", "web"]]) {
        const rows = await whotalks(
          "-n",
          namespace,
          "conn",
          ...words,
          "--port",
          "8080",
          "--no-headers",
          "-o",
          columns,
        );
        assert.match(rows, /^shop +web$/m, words.join(" "));
      }
    });
  },
);

claim(
  341,
  "an object that does not exist is refused, with the name that was meant",
  async ({ namespace }) => {
    const cases: ReadonlyArray<readonly [words: readonly string[], sentence: string]> = [
      [["-n", namespace, "pod/shpo"], `no pod shpo in namespace ${namespace}; did you mean shop?`],
      [
        ["-n", namespace, "edges", "deploy/web"],
        `no deployment web in namespace ${namespace}; did you mean svc/web?`,
      ],
      [["-n", `${namespace}x`], `no namespace ${namespace}x; did you mean ${namespace}?`],
    ];
    for (const [words, sentence] of cases) {
      const result = await run(process.execPath, whotalksArguments(...words));
      assert.deepEqual(
        [result.status, result.stdout, result.stderr],
        [1, "", `kubectl whotalks: ${sentence}\n`],
      );
    }
  },
);

claim(342, "a pod that was deleted is known while its connections are", async ({ namespace, nodes }) => {
  await apply([
    pod(namespace, "gone", { node: nodes[0] ?? "" }, client("gone", { host: "web", port: 8080, count: 1 })),
  ]);
  await ready(namespace, "gone");
  const ask = (): Promise<string> => whotalks("-n", namespace, "pod/gone", "--port", "8080", "--no-headers");
  await eventually(30_000, async () => assert.match(await ask(), /gone .*web/));
  await must("kubectl", ["-n", namespace, "delete", "pod", "gone", "--now"]);
  assert.match(await ask(), /gone .*web/);
});

claim(343, "version names the server's version and each node's agent's", async ({ nodes }) => {
  const versions = JSON.parse(await whotalks("version", "-o", "json")) as {
    client: string;
    server: string;
    agents: readonly { node: string; version: string }[];
  };
  assert.equal(versions.server, versions.client);
  assert.deepEqual(versions.agents.map(({ node }) => node).toSorted(), [...nodes].toSorted());
  assert.deepEqual([...new Set(versions.agents.map(({ version }) => version))], [versions.client]);
});

claim(344, "a shell completes namespaces, kinds and the names of objects", async ({ namespace }) => {
  const program = path.join(repository, "dist/kubectl-whotalks");
  const complete = (...words: readonly string[]): Promise<string> =>
    must(process.execPath, [program, "__complete", ...words]);
  assert.equal(await complete("-n", namespace.slice(0, -1)), `${namespace}\n:4\n`);
  assert.equal(await complete("-n", namespace, "pod/we"), "pod/web\n:4\n");
  assert.equal(await complete("-n", namespace, "edges", "pods", ""), "shop\nweb\n:4\n");
});
