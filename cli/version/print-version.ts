// `version`: prints the versions of the client, the server and each node's agent.

import { withServer } from "../cluster/with-server.ts";
import type { ClusterChoice } from "../command/cluster-choice.ts";
import type { VersionSettings } from "../command/version-settings.ts";
import type { Asker } from "../ask/ask.ts";
import { yamlText } from "../output/document.ts";
import type { Terminal } from "../output/terminal.ts";
import { escapeText } from "../text/escape-text.ts";
import { escapeQuoted } from "../../lib/json/list.ts";
import { type ServerVersions, skewSentences, versionLines, type Versions } from "./versions.ts";

/**
 * Prints the versions, and on standard error what to do where they differ. A server that cannot be reached is an
 * error, after the client's version was printed.
 */
export async function printVersion(
  settings: VersionSettings,
  client: string,
  terminal: Terminal,
  environment: ClusterChoice["environment"],
  signal: AbortSignal,
): Promise<void> {
  const { source, timeoutMs } = settings;
  if (source === null) return print({ client, server: null }, settings, terminal);
  let server: ServerVersions | null = null;
  try {
    await withServer(source, { timeoutMs, environment, signal }, async (asker) => {
      server = await askVersions(asker);
    });
  } finally {
    if (!signal.aborted) await print({ client, server }, settings, terminal);
  }
}

async function askVersions(asker: Asker): Promise<ServerVersions> {
  let version = "";
  let agents: ServerVersions["agents"] = [];
  for await (const part of asker.coverage(false)) {
    if (part.part === "head") version = part.version ?? "";
    else if (part.part === "items")
      agents = part.items.map((node) => ({ node: node.node, version: node.version }));
  }
  return { version, agents };
}

async function print(versions: Versions, { format }: VersionSettings, terminal: Terminal): Promise<void> {
  const { client, server } = versions;
  const document = { client, ...(server === null ? {} : { server: server.version, agents: server.agents }) };
  if (format === "json") await terminal.write(`${escapeQuoted(JSON.stringify(document, null, 2))}\n`);
  else if (format === "yaml") await terminal.write((await yamlText())(document as never));
  else {
    const lines = versionLines(versions, format === "wide").map((line) => escapeText(line));
    await terminal.write(`${lines.join("\n")}\n`);
  }
  for (const sentence of skewSentences(versions)) terminal.say(escapeText(sentence));
}
