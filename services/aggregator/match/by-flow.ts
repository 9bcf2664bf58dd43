// Matches flows with the ends of connections. A client's socket has a flow's original tuple, a server's socket
// the mirror of its reply: a translated flow therefore shows which server's socket answers which client's, and
// what was dialled.

import { DirectionBy } from "../../../lib/vocabulary/direction.ts";
import { destinationOf, hashSegment, Segment, segments, sourceOf } from "../model/flows/flow-index.ts";
import type { SegmentNumber } from "../model/flows/flow-index.ts";
import { FlowPlace } from "../model/flows/flow-rows.ts";
import type { ReadModel } from "../model/model.ts";
import { isFamily } from "../../../lib/vocabulary/protocols.ts";
import type { Answer, OneSided } from "./answer.ts";
import { likelierGonePeer, NO_PEER, partnerOf } from "./by-tuple.ts";
import { firstOfChain } from "./conversation.ts";
import { LAG_MS } from "./lag.ts";
import { bornMs, likelierPeer, livedTogether, mayOutlive } from "./lifetimes.ts";

/** More than one translation fits an end. */
const SEVERAL_FLOWS = -2;

/** The rule: a translated flow names the other end, wherever that is. */
export function byFlow(model: ReadModel, { connection, end, flow }: OneSided): Answer | null {
  if (flow < 0 || !model.flows.isTranslated(flow)) return null;
  const peer = peerByFlow(model, flow, end);
  const other = peer < 0 ? -1 : model.sockets.connection(peer);
  if (other < 0 || other === connection || model.connections.onlyEnd(other) !== peer) return null;
  const client = isClientEnd(model, flow, end) ? end : peer;
  return { kind: "peer", peer, client: { end: client, by: DirectionBy.flow } };
}

/**
 * Returns the flow that fits the ends of a connection, preferring a translated one; the flow already attached
 * if none fits better; -1 if there is none. Never guesses: if two translations fit, it returns neither.
 */
export function flowFor(model: ReadModel, connection: number): number {
  const { connections, flows } = model;
  if (flows.size === 0) return -1;
  const before = connections.flow[connection]!;
  const isSettled =
    before >= 0 &&
    flows.isLive(before) &&
    flows.isTranslated(before) &&
    fitsConnection(model, before, connection) &&
    firstOfChain(model, before) === before;
  if (isSettled) return before;
  const found = findFlow(model, connection);
  return found < 0 ? before : found;
}

/** The flow attached to a connection, if its client is the flow's client too; else -1. */
export function alignedFlow(model: ReadModel, connection: number): number {
  const { connections } = model;
  const flow = connections.flow[connection]!;
  if (flow < 0) return -1;
  const client = connections.client[connection]!;
  return isClientEnd(model, flow, connections.anySocket(connection)) === client >= 0 ? flow : -1;
}

/** Whether an end has the original tuple of a flow, which makes it the client. */
export function isClientEnd(model: ReadModel, flow: number, end: number): boolean {
  return hasEndAt(model, flow, FlowPlace.originalSource, FlowPlace.originalDestination, end);
}

/** Whether a flow may belong to a conversation of which a socket's end is known. */
export function hasKnownEnd(model: ReadModel, flow: number): boolean {
  const { flows, ends } = model;
  for (const segment of segments) {
    const from = sourceOf(segment);
    const to = destinationOf(segment);
    const source = flows.at(flow, from);
    const destination = flows.at(flow, to);
    let end = ends.first(
      flows.protocol[flow]!,
      source.address,
      source.port,
      destination.address,
      destination.port,
    );
    for (; end >= 0; end = ends.after(end)) {
      const fits = hasEndAt(model, flow, from, to, end) || hasEndAt(model, flow, to, from, end);
      if (fits && isInScope(model, flow, end) && isTimely(model, flow, end)) return true;
    }
  }
  return false;
}

