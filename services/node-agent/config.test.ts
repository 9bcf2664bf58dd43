import assert from "node:assert/strict";
import { test } from "node:test";
import { type AgentConfig, agentSettings, readAgentConfig } from "./config.ts";

test("only the node's name is required", () => {
  const result = readAgentConfig({ WHOTALKS_NODE_NAME: "n1" }, []);
  assert.equal(result.kind, "settings");
  assert.equal(result.values.nodeName, "n1");
  assert.deepEqual(result.values.natsUrl, ["nats://127.0.0.1:4222"]);
  assert.equal(result.values.interval, 1000);
  assert.equal(result.values.keyframeInterval, 180_000);
  assert.deepEqual(result.values.httpAddress, { host: "0.0.0.0", port: 4191 });
  assert.equal(result.values.cpuBudget, 0.01);
  assert.ok(Object.isFrozen(result.values));
});

test("flags take precedence over the environment, and an empty variable counts as unset", () => {
  const environment = { WHOTALKS_NODE_NAME: "n1", WHOTALKS_INTERVAL: "5s", WHOTALKS_CPU_BUDGET: "" };
  const result = readAgentConfig(environment, ["--interval", "500ms", "--http-address=[::1]:80"]);
  assert.equal(result.kind, "settings");
  assert.equal(result.values.interval, 500);
  assert.deepEqual(result.values.httpAddress, { host: "::1", port: 80 });
});

function values(environment: Record<string, string>): AgentConfig {
  const result = readAgentConfig({ WHOTALKS_NODE_NAME: "n", ...environment }, []);
  assert.equal(result.kind, "settings");
  return result.values;
}

test("values in other forms", () => {
  assert.equal(values({ WHOTALKS_CPU_BUDGET: "5%" }).cpuBudget, 0.05);
  assert.equal(values({ WHOTALKS_CPU_BUDGET: "0.25" }).cpuBudget, 0.25);
  assert.equal(values({ WHOTALKS_KEYFRAME_INTERVAL: "1.5h" }).keyframeInterval, 5_400_000);
  assert.deepEqual(values({ WHOTALKS_NATS_URL: "nats://a:1, tls://b:2" }).natsUrl, [
    "nats://a:1",
    "tls://b:2",
  ]);
  assert.deepEqual(values({ WHOTALKS_HTTP_ADDRESS: ":4191" }).httpAddress, { host: "::", port: 4191 });
});

test("all problems are reported at once, each with its name, the value and an example", () => {
  const result = readAgentConfig(
    {
      WHOTALKS_NATS_URL: "http://x",
      WHOTALKS_INTERVAL: "1 second",
      WHOTALKS_KEYFRAME_INTERVAL: "1ms",
      WHOTALKS_HTTP_ADDRESS: "here",
      WHOTALKS_PROC_ROOT: "proc",
      WHOTALKS_LOG_LEVEL: "loud",
      WHOTALKS_READER: "magic",
      WHOTALKS_CPU_BUDGET: "0",
    },
    [],
  );
  assert.equal(result.kind, "problems");
  for (const line of [
    /WHOTALKS_NODE_NAME is missing; for example WHOTALKS_NODE_NAME=node-1/,
    /WHOTALKS_NATS_URL "http:\/\/x" is not a list/,
    /WHOTALKS_INTERVAL "1 second" is not a duration; for example WHOTALKS_INTERVAL=1s/,
    /WHOTALKS_KEYFRAME_INTERVAL "1ms" must be between/,
    /WHOTALKS_HTTP_ADDRESS "here" is not/,
    /WHOTALKS_PROC_ROOT "proc" is not an absolute path/,
    /WHOTALKS_LOG_LEVEL "loud" is not one of/,
    /WHOTALKS_READER "magic" is not one of auto, bpf-iter, sock-diag, procfs/,
    /WHOTALKS_CPU_BUDGET "0" must be/,
  ]) {
    assert.match(result.text, line);
  }
});

test("unknown flags are a problem, secrets have none", () => {
  for (const flag of ["--colour", "--nats-password=x"])
    assert.equal(readAgentConfig({}, [flag]).kind, "problems");
});

test("the help names every setting", () => {
  const result = readAgentConfig({}, ["--help"]);
  assert.equal(result.kind, "help");
  for (const { variable } of Object.values(agentSettings.settings))
    assert.ok(result.text.includes(variable), variable);
  assert.equal(readAgentConfig({}, ["--version"]).kind, "version");
});
