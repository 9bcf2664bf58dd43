// Flows of several nodes that are one conversation: each node on its way has an entry of its own, and what one node's
// translation makes of it is what the next node sees. Ports and addresses are used again, so times count too.

import type { FlowStore } from "../store/flow-store.ts";
import { CHAIN_MAX, FlowFlag } from "../store/flow-store.ts";
import type { NodeRecord } from "../store/node-record.ts";
import type { Tables } from "../store/tables.ts";
import type { FlowIndex } from "./flow-index.ts";
import { destinationOf, Segment, sourceOf } from "./flow-index.ts";
import { LAG_MS } from "./mates.ts";

/** Flows of one conversation that are looked at besides the first: nodes on its way, with two zones each. */
const PEERS_MAX = 16;
/** Milliseconds by which the ends of two flows' lives, as two nodes tell them, may be wrong. */
const SKEW_MS = 2_000;

const segments = [Segment.before, Segment.after] as const;

/** Finds the flows of conversations. */
export class Conversations {
  readonly #tables: Tables;
  readonly #index: FlowIndex;

  constructor(tables: Tables, index: FlowIndex) {
    this.#tables = tables;
    this.#index = index;
  }

  /** The other flows of the conversation that a flow is of, on whatever node. */
  peersOf(flow: number): number[] {
    const { flows } = this.#tables;
    const found: number[] = [];
    for (let at = -1; at < found.length && found.length < PEERS_MAX; at++) {
      const from = at < 0 ? flow : found[at]!;
      if (at >= 0 && !flows.isTranslated(from)) continue;
      for (const mine of segments) {
        if (mine === Segment.after && !flows.isTranslated(from)) continue;
        const hash = this.#index.hashOf(from, mine);
        for (const theirs of segments) {
          let other = this.#index.first(theirs, hash);
          for (; other >= 0; other = this.#index.after(theirs, other)) {
            if (other === flow || found.includes(other)) continue;
            if (!this.#index.equals(from, mine, other, theirs)) continue;
            if (this.#arePeers(from, other) && this.#arePeers(flow, other)) found.push(other);
          }
        }
      }
    }
    return found;
  }

  /** The flow that the chain of translations begins with in which this one is. */
  firstOf(flow: number): number {
    let at = flow;
    for (let hops = 1; hops < CHAIN_MAX; hops++) {
      const before = this.#before(at);
      if (before < 0) return at;
      at = before;
    }
    return at;
  }

  /** Puts a flow that translates into its chain, before and after flows of other nodes that do. */
  chain(flow: number): void {
    const { flows } = this.#tables;
    for (const other of this.peersOf(flow)) {
      if (!flows.isTranslated(other)) continue;
      if (this.#index.equals(flow, Segment.after, other, Segment.before)) this.#follow(flow, other);
      else if (this.#index.equals(other, Segment.after, flow, Segment.before)) this.#follow(other, flow);
    }
  }

  /** The node in whose kernel a flow is. */
  nodeOf(flow: number): NodeRecord {
    const { nodes, namespaces, flows } = this.#tables;
    return nodes[namespaces.nodeOf(flows.namespace[flow]!)]!;
  }

  #follow(flow: number, next: number): void {
    const { flows } = this.#tables;
    if (flows.next[flow]! >= 0 || next === flow || flows.last(next) === flow) return;
    flows.next[flow] = next;
    flows.references[next]!++;
  }

  #before(flow: number): number {
    const { flows } = this.#tables;
    const hash = this.#index.hashOf(flow, Segment.before);
    let other = this.#index.first(Segment.after, hash);
    for (; other >= 0; other = this.#index.after(Segment.after, other))
      if (flows.next[other] === flow) return other;
    return -1;
  }

  // A packet has one entry in each table and zone: two entries of one table are two conversations.
  #arePeers(flow: number, other: number): boolean {
    const { flows } = this.#tables;
    if (flow === other) return true;
    const sameTable = flows.namespace[flow] === flows.namespace[other];
    if (sameTable && flows.zone[flow] === flows.zone[other]) return false;
    if (!sameTable && this.#isScoped(flow)) return false;
    if (!isThereWith(flows, flow, other) || !isThereWith(flows, other, flow)) return false;
    const apartMs = Math.abs(flows.sinceMs[flow]! - flows.sinceMs[other]!);
    const bothKnown = !flows.has(flow, FlowFlag.old) && !flows.has(other, FlowFlag.old);
    if (bothKnown && apartMs > LAG_MS + this.#intervalsMs(flow, other)) return false;
    return !this.#hasCloserRival(flow, other, apartMs);
  }

  #intervalsMs(flow: number, other: number): number {
    const intervalMs = (each: number): number => this.nodeOf(each).coverage?.intervalMs ?? 0;
    return intervalMs(flow) + intervalMs(other);
  }

  // Where a tuple was used again, each flow is of the conversation that began with it: the first of one table with the
  // first of the other where both tables have as many, else the one that is closest in time.
  #hasCloserRival(flow: number, other: number, apartMs: number): boolean {
    const { sinceMs } = this.#tables.flows;
    const mine = this.#rivalsOf(flow);
    const theirs = this.#rivalsOf(other);
    if (mine.length === 0 && theirs.length === 0) return false;
    const rankOf = (each: number, rivals: readonly number[]): number =>
      rivals.filter((rival) => sinceMs[rival]! < sinceMs[each]!).length;
    if (mine.length === theirs.length) return rankOf(flow, mine) !== rankOf(other, theirs);
    const isCloser = (rival: number, to: number, than: number): boolean => {
      const rivalMs = Math.abs(sinceMs[rival]! - sinceMs[to]!);
      return rivalMs < apartMs || (rivalMs === apartMs && sinceMs[rival]! < sinceMs[than]!);
    };
    return (
      mine.some((rival) => isCloser(rival, other, flow)) ||
      theirs.some((rival) => isCloser(rival, flow, other))
    );
  }

  // Other flows with the same original tuple in the same table and zone.
  #rivalsOf(flow: number): number[] {
    const { flows } = this.#tables;
    const rivals: number[] = [];
    const hash = this.#index.hashOf(flow, Segment.before);
    let rival = this.#index.first(Segment.before, hash);
    for (; rival >= 0; rival = this.#index.after(Segment.before, rival)) {
      if (rival === flow || flows.namespace[rival] !== flows.namespace[flow]) continue;
      if (flows.zone[rival] !== flows.zone[flow]) continue;
      if (this.#index.equals(rival, Segment.before, flow, Segment.before)) rivals.push(rival);
    }
    return rivals;
  }

  // Loopback, and an address that talks to itself, mean something in their own network namespace only.
  #isScoped(flow: number): boolean {
    return segments.some((segment) => isScopedSegment(this.#tables, flow, segment));
  }
}

/** Whether a flow's packets mean something in its own network namespace only. */
export function isScopedSegment({ flows, addresses }: Tables, flow: number, segment: 0 | 1): boolean {
  const from = flows.address(flow, sourceOf(segment));
  const to = flows.address(flow, destinationOf(segment));
  return from === to || addresses.isLoopback(from) || addresses.isLoopback(to);
}

function isThereWith(flows: FlowStore, flow: number, other: number): boolean {
  return flows.isLive(flow) || flows.goneMs[flow]! + SKEW_MS >= flows.sinceMs[other]!;
}
