// The chart offers the settings that the programs accept, with the same defaults: compares values.yaml and
// values.schema.json with the programs' settings.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parse } from "yaml";
import { z } from "zod";

import type { SettingsResult } from "../lib/program/program-settings.ts";
import { eventsChoices } from "../lib/vocabulary/events-modes.ts";
import { conntrackChoices } from "../lib/vocabulary/conntrack-choices.ts";
import { logLevels } from "../lib/vocabulary/log-levels.ts";
import { readerChoices } from "../lib/vocabulary/reader-names.ts";
import { readAggregatorConfig } from "../services/aggregator/config.ts";
import { readAgentConfig } from "../services/node-agent/config.ts";

const chart = new URL("../charts/whotalks/", import.meta.url);
const tree = z.record(z.string(), z.unknown());
const valuesText = readFileSync(new URL("values.yaml", chart), "utf8");
const values: unknown = parse(valuesText);
const schema: unknown = JSON.parse(readFileSync(new URL("values.schema.json", chart), "utf8"));

// Follows keys through nested objects.
function at(root: unknown, keys: readonly string[]): unknown {
  return keys.reduce((node, key) => tree.parse(node)[key], root);
}

// The schema of a value ("agent.reader"), with its $ref resolved.
function schemaOf(value: string): Record<string, unknown> {
  const found = tree.parse(
    at(
      schema,
      value.split(".").flatMap((key) => ["properties", key]),
    ),
  );
  const reference = found["$ref"];
  return typeof reference === "string" ? tree.parse(at(schema, reference.split("/").slice(1))) : found;
}

// The comment before a value of values.yaml ("agent.reader", "logLevel").
function commentOf(value: string): string {
  const [key, section] = value.split(".").toReversed();
  const from = section === undefined ? 0 : valuesText.indexOf(`\n${section}:`);
  return new RegExp(`# -- (.*)\\n *${key}: `).exec(valuesText.slice(from))?.[1] ?? "";
}

function ofAgent(environment: Record<string, string>): SettingsResult<Record<string, unknown>> {
  return readAgentConfig({ WHOTALKS_NODE_NAME: "n", ...environment }, []);
}

function ofAggregator(environment: Record<string, string>): SettingsResult<Record<string, unknown>> {
  return readAggregatorConfig(environment, []);
}

function settingsOf(result: SettingsResult<Record<string, unknown>>): Record<string, unknown> {
  assert.equal(result.kind, "settings");
  return result.values;
}

type Read = typeof ofAgent;

describe("words that the chart offers", () => {
  const lists: ReadonlyArray<
    readonly [value: string, words: readonly string[], read: Read, variable: string]
  > = [
    ["logLevel", logLevels, ofAgent, "WHOTALKS_LOG_LEVEL"],
    ["logLevel", logLevels, ofAggregator, "WHOTALKS_LOG_LEVEL"],
    ["agent.reader", readerChoices, ofAgent, "WHOTALKS_READER"],
    ["agent.conntrack", conntrackChoices, ofAgent, "WHOTALKS_CONNTRACK"],
    ["agent.events", eventsChoices, ofAgent, "WHOTALKS_EVENTS"],
    ["stream.replicas", ["1", "3", "5"], ofAggregator, "WHOTALKS_STREAM_REPLICAS"],
  ];
  for (const [value, words, read, variable] of lists) {
    it(`${value} are those of ${variable}`, () => {
      const offered = z.array(z.coerce.string()).parse(schemaOf(value)["enum"]);
      assert.deepEqual(offered, words);
      for (const word of offered) assert.equal(read({ [variable]: word }).kind, "settings", word);
      const comment = commentOf(value);
      for (const word of words)
        assert.match(comment, new RegExp(`\\b${word}\\b`), `values.yaml names ${word}`);
    });
  }
});

