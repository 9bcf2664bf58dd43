// Finds the other end of a conversation by its tuple. Never guesses: if it could be one of several, the answer
// says so.

import { isClosing, SocketState } from "../../../lib/vocabulary/states.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import type { ReadModel } from "../model/model.ts";
import type { Answer, OneSided } from "./answer.ts";
import { LAG_MS } from "./lag.ts";

/** No matching end is free. */
export const NO_PEER = -1;
/** The other end could be one of several. */
export const SEVERAL_PEERS = -2;
/** The matching end belongs to a connection whose other end is gone: retry, since it may change over. */
const TAKEN_PEER = -3;

/**
 * How long an end's peer must be gone before the end changes over to the connection that matches it, in
 * milliseconds.
 */
const CHANGE_OVER_MS = 5_000;

/** The rule. It applies to ends whose peer was missing or ambiguous when they were reported. */
export function byTuple(model: ReadModel, { end, retrying, nowMs }: OneSided): Answer | null {
  if (!retrying) return null;
  const peer = peerByTuple(model, end);
  if (peer >= 0) return { kind: "peer", peer, client: null };
  if (peer === SEVERAL_PEERS) return { kind: "ambiguous", contenders: contendersOf(model, end) };
  if (peer === NO_PEER) return { kind: "none" };
  const changing = changingOver(model, end, nowMs);
  return changing >= 0 ? { kind: "change-over", peer: changing } : { kind: "later" };
}

/**
 * Returns the other end of an end's conversation, or one of the constants above. Prefers an end in the same
 * network namespace; otherwise it is in the only namespace, on any node, that has the mirrored tuple, provided
 * that no other namespace has the tuple itself. Closed ends count if they closed recently.
 */
export function peerByTuple(model: ReadModel, slot: number): number {
  const { sockets, ends } = model;
  const namespace = sockets.namespace(slot);
  let peers = 0;
  let peer = NO_PEER;
  let rivals = 0;
  let gonePeer = NO_PEER;
  for (let other = ends.firstLike(slot); other >= 0; other = ends.after(other)) {
    if (other === slot || !ends.sharesScope(slot, other)) continue;
    const atHome = sockets.namespace(other) === namespace;
    if (ends.mirrors(slot, other)) {
      if (!sockets.isLive(other)) {
        if (isVacant(model, other) && isTimely(model, slot, other))
          gonePeer = closerInTime(model, slot, gonePeer, other);
      } else if (atHome) {
        if (isVacant(model, other) && isTimely(model, slot, other)) return other;
      } else if (!isPairedAtHome(model, other)) {
        peers++;
        peer = other;
      }
    } else if (
      !atHome &&
      sockets.isLive(other) &&
      ends.equals(slot, other) &&
      !isPairedAtHome(model, other)
    ) {
      rivals++;
    }
  }
  if (peers === 0) return rivals === 0 && gonePeer >= 0 ? gonePeer : NO_PEER;
  if (peers > 1 || rivals > 0) return SEVERAL_PEERS;
  if (isVacant(model, peer)) return isTimely(model, slot, peer) ? peer : NO_PEER;
  return TAKEN_PEER;
}

/**
 * Of two closed candidates, returns the one that closed closer in time to an end, because ports are reused;
 * SEVERAL_PEERS if they are in different namespaces. `best` is NO_PEER before the first candidate.
 */
export function closerInTime({ sockets }: ReadModel, slot: number, best: number, other: number): number {
  if (best === NO_PEER) return other;
  if (best === SEVERAL_PEERS || sockets.namespace(best) !== sockets.namespace(other)) return SEVERAL_PEERS;
  const at = sockets.sinceMs[slot]!;
  return Math.abs(sockets.sinceMs[other]! - at) < Math.abs(sockets.sinceMs[best]! - at) ? other : best;
}

/** All live candidates that made peerByTuple() return SEVERAL_PEERS, the end itself included. */
export function contendersOf(model: ReadModel, slot: number): number[] {
  const { sockets, ends } = model;
  const found: number[] = [];
  for (let other = ends.firstLike(slot); other >= 0; other = ends.after(other)) {
    if (!sockets.isLive(other) || !ends.sharesScope(slot, other)) continue;
    if (!ends.mirrors(slot, other) && !ends.equals(slot, other)) continue;
    if (!isPairedAtHome(model, other)) found.push(other);
  }
  return found;
}

/** The other socket of an end's connection; -1 if there is none, or if it is a shared listener. */
export function partnerOf({ sockets, connections }: ReadModel, slot: number): number {
  const connection = sockets.connection(slot);
  if (connections.server[connection] === slot) return connections.client[connection]!;
  return connections.serverEnd(connection);
}

// A live end whose partner has been gone for a while changes over to the live end that mirrors it. This
// returns that end or -1.
function changingOver(model: ReadModel, slot: number, nowMs: number): number {
  const { sockets, ends, connections } = model;
  for (let other = ends.firstLike(slot); other >= 0; other = ends.after(other)) {
    if (!sockets.isLive(other) || !ends.mirrors(slot, other)) continue;
    const connection = sockets.connection(other);
    const isServer = connections.server[connection] === other;
    const partner = isServer ? connections.client[connection]! : connections.server[connection]!;
    if (partner < 0 || sockets.isLive(partner)) continue;
    if (nowMs - sockets.sinceMs[partner]! >= CHANGE_OVER_MS) return other;
  }
  return -1;
}

function isVacant(model: ReadModel, slot: number): boolean {
  return partnerOf(model, slot) < 0;
}

function isPairedAtHome(model: ReadModel, slot: number): boolean {
  const partner = partnerOf(model, slot);
  const { sockets } = model;
  return partner >= 0 && sockets.isLive(partner) && sockets.namespace(partner) === sockets.namespace(slot);
}

// An end that closed long before the other one began belongs to an earlier conversation on the same ports.
function isTimely({ sockets }: ReadModel, slot: number, other: number): boolean {
  const apartMs = sockets.sinceMs[slot]! - sockets.sinceMs[other]!;
  if (!sockets.isLive(other)) return apartMs <= LAG_MS;
  if (sockets.protocol(slot) !== Protocol.tcp) return true;
  const state = sockets.state(slot);
  const begins = !isClosing(state) && state !== SocketState.CLOSE_WAIT;
  return !(begins && isClosing(sockets.state(other)) && apartMs > LAG_MS);
}