/** The only end that a flow shows to be the other end of this one; -1 if none, or more than one, fits. */
function peerByFlow(model: ReadModel, flow: number, end: number): number {
  const { flows, sockets, ends } = model;
  const toServer = isClientEnd(model, flow, end);
  const at = toServer ? flows.last(flow) : flow;
  const local = toServer ? FlowPlace.replySource : FlowPlace.originalSource;
  const remote = toServer ? FlowPlace.replyDestination : FlowPlace.originalDestination;
  let found = -1;
  let gone = NO_PEER;
  let other = ends.first(
    flows.protocol[at]!,
    flows.address(at, local),
    flows.port(at, local),
    flows.address(at, remote),
    flows.port(at, remote),
  );
  for (; other >= 0; other = ends.after(other)) {
    if (other === end || !hasEndAt(model, at, local, remote, other)) continue;
    if (ends.isNamespaceScoped(other) || !isTimely(model, at, other)) continue;
    if (!sockets.isLive(other)) {
      // Ports are reused: an end that has a peer belongs to another conversation.
      if (partnerOf(model, other) < 0 && livedTogether(model, end, other) && mayOutlive(model, end, other))
        gone = likelierGonePeer(model, end, gone, other);
      continue;
    }
    if (found >= 0) return -1;
    found = other;
  }
  if (found < 0) return Math.max(gone, -1);
  return gone < 0 ? found : likelierPeer(model, end, found, gone);
}

function findFlow(model: ReadModel, connection: number): number {
  const { connections, flows, ends } = model;
  const client = connections.client[connection]!;
  const server = connections.serverEnd(connection);
  let best = -1;
  for (const end of client === server ? [client] : [client, server]) {
    if (end < 0) continue;
    const found = flowOfEnd(model, end);
    if (found === SEVERAL_FLOWS) return -1;
    // Ends that mirror each other have no translation between them: one that an end fits is another
    // conversation's.
    if (found >= 0 && flows.isTranslated(found) && client >= 0 && server >= 0 && ends.mirrors(client, server))
      continue;
    if (found >= 0 && (best < 0 || flows.isTranslated(found))) best = found;
  }
  return best;
}

function flowOfEnd(model: ReadModel, end: number): number {
  const { sockets, flows } = model;
  const { index } = flows;
  const protocol = sockets.protocol(end);
  if (isFamily(protocol)) return -1;
  const localAddress = sockets.localAddress(end);
  const localPort = sockets.localPort(end);
  const remoteAddress = sockets.remoteAddress(end);
  const remotePort = sockets.remotePort(end);
  let plain = -1;
  let translated = -1;
  for (const segment of segments) {
    const asClient = segment === Segment.before;
    const hash = asClient
      ? hashSegment(protocol, localAddress, localPort, remoteAddress, remotePort)
      : hashSegment(protocol, remoteAddress, remotePort, localAddress, localPort);
    const local = asClient ? sourceOf(segment) : destinationOf(segment);
    const remote = asClient ? destinationOf(segment) : sourceOf(segment);
    for (let flow = index.first(segment, hash); flow >= 0; flow = index.after(segment, flow)) {
      if (!hasEndAt(model, flow, local, remote, end) || !isInScope(model, flow, end)) continue;
      if (!isTimely(model, flow, end) || hasLikelierRival(model, flow, end, segment, hash)) continue;
      if (!flows.isTranslated(flow)) plain = plain < 0 || flows.isLive(flow) ? flow : plain;
      else if (translated < 0 || supersedes(model, flow, translated)) translated = flow;
      else if (!supersedes(model, translated, flow) && !translateAlike(model, flow, translated))
        return SEVERAL_FLOWS;
    }
  }
  return translated >= 0 ? firstOfChain(model, translated) : plain;
}

// Whether another entry of the same table, before or after this one, fits the end's life better: the table
// has one entry of a tuple at a time. Of entries that fit alike, an end has the first that no other end on
// its tuple has.
function hasLikelierRival(
  model: ReadModel,
  flow: number,
  end: number,
  segment: SegmentNumber,
  hash: number,
): boolean {
  const { flows, sockets } = model;
  const { index } = flows;
  let ownMs = -1;
  for (let rival = index.first(segment, hash); rival >= 0; rival = index.after(segment, rival)) {
    if (rival === flow || flows.namespace[rival] !== flows.namespace[flow]) continue;
    if (flows.zone[rival] !== flows.zone[flow] || !index.equals(rival, segment, flow, segment)) continue;
    if (!isTimely(model, rival, end)) continue;
    const itsMs = apartMs(model, rival, end);
    if (ownMs < 0) ownMs = apartMs(model, flow, end);
    if (itsMs < ownMs) return true;
    if (itsMs > ownMs) continue;
    if (flows.isLive(flow) !== flows.isLive(rival) && sockets.bornAfterMs[end] === 0 && sockets.isLive(end)) {
      // The end was found when its agent started: its entry is the one that is there.
      if (flows.isLive(rival)) return true;
      continue;
    }
    const isOwnTaken = isTaken(model, flow, end);
    const isRivalTaken = isTaken(model, rival, end);
    if (isOwnTaken !== isRivalTaken ? isOwnTaken : flows.sinceMs[rival]! < flows.sinceMs[flow]!) return true;
  }
  return false;
}