const settings: ReadonlyArray<readonly [value: string, read: Read, variable: string, setting: string]> = [
  ["logLevel", ofAgent, "WHOTALKS_LOG_LEVEL", "logLevel"],
  ["logLevel", ofAggregator, "WHOTALKS_LOG_LEVEL", "logLevel"],
  ["agent.interval", ofAgent, "WHOTALKS_INTERVAL", "interval"],
  ["agent.keyframeInterval", ofAgent, "WHOTALKS_KEYFRAME_INTERVAL", "keyframeInterval"],
  ["agent.reader", ofAgent, "WHOTALKS_READER", "reader"],
  ["agent.conntrack", ofAgent, "WHOTALKS_CONNTRACK", "conntrack"],
  ["aggregator.closedKeep", ofAggregator, "WHOTALKS_CLOSED_KEEP", "closedKeep"],
  ["aggregator.nodeLost", ofAggregator, "WHOTALKS_NODE_LOST", "nodeLost"],
  ["aggregator.maxCalls", ofAggregator, "WHOTALKS_MAX_CALLS", "maxCalls"],
  ["aggregator.maxCallsPerCaller", ofAggregator, "WHOTALKS_MAX_CALLS_PER_CALLER", "maxCallsPerCaller"],
  ["aggregator.maxAnswerBytes", ofAggregator, "WHOTALKS_MAX_ANSWER_BYTES", "maxAnswerBytes"],
  ["aggregator.readerTimeout", ofAggregator, "WHOTALKS_READER_TIMEOUT", "readerTimeout"],
  ["stream.maxAge", ofAggregator, "WHOTALKS_STREAM_MAX_AGE", "streamMaxAge"],
  ["stream.maxBytes", ofAggregator, "WHOTALKS_STREAM_MAX_BYTES", "streamMaxBytes"],
  ["stream.replicas", ofAggregator, "WHOTALKS_STREAM_REPLICAS", "streamReplicas"],
];

describe("the chart's defaults are the programs'", () => {
  for (const [value, read, variable, setting] of settings) {
    it(`${value} is ${variable}`, () => {
      const text = String(at(values, value.split(".")));
      assert.deepEqual(settingsOf(read({ [variable]: text }))[setting], settingsOf(read({}))[setting]);
    });
  }

  it("agent.metrics is WHOTALKS_HTTP_ADDRESS", () => {
    const metrics = tree.parse(at(values, ["agent", "metrics"]));
    assert.deepEqual(settingsOf(ofAgent({}))["httpAddress"], {
      host: metrics["address"],
      port: metrics["port"],
    });
  });
});

describe("the form of what the chart admits is known to the programs", () => {
  const forms: ReadonlyArray<readonly [value: string, read: Read, variable: string, refusal: RegExp]> = [
    ["agent.interval", ofAgent, "WHOTALKS_INTERVAL", /is not a duration/],
    ["agent.cpuBudget", ofAgent, "WHOTALKS_CPU_BUDGET", /is not a share/],
    ["stream.maxAge", ofAggregator, "WHOTALKS_STREAM_MAX_AGE", /is not a duration/],
    ["stream.maxBytes", ofAggregator, "WHOTALKS_STREAM_MAX_BYTES", /is not a size/],
    ["aggregator.maxAnswerBytes", ofAggregator, "WHOTALKS_MAX_ANSWER_BYTES", /is not a size/],
    ["aggregator.readerTimeout", ofAggregator, "WHOTALKS_READER_TIMEOUT", /is not a duration/],
    ["nats.external.url", ofAggregator, "WHOTALKS_NATS_URL", /is not a list/],
  ];
  for (const [value, read, variable, refusal] of forms) {
    it(`${value} is ${variable}`, () => {
      const { type = "string", pattern } = schemaOf(value);
      assert.equal(type, "string", "a number would be rendered as 1e+09");
      assert.ok(typeof pattern === "string");
      fc.assert(
        fc.property(fc.stringMatching(new RegExp(pattern)), (text) => {
          const result = read({ [variable]: text });
          assert.ok(result.kind !== "problems" || !refusal.test(result.text), text);
        }),
      );
    });
  }
});
