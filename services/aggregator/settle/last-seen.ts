// When a connection was last seen.

import { Trait } from "../model/connections/connection-rows.ts";
import type { ReadModel } from "../model/model.ts";
import { hasLiveFlow } from "./flow-signs.ts";

/** Returns when an end or a flow of a connection was last seen; never before it was first seen. */
export function lastSeenMs(model: ReadModel, connection: number): number {
  const { connections } = model;
  return Math.max(
    connections.firstSeenMs[connection]!,
    flowSeenMs(model, connection),
    endSeenMs(model, connections.client[connection]!),
    endSeenMs(model, connections.serverEnd(connection)),
  );
}

function flowSeenMs(model: ReadModel, connection: number): number {
  const { connections, flows } = model;
  if (!connections.has(connection, Trait.lone) && !connections.folds.has(connection)) return 0;
  const flow = connections.flow[connection]!;
  if (flow < 0) return connections.lastSeenMs[connection]!;
  const goneMs = Math.max(connections.lastSeenMs[connection]!, flows.goneMs[flow]!);
  return hasLiveFlow(model, connection) ? Math.max(goneMs, model.nodeOfFlow(flow).observedMs) : goneMs;
}

function endSeenMs(model: ReadModel, slot: number): number {
  if (slot < 0) return 0;
  const { sockets } = model;
  return sockets.isLive(slot) ? model.nodeOfSocket(slot).observedMs : sockets.sinceMs[slot]!;
}