// How far apart a flow and an end began, at least.
function apartMs(model: ReadModel, flow: number, end: number): number {
  const { flows, sockets } = model;
  return Math.max(
    0,
    flows.bornAfterMs[flow]! - bornMs(model, end),
    sockets.bornAfterMs[end]! - flows.sinceMs[flow]!,
  );
}

// Whether a flow is that of another end with the tuple of this one.
function isTaken({ flows, connections, ends, sockets }: ReadModel, flow: number, end: number): boolean {
  const connection = flows.connection[flow]!;
  if (connection < 0 || connection === sockets.connection(end) || !connections.exists(connection))
    return false;
  const client = connections.client[connection]!;
  const server = connections.serverEnd(connection);
  return (client >= 0 && ends.equals(client, end)) || (server >= 0 && ends.equals(server, end));
}

function supersedes({ flows }: ReadModel, a: number, b: number): boolean {
  return flows.isLive(a) && !flows.isLive(b);
}

function translateAlike({ flows }: ReadModel, a: number, b: number): boolean {
  for (let place = 0; place < 4; place++) {
    if (flows.address(a, place) !== flows.address(b, place) || flows.port(a, place) !== flows.port(b, place))
      return false;
  }
  return true;
}

function fitsConnection(model: ReadModel, flow: number, connection: number): boolean {
  const { connections, flows } = model;
  const client = connections.client[connection]!;
  const end = client >= 0 ? client : connections.serverEnd(connection);
  if (!isTimely(model, flow, end)) return false;
  return (
    isClientEnd(model, flow, end) ||
    hasEndAt(model, flows.last(flow), FlowPlace.replySource, FlowPlace.replyDestination, end)
  );
}

// Ports are reused, and the kernel creates a new entry each time: a flow much older than the socket, or one
// that began after the socket was gone, belongs to another conversation.
function isTimely(model: ReadModel, flow: number, end: number): boolean {
  const { flows, sockets } = model;
  const live = sockets.isLive(end);
  const beganMs = sockets.bornAfterMs[end]!;
  // A datagram socket's flow ends when the socket is silent, and a new one may even begin before the socket
  // was first seen. Events report a flow at once, but only the next pass sees its socket.
  const lagMs = LAG_MS + 2 * model.nodeOfSocket(end).intervalMs;
  if (flows.sinceMs[flow]! < beganMs - lagMs) return false;
  if (!live && flows.bornAfterMs[flow]! > sockets.sinceMs[end]! + lagMs) return false;
  if (flows.isLive(flow)) return true;
  return flows.goneMs[flow]! >= (beganMs > 0 || !live ? beganMs : sockets.sinceMs[end]!);
}

// A loopback address means a different host in each network namespace.
function isInScope({ flows, sockets, ends }: ReadModel, flow: number, end: number): boolean {
  return flows.namespace[flow] === sockets.namespace(end) || !ends.isNamespaceScoped(end);
}

// Whether an end's local and remote address and port are at two places of a flow.
function hasEndAt(
  { flows, sockets }: ReadModel,
  flow: number,
  local: number,
  remote: number,
  end: number,
): boolean {
  return (
    flows.protocol[flow] === sockets.protocol(end) &&
    flows.port(flow, local) === sockets.localPort(end) &&
    flows.port(flow, remote) === sockets.remotePort(end) &&
    flows.address(flow, local) === sockets.localAddress(end) &&
    flows.address(flow, remote) === sockets.remoteAddress(end)
  );
}
