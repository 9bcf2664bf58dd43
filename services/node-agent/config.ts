// The node agent's settings.

import { z } from "zod";
import { logLevels, normalizeLogLevel } from "../../lib/vocabulary/log-levels.ts";
import { natsSchema, natsSettings } from "../../lib/nats/settings.ts";
import {
  duration,
  listenAddress,
  oneOf,
  type ProgramSettings,
  readSettings,
  type SettingsResult,
} from "../../lib/program/program-settings.ts";
import { normalizeReader, readerChoices } from "../../lib/vocabulary/reader-names.ts";

import { eventsChoices, normalizeEventsChoice } from "../../lib/vocabulary/events-modes.ts";
import { conntrackChoices, normalizeConntrackChoice } from "../../lib/vocabulary/conntrack-choices.ts";

const DAY_MS = 86_400_000;

const schema = z.object({
  nodeName: z.string().max(253, "is longer than a node's name can be (253)"),
  ...natsSchema,
  procRoot: z.string().startsWith("/", "is not an absolute path").default("/proc"),
  interval: duration(100, DAY_MS).default(1000),
  keyframeInterval: duration(1000, DAY_MS).default(180_000),
  httpAddress: listenAddress().default({ host: "0.0.0.0", port: 4191 }),
  logLevel: oneOf(logLevels, normalizeLogLevel).default("info"),
  reader: oneOf(readerChoices, normalizeReader).default("auto"),
  conntrack: oneOf(conntrackChoices, normalizeConntrackChoice).default("auto"),
  events: oneOf(eventsChoices, normalizeEventsChoice).default("auto"),
  cpuBudget: cpuShare().default(0.01),
});

function cpuShare(): z.ZodType<number, string> {
  return z
    .string()
    .regex(/^\d+(?:\.\d+)?%?$/, "is not a share of one core")
    .transform((text) => Number.parseFloat(text) / (text.endsWith("%") ? 100 : 1))
    .refine((share) => share > 0 && share <= 64, "must be above 0 and at most 64 cores");
}

/** The agent's settings: durations in milliseconds, the CPU budget as a share of one core. */
export type AgentConfig = Readonly<z.output<typeof schema>>;

/** The settings with their names and help texts. */
export const agentSettings: ProgramSettings<typeof schema.shape> = {
  program: "whotalks-agent",
  summary: "reads who talks to what on its node and publishes it to NATS",
  schema,
  settings: {
    nodeName: { variable: "WHOTALKS_NODE_NAME", example: "node-1", help: "Name of the node that is read" },
    ...natsSettings("agent"),
    procRoot: { variable: "WHOTALKS_PROC_ROOT", example: "/host/proc", help: "Where the node's /proc is" },
    interval: { variable: "WHOTALKS_INTERVAL", example: "1s", help: "Time between passes" },
    keyframeInterval: {
      variable: "WHOTALKS_KEYFRAME_INTERVAL",
      example: "3m",
      help: "Time between full reports",
    },
    httpAddress: {
      variable: "WHOTALKS_HTTP_ADDRESS",
      example: "0.0.0.0:4191",
      help: "Where /metrics, /livez, /readyz are",
    },
    logLevel: { variable: "WHOTALKS_LOG_LEVEL", example: "info", help: "How much is logged" },
    reader: {
      variable: "WHOTALKS_READER",
      example: "auto",
      help: `Which reader reads the sockets: ${readerChoices.join(", ")} (auto: the best that works)`,
    },
    conntrack: {
      variable: "WHOTALKS_CONNTRACK",
      example: "auto",
      help: `How conntrack is read: ${conntrackChoices.join(", ")} (auto: the best that works)`,
    },
    events: {
      variable: "WHOTALKS_EVENTS",
      example: "auto",
      help: "Whether a program on the kernel's tracepoint inet_sock_set_state reports TCP sockets: auto (where the kernel allows it) or off (nothing is attached to the kernel)",
    },
    cpuBudget: {
      variable: "WHOTALKS_CPU_BUDGET",
      example: "1%",
      help: "Share of one core that the agent may take in the long run: the interval is stretched to keep it",
    },
  },
};

/** Reads the agent's settings; main.ts alone passes the real environment. */
export function readAgentConfig(
  environment: Readonly<Record<string, string | undefined>>,
  args: readonly string[],
): SettingsResult<AgentConfig> {
  return readSettings(agentSettings, environment, args);
}
