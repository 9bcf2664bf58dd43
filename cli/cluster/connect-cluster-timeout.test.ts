// Every wait on the way to the aggregator ends with --timeout, and the sentence says what was waited for.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";

import { runCli } from "../testing/run-cli.ts";

const pods = {
  items: [
    {
      metadata: { namespace: "whotalks", name: "whotalks-aggregator-1" },
      spec: { containers: [{ ports: [{ name: "grpc", containerPort: 4180 }] }] },
      status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
    },
  ],
};

// An API server that answers what `answer` does, and opens no port-forward.
async function kubeconfig(t: TestContext, answer: RequestListener): Promise<{ file: string; url: string }> {
  const server = createServer(answer);
  // The upgrade of a port-forward is never answered.
  server.on("upgrade", () => undefined);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const directory = await mkdtemp(join(tmpdir(), "whotalks-test-"));
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await rm(directory, { recursive: true });
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const file = join(directory, "config");
  await writeFile(
    file,
    `{apiVersion: v1, kind: Config, current-context: c, clusters: [{name: c, cluster: {server: "${url}", insecure-skip-tls-verify: true}}],
      users: [{name: c, user: {}}], contexts: [{name: c, context: {cluster: c, user: c}}]}`,
  );
  return { file, url };
}

const cases: readonly (readonly [
  name: string,
  answer: RequestListener,
  sentence: (url: string) => string,
])[] = [
  [
    "an API server that does not answer",
    () => undefined,
    (url) => `The API server ${url} did not answer which pods whotalks has within 1s`,
  ],
  [
    "an API server that stops in its answer",
    (_, response) => {
      response.writeHead(200);
      response.write("{");
    },
    (url) => `The API server ${url} did not answer which pods whotalks has within 1s`,
  ],
  [
    "a port-forward that does not open",
    (_, response) => response.end(JSON.stringify(pods)),
    (url) =>
      `The API server ${url} did not open a port-forward to pod whotalks/whotalks-aggregator-1 within 1s`,
  ],
];

for (const [name, answer, sentence] of cases) {
  test(`--timeout ends the wait for ${name}`, async (t) => {
    const { file, url } = await kubeconfig(t, answer);
    const beginMs = performance.now();
    const run = await runCli(["--timeout", "1s", "--kubeconfig", file]);
    assert.equal(
      run.stderr,
      `whotalks: ${sentence(url)}: look whether it is well, or give it more --timeout.\n`,
    );
    assert.equal(run.exitCode, 1);
    assert.ok(performance.now() - beginMs < 10_000);
  });
}
