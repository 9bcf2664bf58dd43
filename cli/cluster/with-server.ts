// Connects to the server that the user chose, by its address or through the cluster's API server, for one use.

import type { ClusterChoice } from "../command/cluster-choice.ts";
import { FailureError } from "../command/errors.ts";
import type { ServerSource } from "../command/settings.ts";
import type { Asker } from "../ask/ask.ts";
import type { ClusterConnection } from "./connect-cluster.ts";

/** How to reach a server. */
interface Reaching {
  readonly timeoutMs: number;
  readonly environment: ClusterChoice["environment"];
  readonly signal: AbortSignal;
}

/** Connects, calls back, and closes the connection. The cluster is null if the user named an address. */
export async function withServer(
  source: ServerSource,
  { timeoutMs, environment, signal }: Reaching,
  use: (asker: Asker, cluster: ClusterConnection | null) => Promise<void>,
): Promise<void> {
  const cluster = source.kind === "cluster" ? await reachCluster(source, timeoutMs, environment) : null;
  try {
    if (signal.aborted) return;
    const { connect } = await import("../ask/ask.ts");
    const address = source.kind === "server" ? source.address : cluster!.address;
    const asker = connect(address, timeoutMs, signal, cluster?.place);
    try {
      await use(asker, cluster);
    } catch (error) {
      throw cluster === null ? error : explainWay(error, cluster);
    } finally {
      asker.close();
    }
  } finally {
    await cluster?.close();
  }
}

async function reachCluster(
  source: ServerSource & { kind: "cluster" },
  timeoutMs: number,
  environment: ClusterChoice["environment"],
): Promise<ClusterConnection> {
  const { connectCluster } = await import("./connect-cluster.ts");
  return connectCluster({ ...source.choice, environment }, timeoutMs);
}

// Failures of the path through the API server are not at the address that gRPC dials.
function explainWay(error: unknown, cluster: ClusterConnection): unknown {
  const trouble = cluster.trouble();
  if (!(error instanceof FailureError) || trouble === "") return error;
  return new FailureError(`The way to whotalks through the API server broke: ${trouble}`, { cause: error });
}
