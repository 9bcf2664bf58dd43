// Finds the other end of a conversation among the ends that are known. Never a guess: where it could be one of several,
// the answer is that.

import { Protocol, SocketState } from "../../../lib/words.ts";
import { ConnectionFlag } from "../store/connection-store.ts";
import type { Tables } from "../store/tables.ts";
import { isFinal } from "./socket-role.ts";
import type { TupleIndex } from "./tuple-index.ts";

/** No end that fits is free. */
export const NO_MATE = -1;
/** The other end could be one of several. */
export const SEVERAL_MATES = -2;
/** An end that fits belongs to a connection whose other end is gone: whether it changes over shows later. */
export const TAKEN_MATE = -3;

/** Milliseconds by which reports of two nodes may lag behind each other: ends seen this far apart may still be mates. */
export const LAG_MS = 10_000;

/**
 * The other end of the conversation that an end is part of, or one of the constants above. An end in the same network
 * namespace comes first; else it is the one namespace, on whatever node, that has the mirror of the tuple, as long as
 * no other namespace has the tuple itself. Ends that are gone already count where they went not long ago.
 */
export function findMate(tables: Tables, tuples: TupleIndex, slot: number): number {
  const { sockets } = tables;
  const namespace = sockets.namespace(slot);
  let mates = 0;
  let mate = NO_MATE;
  let rivals = 0;
  let lateMate = NO_MATE;
  for (let other = tuples.firstLike(slot); other >= 0; other = tuples.after(other)) {
    if (other === slot || !tuples.sharesScope(slot, other)) continue;
    const atHome = sockets.namespace(other) === namespace;
    if (tuples.mirrors(slot, other)) {
      if (!sockets.isLive(other)) {
        if (isVacant(tables, other) && isTimely(tables, slot, other))
          lateMate = laterMate(tables, slot, lateMate, other);
      } else if (atHome) {
        if (isVacant(tables, other) && isTimely(tables, slot, other)) return other;
      } else if (!isPairedAtHome(tables, other)) {
        mates++;
        mate = other;
      }
    } else if (
      !atHome &&
      sockets.isLive(other) &&
      tuples.equals(slot, other) &&
      !isPairedAtHome(tables, other)
    ) {
      rivals++;
    }
  }
  if (mates === 0) return rivals === 0 && lateMate >= 0 ? lateMate : NO_MATE;
  if (mates > 1 || rivals > 0) return SEVERAL_MATES;
  if (isVacant(tables, mate)) return isTimely(tables, slot, mate) ? mate : NO_MATE;
  return TAKEN_MATE;
}

/**
 * Of ends that are gone already the one that went at about the same time, as ports are used again and again; none where
 * they are in several places.
 */
export function laterMate({ sockets }: Tables, slot: number, best: number, other: number): number {
  if (best === NO_MATE) return other;
  if (best === SEVERAL_MATES || sockets.namespace(best) !== sockets.namespace(other)) return SEVERAL_MATES;
  const at = sockets.sinceMs[slot]!;
  return Math.abs(sockets.sinceMs[other]! - at) < Math.abs(sockets.sinceMs[best]! - at) ? other : best;
}

/** Every living end in another namespace than its mate's that a SEVERAL_MATES answer for this end is about. */
export function contenders(tables: Tables, tuples: TupleIndex, slot: number): number[] {
  const { sockets } = tables;
  const found: number[] = [];
  for (let other = tuples.firstLike(slot); other >= 0; other = tuples.after(other)) {
    if (!sockets.isLive(other) || !tuples.sharesScope(slot, other)) continue;
    if (!tuples.mirrors(slot, other) && !tuples.equals(slot, other)) continue;
    if (!isPairedAtHome(tables, other)) found.push(other);
  }
  return found;
}

/** The other socket of the connection that an end is part of; -1 where there is none or it is a shared listener. */
export function partnerOf(tables: Tables, slot: number): number {
  const { sockets, connections } = tables;
  const connection = sockets.connection(slot);
  if (connections.server[connection] === slot) return connections.client[connection]!;
  return connections.has(connection, ConnectionFlag.sharedServer) ? -1 : connections.server[connection]!;
}

function isVacant(tables: Tables, slot: number): boolean {
  return partnerOf(tables, slot) < 0;
}

function isPairedAtHome(tables: Tables, slot: number): boolean {
  const partner = partnerOf(tables, slot);
  const { sockets } = tables;
  return partner >= 0 && sockets.isLive(partner) && sockets.namespace(partner) === sockets.namespace(slot);
}

// An end that was over long before the other one began is that of an earlier conversation on the same ports.
function isTimely(tables: Tables, slot: number, other: number): boolean {
  const { sockets } = tables;
  const apartMs = sockets.sinceMs[slot]! - sockets.sinceMs[other]!;
  if (!sockets.isLive(other)) return apartMs <= LAG_MS;
  if (sockets.protocol(slot) !== Protocol.tcp) return true;
  const state = sockets.state(slot);
  const begins = !isFinal(state) && state !== SocketState.CLOSE_WAIT;
  return !(begins && isFinal(sockets.state(other)) && apartMs > LAG_MS);
}
