// The aggregator's settings.

import { z } from "zod";

import { logLevels, normalizeLogLevel } from "../../lib/vocabulary/log-levels.ts";
import { natsSchema, natsSettings } from "../../lib/nats/settings.ts";
import { servingDefaults } from "./serve/serving-limits.ts";
import { duration, listenAddress, oneOf, readSettings } from "../../lib/program/program-settings.ts";
import type { ProgramSettings, SettingsResult } from "../../lib/program/program-settings.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const unitBytes: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["k", 1e3],
  ["M", 1e6],
  ["G", 1e9],
  ["T", 1e12],
  ["Ki", 2 ** 10],
  ["Mi", 2 ** 20],
  ["Gi", 2 ** 30],
  ["Ti", 2 ** 40],
]);

const schema = z.object({
  ...natsSchema,
  grpcAddress: listenAddress().default({ host: "0.0.0.0", port: 4180 }),
  httpAddress: listenAddress().default({ host: "0.0.0.0", port: 4181 }),
  logLevel: oneOf(logLevels, normalizeLogLevel).default("info"),
  streamMaxAge: duration(60_000, 365 * DAY_MS).default(6 * HOUR_MS),
  streamMaxBytes: byteCount(2 ** 20).default(2 ** 30),
  streamReplicas: z.enum(["1", "3", "5"], "is not 1, 3 or 5").transform(Number).default(1),
  replay: duration(0, 365 * DAY_MS).default(6 * HOUR_MS),
  closedKeep: duration(0, DAY_MS).default(300_000),
  nodeLost: duration(5000, DAY_MS).default(60_000),
  maxCalls: count(1, 100_000).default(servingDefaults.callsMax),
  maxCallsPerCaller: count(1, 100_000).default(servingDefaults.callsPerCallerMax),
  // The least holds the largest message, coverage of 50,000 pods.
  maxAnswerBytes: byteCount(16 * 2 ** 20).default(servingDefaults.bytesMax),
  readerTimeout: duration(1000, DAY_MS).default(servingDefaults.readerTimeoutMs),
});

function count(min: number, max: number): z.ZodType<number, string> {
  return z
    .string()
    .regex(/^\d{1,9}$/, "is not a number")
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be ${min} to ${max}`);
}

// Sizes as Kubernetes writes them (resource.Quantity): 512Mi, 2Gi, 500M.
function byteCount(bytesMin: number): z.ZodType<number, string> {
  return z
    .string()
    .regex(/^\d{1,15}(?:\.\d{1,3})?(?:[kMGT]|[KMGT]i)?$/, "is not a size")
    .transform((text) => Math.round(Number.parseFloat(text) * unitBytes.get(text.replace(/^[\d.]+/, ""))!))
    .refine(
      (bytes) => bytes >= bytesMin && bytes <= Number.MAX_SAFE_INTEGER,
      `must be at least ${bytesMin} bytes`,
    );
}

/** The aggregator's settings: durations in milliseconds, sizes in bytes. */
export type AggregatorConfig = Readonly<z.output<typeof schema>>;

/** The settings with their names and help texts. */
const aggregatorSettings: ProgramSettings<typeof schema.shape> = {
  program: "whotalks-aggregator",
  summary: "joins the nodes' reports into who talks to what and answers questions about it",
  schema,
  settings: {
    ...natsSettings("aggregator"),
    grpcAddress: {
      variable: "WHOTALKS_GRPC_ADDRESS",
      example: "0.0.0.0:4180",
      help: "Where the query API is",
    },
    httpAddress: {
      variable: "WHOTALKS_HTTP_ADDRESS",
      example: "0.0.0.0:4181",
      help: "Where /metrics, /livez, /readyz are",
    },
    logLevel: { variable: "WHOTALKS_LOG_LEVEL", example: "info", help: "How much is logged" },
    streamMaxAge: { variable: "WHOTALKS_STREAM_MAX_AGE", example: "6h", help: "How long reports are kept" },
    streamMaxBytes: {
      variable: "WHOTALKS_STREAM_MAX_BYTES",
      example: "1Gi",
      help: "How much of them is kept, all nodes together",
    },
    streamReplicas: {
      variable: "WHOTALKS_STREAM_REPLICAS",
      example: "1",
      help: "On how many NATS servers: 1, 3 or 5",
    },
    replay: {
      variable: "WHOTALKS_REPLAY",
      example: "6h",
      help: "How far back it reads when it starts; edges count from there",
    },
    closedKeep: {
      variable: "WHOTALKS_CLOSED_KEEP",
      example: "5m",
      help: "How long a closed connection stays visible",
    },
    nodeLost: {
      variable: "WHOTALKS_NODE_LOST",
      example: "60s",
      help: "Silence after which a node counts as lost",
    },
    maxCalls: {
      variable: "WHOTALKS_MAX_CALLS",
      example: "2048",
      help: "Calls of the query API that run at a time, all callers together",
    },
    maxCallsPerCaller: {
      variable: "WHOTALKS_MAX_CALLS_PER_CALLER",
      example: "128",
      help: "Calls of one caller that run at a time",
    },
    maxAnswerBytes: {
      variable: "WHOTALKS_MAX_ANSWER_BYTES",
      example: "192Mi",
      help: "Memory for answers that their readers have not taken yet, a quarter of it for one caller",
    },
    readerTimeout: {
      variable: "WHOTALKS_READER_TIMEOUT",
      example: "60s",
      help: "A reader that takes nothing of its answer for this long is dropped",
    },
  },
};

/** Reads the aggregator's settings; only main.ts passes the real environment. */
export function readAggregatorConfig(
  environment: Readonly<Record<string, string | undefined>>,
  args: readonly string[],
): SettingsResult<AggregatorConfig> {
  return readSettings(aggregatorSettings, environment, args);
}
