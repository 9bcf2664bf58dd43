// Finds the flows that belong to one conversation: each node on its path has its own entry, and the tuple
// after one node's translation is the tuple that the next node sees. Ports and addresses are reused, so times
// must match too.

import { destinationOf, Segment, segments, sourceOf } from "../model/flows/flow-index.ts";
import type { SegmentNumber } from "../model/flows/flow-index.ts";
import { CHAIN_MAX, FlowFlag } from "../model/flows/flow-rows.ts";
import type { ReadModel } from "../model/model.ts";
import { LAG_MS } from "./lag.ts";

/** Flows of one conversation that are examined besides the first: nodes on its path, with two zones each. */
const SIBLINGS_MAX = 16;
/** How far two nodes' reports of the start or end of a flow may deviate, in milliseconds. */
const SKEW_MS = 2_000;

/** The other flows of a flow's conversation, on any node. */
export function siblingsOf(model: ReadModel, flow: number): number[] {
  const { flows } = model;
  const { index } = flows;
  const found: number[] = [];
  for (let at = -1; at < found.length && found.length < SIBLINGS_MAX; at++) {
    const from = at < 0 ? flow : found[at]!;
    if (at >= 0 && !flows.isTranslated(from)) continue;
    for (const mine of segments) {
      if (mine === Segment.after && !flows.isTranslated(from)) continue;
      const hash = index.hashOf(from, mine);
      for (const theirs of segments) {
        let other = index.first(theirs, hash);
        for (; other >= 0; other = index.after(theirs, other)) {
          if (other === flow || found.includes(other)) continue;
          if (!index.equals(from, mine, other, theirs)) continue;
          if (areSiblings(model, from, other) && areSiblings(model, flow, other)) found.push(other);
        }
      }
    }
  }
  return found;
}

/** The first flow of the chain of translations that contains this one. */
export function firstOfChain(model: ReadModel, flow: number): number {
  let at = flow;
  for (let hops = 1; hops < CHAIN_MAX; hops++) {
    const before = previousOf(model, at);
    if (before < 0) return at;
    at = before;
  }
  return at;
}

/** Pairs of this flow and a translated sibling that follow each other in a chain of translations. */
export function chainLinks(model: ReadModel, flow: number): (readonly [flow: number, next: number])[] {
  const { flows } = model;
  const { index } = flows;
  const links: (readonly [number, number])[] = [];
  for (const other of siblingsOf(model, flow)) {
    if (!flows.isTranslated(other)) continue;
    if (index.equals(flow, Segment.after, other, Segment.before)) links.push([flow, other]);
    else if (index.equals(other, Segment.after, flow, Segment.before)) links.push([other, flow]);
  }
  return links;
}

/** Whether a flow's addresses are meaningful only in its own network namespace. */
export function isScopedSegment(
  { flows, addresses }: ReadModel,
  flow: number,
  segment: SegmentNumber,
): boolean {
  const from = flows.address(flow, sourceOf(segment));
  const to = flows.address(flow, destinationOf(segment));
  return from === to || addresses.isLoopback(from) || addresses.isLoopback(to);
}

function previousOf({ flows }: ReadModel, flow: number): number {
  const { index } = flows;
  const hash = index.hashOf(flow, Segment.before);
  let other = index.first(Segment.after, hash);
  for (; other >= 0; other = index.after(Segment.after, other)) if (flows.next[other] === flow) return other;
  return -1;
}

// A packet has one entry per table and zone: two entries of one table are two conversations.
function areSiblings(model: ReadModel, flow: number, other: number): boolean {
  const { flows } = model;
  if (flow === other) return true;
  const sameTable = flows.namespace[flow] === flows.namespace[other];
  if (sameTable && flows.zone[flow] === flows.zone[other]) return false;
  if (!sameTable && segments.some((segment) => isScopedSegment(model, flow, segment))) return false;
  if (!livesWith(model, flow, other) || !livesWith(model, other, flow)) return false;
  const apartMs = apartOf(model, flow, other);
  const bothKnown = !flows.has(flow, FlowFlag.old) && !flows.has(other, FlowFlag.old);
  const intervalsMs = model.nodeOfFlow(flow).intervalMs + model.nodeOfFlow(other).intervalMs;
  if (bothKnown && apartMs > LAG_MS + intervalsMs) return false;
  return !hasCloserRival(model, flow, other, apartMs);
}

// How far apart two flows began, at least.
function apartOf({ flows }: ReadModel, flow: number, other: number): number {
  const { sinceMs, bornAfterMs } = flows;
  return Math.max(0, bornAfterMs[flow]! - sinceMs[other]!, bornAfterMs[other]! - sinceMs[flow]!);
}

function livesWith({ flows }: ReadModel, flow: number, other: number): boolean {
  return flows.isLive(flow) || flows.goneMs[flow]! + SKEW_MS >= flows.bornAfterMs[other]!;
}

// If a tuple was reused, each flow belongs to the conversation that began with it: flows of the two tables are
// paired in order if both have equally many, else by closeness in time.
function hasCloserRival(model: ReadModel, flow: number, other: number, apartMs: number): boolean {
  const { sinceMs } = model.flows;
  const mine = rivalsOf(model, flow);
  const theirs = rivalsOf(model, other);
  if (mine.length === 0 && theirs.length === 0) return false;
  const rankOf = (each: number, rivals: readonly number[]): number =>
    rivals.filter((rival) => sinceMs[rival]! < sinceMs[each]!).length;
  if (mine.length === theirs.length) return rankOf(flow, mine) !== rankOf(other, theirs);
  const isCloser = (rival: number, to: number, than: number): boolean => {
    const rivalMs = apartOf(model, rival, to);
    return rivalMs < apartMs || (rivalMs === apartMs && sinceMs[rival]! < sinceMs[than]!);
  };
  return (
    mine.some((rival) => isCloser(rival, other, flow)) || theirs.some((rival) => isCloser(rival, flow, other))
  );
}

// Other flows with the same original tuple in the same table and zone.
function rivalsOf({ flows }: ReadModel, flow: number): number[] {
  const { index } = flows;
  const rivals: number[] = [];
  const hash = index.hashOf(flow, Segment.before);
  let rival = index.first(Segment.before, hash);
  for (; rival >= 0; rival = index.after(Segment.before, rival)) {
    if (rival === flow || flows.namespace[rival] !== flows.namespace[flow]) continue;
    if (flows.zone[rival] !== flows.zone[flow]) continue;
    if (index.equals(rival, Segment.before, flow, Segment.before)) rivals.push(rival);
  }
  return rivals;
}
