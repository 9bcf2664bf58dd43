import assert from "node:assert/strict";
import { test } from "node:test";

import type { AggregatorConfig } from "./config.ts";
import { readAggregatorConfig } from "./config.ts";

function valuesOf(environment: Record<string, string>): AggregatorConfig {
  const result = readAggregatorConfig(environment, []);
  assert.equal(result.kind, "settings");
  return result.values;
}

test("no setting is required", () => {
  assert.deepEqual(valuesOf({}), {
    natsUrl: ["nats://127.0.0.1:4222"],
    grpcAddress: { host: "0.0.0.0", port: 4180 },
    httpAddress: { host: "0.0.0.0", port: 4181 },
    logLevel: "info",
    streamMaxAge: 6 * 3_600_000,
    streamMaxBytes: 2 ** 30,
    streamReplicas: 1,
    replay: 21_600_000,
    closedKeep: 300_000,
    maxCalls: 2048,
    maxCallsPerCaller: 128,
    maxAnswerBytes: 192 * 2 ** 20,
    readerTimeout: 60_000,
    nodeLost: 60_000,
  });
});

for (const [text, bytes] of [
  ["2Gi", 2 * 2 ** 30],
  ["500M", 5e8],
  ["1.5Mi", 1.5 * 2 ** 20],
  ["3000000", 3e6],
] as const) {
  test(`a size of ${text}`, () => {
    assert.equal(valuesOf({ WHOTALKS_STREAM_MAX_BYTES: text }).streamMaxBytes, bytes);
  });
}

test("all problems are reported at once, each with its name, the value and an example", () => {
  const result = readAggregatorConfig(
    {
      WHOTALKS_STREAM_MAX_BYTES: "2 GB",
      WHOTALKS_STREAM_REPLICAS: "2",
      WHOTALKS_CLOSED_KEEP: "5",
      WHOTALKS_NODE_LOST: "1s",
    },
    [],
  );
  assert.equal(result.kind, "problems");
  assert.deepEqual(result.text.split("\n").slice(1), [
    '  WHOTALKS_STREAM_MAX_BYTES "2 GB" is not a size; for example WHOTALKS_STREAM_MAX_BYTES=1Gi',
    '  WHOTALKS_STREAM_REPLICAS "2" is not 1, 3 or 5; for example WHOTALKS_STREAM_REPLICAS=1',
    '  WHOTALKS_CLOSED_KEEP "5" is not a duration; for example WHOTALKS_CLOSED_KEEP=5m',
    '  WHOTALKS_NODE_LOST "1s" must be between 5000 ms and 86400000 ms; for example WHOTALKS_NODE_LOST=60s',
  ]);
});

test("a size that is too small is reported once", () => {
  const result = readAggregatorConfig({ WHOTALKS_STREAM_MAX_BYTES: "10k" }, []);
  assert.equal(result.kind, "problems");
  assert.match(result.text, /WHOTALKS_STREAM_MAX_BYTES "10k" must be at least 1048576 bytes; for example/);
});
