// When the ends of conversations existed, as far as their nodes could see it. A node that was stopped or
// restarted sees late what happened meanwhile: an end may have begun at any time since the previous pass.
// Both ends of a conversation existed at the same time, so among several ends with its tuple the right one
// can be found, however late either was reported.

import { isClosing, SocketState } from "../../../lib/vocabulary/states.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { TICK_MS } from "../../../lib/ticks.ts";
import { TIME_WAIT_MS, Timer } from "../../../lib/vocabulary/timers.ts";
import type { ReadModel } from "../model/model.ts";
import { LAG_MS } from "./lag.ts";

/** Whether two ends lived at the same time, so that they may be peers. */
export function livedTogether(model: ReadModel, a: number, b: number): boolean {
  const { sockets } = model;
  // Most ends are open as they are joined: they live now, both.
  if (sockets.isLive(a) && sockets.isLive(b) && !isClosing(sockets.state(a)) && !isClosing(sockets.state(b)))
    return true;
  if (startsAfter(model, a, b) || startsAfter(model, b, a)) return false;
  return (
    bornAfterMs(model, a) - endedMs(model, b) <= LAG_MS && bornAfterMs(model, b) - endedMs(model, a) <= LAG_MS
  );
}

/**
 * Of two candidates for an end's peer, returns the one whose life is more like the end's; if both are alike,
 * the one that began first, because reports are in order. `best` is -1 before the first candidate.
 */
export function likelierPeer(model: ReadModel, end: number, best: number, other: number): number {
  if (best < 0) return other;
  const byMs = unlikenessMs(model, end, other) - unlikenessMs(model, end, best);
  if (byMs !== 0) return byMs < 0 ? other : best;
  const isFirst = bornMs(model, other) < bornMs(model, best);
  // The kernel keeps only one TIME_WAIT entry of a tuple: that of the latest conversation.
  return isFirst === (model.sockets.state(end) === SocketState.TIME_WAIT) ? best : other;
}

/**
 * How much the lives of two ends differ, in milliseconds: how far apart they began, at least, and how long
 * one was open after the other had ended.
 */
export function unlikenessMs(model: ReadModel, a: number, b: number): number {
  const apartMs = Math.max(
    0,
    bornAfterMs(model, a) - bornMs(model, b),
    bornAfterMs(model, b) - bornMs(model, a),
  );
  return apartMs + outlivedMs(model, a, b) + outlivedMs(model, b, a);
}

/**
 * Whether an end may have been the peer of one that has gone: it is ending too, or began before that one was
 * over.
 */
export function mayOutlive(model: ReadModel, end: number, gone: number): boolean {
  const { sockets } = model;
  const isEnding =
    !sockets.isLive(end) || (sockets.protocol(end) === Protocol.tcp && isLeaving(sockets.state(end)));
  return isEnding || bornAfterMs(model, end) <= sockets.sinceMs[gone]!;
}

/** When an end had begun: it was first seen then, by the stream's clock. */
export function bornMs({ sockets, connections }: ReadModel, end: number): number {
  const sinceMs = sockets.sinceMs[end]!;
  const connection = sockets.connection(end);
  // A new end is in no connection yet.
  const isIn = connections.client[connection] === end || connections.server[connection] === end;
  return isIn ? Math.min(sinceMs, connections.firstSeenMs[connection]!) : sinceMs;
}

// The latest time at which an end had not begun yet: the pass before it was first seen. For an end of the
// first known pass it is the time of that pass, unless the end was over by then.
function bornAfterMs(model: ReadModel, end: number): number {
  const { sockets } = model;
  const knownMs = sockets.bornAfterMs[end]!;
  const overMs = endedMs(model, end);
  return Math.min(knownMs > 0 || wasReportedAsOver(model, end) ? knownMs : bornMs(model, end), overMs);
}

// A connection that came and went between two passes is reported as closed.
function wasReportedAsOver({ sockets }: ReadModel, end: number): boolean {
  return sockets.protocol(end) === Protocol.tcp && sockets.state(end) === SocketState.CLOSE;
}

// When an end's conversation was over; Infinity while it may not be.
function endedMs(model: ReadModel, end: number): number {
  const { sockets } = model;
  if (!sockets.isLive(end) || wasReportedAsOver(model, end)) return sockets.sinceMs[end]!;
  if (sockets.protocol(end) !== Protocol.tcp || sockets.state(end) !== SocketState.TIME_WAIT) return Infinity;
  if (sockets.timer[end] !== Timer.timeWait) return Infinity;
  return model.nodeOfSocket(end).startMs + sockets.timerDeadline[end]! * TICK_MS - TIME_WAIT_MS;
}

// How long b was open after a had ended.
function outlivedMs(model: ReadModel, a: number, b: number): number {
  const { sockets } = model;
  const aMs = endedMs(model, a);
  if (aMs === Infinity || !sockets.isLive(b) || isLeaving(sockets.state(b))) return 0;
  const openMs = Math.max(sockets.sinceMs[b]!, model.nodeOfSocket(b).observedMs);
  return Math.max(0, openMs - aMs - LAG_MS);
}

// Whether a live end began after another one had begun to close.
function startsAfter(model: ReadModel, a: number, b: number): boolean {
  const { sockets } = model;
  if (sockets.protocol(a) !== Protocol.tcp || !sockets.isLive(a) || !sockets.isLive(b)) return false;
  if (isLeaving(sockets.state(a)) || !isClosing(sockets.state(b))) return false;
  return bornAfterMs(model, a) - bornMs(model, b) > LAG_MS;
}

function isLeaving(state: number): boolean {
  return isClosing(state) || state === SocketState.CLOSE_WAIT;
}
