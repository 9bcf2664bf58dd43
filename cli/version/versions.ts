// The versions of the client, the server and the agents, as text, and what to do where they differ.

/** An agent's version; empty if it does not say. */
interface AgentVersion {
  readonly node: string;
  readonly version: string;
}

/** What runs in the cluster. */
export interface ServerVersions {
  /** Empty if the server does not say. */
  readonly version: string;
  readonly agents: readonly AgentVersion[];
}

/** All versions; the server is null if it was not asked. */
export interface Versions {
  readonly client: string;
  readonly server: ServerVersions | null;
}

/** Nodes that a sentence names at most; further ones are counted. */
const NODES_MAX = 3;
const UNKNOWN = "unknown";

/** Returns the lines that `version` prints; with wide, one for each node's agent. */
export function versionLines({ client, server }: Versions, wide: boolean): string[] {
  const lines = [`Client: ${client}`];
  if (server === null) return lines;
  lines.push(`Server: ${server.version || UNKNOWN}`);
  if (wide) {
    for (const { node, version } of server.agents) lines.push(`Agent on ${node}: ${version || UNKNOWN}`);
    return lines;
  }
  const parts = byVersion(server.agents).map(
    ([version, nodes]) => `${version || UNKNOWN} on ${nodes.length} ${nodes.length === 1 ? "node" : "nodes"}`,
  );
  return [...lines, `Agents: ${parts.join(", ") || "none"}`];
}

/** Returns sentences about versions that differ. */
export function skewSentences({ client, server }: Versions): string[] {
  if (server === null || server.version === "") return [];
  const sentences: string[] = [];
  if (client !== server.version) {
    sentences.push(
      `The client is ${client} and the server is ${server.version}: install kubectl-whotalks ${server.version}, or upgrade the chart.`,
    );
  }
  for (const [version, nodes] of byVersion(server.agents)) {
    if (version === server.version) continue;
    const named = nodes.slice(0, NODES_MAX).join(", ");
    const more = nodes.length > NODES_MAX ? ` and ${nodes.length - NODES_MAX} more` : "";
    sentences.push(
      `The agents on ${named}${more} are ${version || "older"}, and the server is ${server.version}: look whether the DaemonSet is still rolling out.`,
    );
  }
  return sentences;
}

function byVersion(agents: readonly AgentVersion[]): ReadonlyArray<readonly [string, readonly string[]]> {
  const nodes = Map.groupBy(agents, ({ version }) => version);
  return [...nodes].map(([version, those]) => [version, those.map(({ node }) => node)] as const);
}
