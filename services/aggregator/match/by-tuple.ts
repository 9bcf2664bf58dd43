// Finds the other end of a conversation by its tuple. Never guesses: if it could be one of several, the answer
// says so.

import type { ReadModel } from "../model/model.ts";
import type { Answer, OneSided } from "./answer.ts";
import { likelierPeer, livedTogether, unlikenessMs } from "./lifetimes.ts";

/** No matching end is free. */
export const NO_PEER = -1;
/** The other end could be one of several. */
export const SEVERAL_PEERS = -2;
/** The matching end belongs to a connection whose other end is gone: retry, since it may change over. */
const TAKEN_PEER = -3;

/**
 * How long an end's peer must be gone, and the end must have lived beside another that matches it, before it
 * changes over to that one, in milliseconds.
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
  let home = NO_PEER;
  let peers = 0;
  let peer = NO_PEER;
  let rivals = 0;
  let gone = NO_PEER;
  for (let other = ends.firstLike(slot); other >= 0; other = ends.after(other)) {
    if (other === slot || !ends.sharesScope(slot, other)) continue;
    const atHome = sockets.namespace(other) === namespace;
    if (ends.mirrors(slot, other)) {
      if (!livedTogether(model, slot, other)) continue;
      if (!sockets.isLive(other)) {
        if (isVacant(model, other)) gone = likelierGonePeer(model, slot, gone, other);
      } else if (atHome) {
        if (isVacant(model, other)) home = other;
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
  if (home >= 0) return gone >= 0 ? likelierPeer(model, slot, home, gone) : home;
  if (peers === 0) return rivals === 0 && gone >= 0 ? gone : NO_PEER;
  if (peers > 1 || rivals > 0) return SEVERAL_PEERS;
  if (gone >= 0 && likelierPeer(model, slot, peer, gone) === gone) return gone;
  return isVacant(model, peer) ? peer : TAKEN_PEER;
}

/**
 * Of two closed candidates, returns the likelier one; SEVERAL_PEERS if they are in different namespaces.
 * `best` is NO_PEER before the first candidate.
 */
export function likelierGonePeer(model: ReadModel, slot: number, best: number, other: number): number {
  const { sockets } = model;
  if (best === NO_PEER) return other;
  if (best === SEVERAL_PEERS || sockets.namespace(best) !== sockets.namespace(other)) return SEVERAL_PEERS;
  return likelierPeer(model, slot, best, other);
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

// A live end whose partner is gone changes over to the live end that mirrors it: at once if its life is more
// like that end's, otherwise once its node has seen it live on beside that end. This returns the end that
// changes over, or -1.
function changingOver(model: ReadModel, slot: number, nowMs: number): number {
  const { sockets, ends } = model;
  for (let other = ends.firstLike(slot); other >= 0; other = ends.after(other)) {
    if (!sockets.isLive(other) || !ends.mirrors(slot, other) || !livedTogether(model, slot, other)) continue;
    const partner = partnerOf(model, other);
    if (partner < 0 || partner === other || sockets.isLive(partner)) continue;
    if (unlikenessMs(model, slot, other) < unlikenessMs(model, partner, other)) return other;
    const besideMs = model.nodeOfSocket(other).observedMs - sockets.sinceMs[slot]!;
    if (Math.min(besideMs, nowMs - sockets.sinceMs[partner]!) >= CHANGE_OVER_MS) return other;
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
