import assert from "node:assert/strict";
import { it } from "node:test";
import { skewSentences, versionLines, type Versions } from "./versions.ts";

const agents = (...versions: readonly string[]): readonly { node: string; version: string }[] =>
  versions.map((version, place) => ({ node: `n${place}`, version }));

it("says the same version once, and nothing to do", () => {
  const versions: Versions = {
    client: "1.2.3",
    server: { version: "1.2.3", agents: agents("1.2.3", "1.2.3") },
  };
  assert.deepEqual(versionLines(versions, false), [
    "Client: 1.2.3",
    "Server: 1.2.3",
    "Agents: 1.2.3 on 2 nodes",
  ]);
  assert.deepEqual(versionLines(versions, true).slice(2), ["Agent on n0: 1.2.3", "Agent on n1: 1.2.3"]);
  assert.deepEqual(skewSentences(versions), []);
});

it("says what differs, and what to do", () => {
  const server = { version: "1.3.0", agents: agents("1.3.0", "1.2.3", "1.2.3", "1.2.3", "1.2.3", "") };
  const versions: Versions = { client: "1.2.3", server };
  assert.equal(
    versionLines(versions, false)[2],
    "Agents: 1.3.0 on 1 node, 1.2.3 on 4 nodes, unknown on 1 node",
  );
  assert.deepEqual(skewSentences(versions), [
    "The client is 1.2.3 and the server is 1.3.0: install kubectl-whotalks 1.3.0, or upgrade the chart.",
    "The agents on n1, n2, n3 and 1 more are 1.2.3, and the server is 1.3.0: look whether the DaemonSet is still rolling out.",
    "The agents on n5 are older, and the server is 1.3.0: look whether the DaemonSet is still rolling out.",
  ]);
});

it("knows an older server, which does not say its version", () => {
  const versions: Versions = { client: "1.2.3", server: { version: "", agents: [] } };
  assert.deepEqual(versionLines(versions, false), ["Client: 1.2.3", "Server: unknown", "Agents: none"]);
  assert.deepEqual(skewSentences(versions), []);
  assert.deepEqual(versionLines({ client: "1.2.3", server: null }, true), ["Client: 1.2.3"]);
});
