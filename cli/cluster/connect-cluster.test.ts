import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";

import { connectCluster } from "./connect-cluster.ts";

async function kubeconfig(t: TestContext, text: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "whotalks-test-"));
  t.after(() => rm(directory, { recursive: true }));
  const file = join(directory, "config");
  await writeFile(file, text);
  return file;
}

const unreachable = `
apiVersion: v1
kind: Config
current-context: away
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: away, context: {cluster: c, user: u}}, {name: broken, context: {cluster: none, user: u}}]
`;

const cases: readonly (readonly [
  name: string,
  text: string | undefined,
  context: string | undefined,
  message: RegExp,
])[] = [
  [
    "no kubeconfig",
    undefined,
    undefined,
    /^No kubeconfig: \/no\/such\/file is not there; name one with --kubeconfig or \$KUBECONFIG\.$/,
  ],
  ["a kubeconfig that is no YAML", "a: [", undefined, /^Cannot read the kubeconfig .*config: /],
  ["a kubeconfig of another shape", "hello", undefined, /^(Cannot read the kubeconfig|The kubeconfig) /],
  ["an empty kubeconfig", "", undefined, /^(Cannot read the kubeconfig|The kubeconfig) /],
  [
    "a context that is not there",
    unreachable,
    "nope",
    /^No context "nope" in the kubeconfig; it has "away", "broken"\.$/,
  ],
  [
    "a context whose cluster is not there",
    unreachable,
    "broken",
    /^Context "broken" names the cluster "none", which the kubeconfig .* has not\.$/,
  ],
  [
    "a cluster that cannot be reached",
    unreachable,
    undefined,
    /^Cannot reach the API server https:\/\/127\.0\.0\.1:1: connect ECONNREFUSED 127\.0\.0\.1:1\.$/,
  ],
];

for (const [name, text, context, message] of cases) {
  test(`said in a sentence: ${name}`, async (t) => {
    const file = text === undefined ? "/no/such/file" : await kubeconfig(t, text);
    await assert.rejects(connectCluster({ kubeconfig: file, context, environment: {} }, 10_000), {
      name: "FailureError",
      message,
    });
  });
}
