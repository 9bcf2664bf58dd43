// Matches ends through a Service's address if there is no flow: the client's socket is (C:p → VIP:vp), the
// server's (B:bp ← C:p). They are one conversation if the Service at VIP:vp has B:bp among its endpoints.

import type { ServiceFront } from "../identity/identity.ts";
import type { ServiceFronts } from "../identity/service-fronts.ts";
import { DirectionBy } from "../../../lib/vocabulary/direction.ts";
import type { ReadModel } from "../model/model.ts";
import { SocketFlag } from "../model/sockets/socket-rows.ts";
import type { ServiceRole } from "../model/sockets/socket-table.ts";
import type { Answer, OneSided } from "./answer.ts";
import { isServedByListeners } from "./by-listener.ts";
import { livedTogether } from "./lifetimes.ts";
import { listensOnOwnPort } from "./listens.ts";

/**
 * How much later than a conversation's sockets its flow may be reported: twice the usual interval of passes.
 */
const FLOW_LAG_MS = 2000;

const NOT_THROUGH_SERVICE: Answer = { kind: "service-end", role: null };

/**
 * The rule. An end without a peer waits in a role, so that the two sides and the Service may arrive in any
 * order; it waits as a client only if it dialled a Service.
 */
export function byService(model: ReadModel, { end, nowMs }: OneSided, fronts: ServiceFronts): Answer | null {
  if (isServedByListeners(model.sockets.protocol(end))) return null;
  const isServer = listensOnOwnPort(model, end);
  if (!isServer && frontOf(model, fronts, end) === null) return NOT_THROUGH_SERVICE;
  const role = isServer ? SocketFlag.loneServer : SocketFlag.serviceClient;
  const peer = onlyPeer(model, fronts, end, role);
  if (peer < 0 || hasOtherPeer(model, fronts, peer, end, opposite(role)))
    return { kind: "service-end", role };
  const client = isServer ? peer : end;
  if (mayHaveFlow(model, client, isServer ? end : peer, nowMs))
    return { kind: "service-end", role, retry: true };
  return { kind: "peer", peer, client: { end: client, by: DirectionBy.listener } };
}

// Whether the client's node translates and may still report how it translated this conversation: masquerading
// changes the client's port too, and then the server's peer is another one.
function mayHaveFlow(model: ReadModel, client: number, server: number, nowMs: number): boolean {
  const { sockets } = model;
  const sinceMs = Math.max(sockets.sinceMs[client]!, sockets.sinceMs[server]!);
  return model.nodeOfSocket(client).translates && nowMs - sinceMs < FLOW_LAG_MS;
}

/** Whether the client dialled another address or port than the server's own. */
export function isThroughService({ sockets }: ReadModel, client: number, server: number): boolean {
  return (
    sockets.remoteAddress(client) !== sockets.localAddress(server) ||
    sockets.remotePort(client) !== sockets.localPort(server)
  );
}

// The only end that fits, or -1.
function onlyPeer(model: ReadModel, fronts: ServiceFronts, slot: number, role: ServiceRole): number {
  let found = -1;
  for (const other of fittingEnds(model, fronts, slot, role)) {
    if (found >= 0) return -1;
    found = other;
  }
  return found;
}

function hasOtherPeer(
  model: ReadModel,
  fronts: ServiceFronts,
  slot: number,
  peer: number,
  role: ServiceRole,
): boolean {
  for (const other of fittingEnds(model, fronts, slot, role)) if (other !== peer) return true;
  return false;
}

// Ends that wait in the opposite role and match an end.
function* fittingEnds(
  model: ReadModel,
  fronts: ServiceFronts,
  slot: number,
  role: ServiceRole,
): Generator<number> {
  const { sockets, serviceEnds } = model;
  for (let other = serviceEnds.firstFor(slot, role); other >= 0; other = serviceEnds.after(other)) {
    if (!sockets.has(other, opposite(role))) continue;
    const isServer = role === SocketFlag.loneServer;
    if (fits(model, fronts, isServer ? other : slot, isServer ? slot : other)) yield other;
  }
}

function fits(model: ReadModel, fronts: ServiceFronts, client: number, server: number): boolean {
  const { sockets, addresses } = model;
  if (
    sockets.protocol(client) !== sockets.protocol(server) ||
    sockets.localAddress(client) !== sockets.remoteAddress(server) ||
    sockets.localPort(client) !== sockets.remotePort(server)
  ) {
    return false;
  }
  if (!livedTogether(model, client, server)) return false;
  const front = frontOf(model, fronts, client);
  return (
    front !== null &&
    front.hasBackend(addresses.text(sockets.localAddress(server)), sockets.localPort(server))
  );
}

function frontOf(model: ReadModel, fronts: ServiceFronts, client: number): ServiceFront | null {
  const { sockets, connections } = model;
  return fronts.at({
    address: sockets.remoteAddress(client),
    port: sockets.remotePort(client),
    protocol: sockets.protocol(client),
    timeMs: connections.firstSeenMs[sockets.connection(client)]!,
  });
}

function opposite(role: ServiceRole): ServiceRole {
  return role === SocketFlag.loneServer ? SocketFlag.serviceClient : SocketFlag.loneServer;
}
