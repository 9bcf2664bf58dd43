// Flows by what their packets look like on their way from client to server: before a translation (the original tuple)
// and after it (the mirror of the reply). One conversation looks the same between two nodes, so that equal segments tie
// its flows, and its sockets, together.

import { ChainIndex } from "../store/chain-index.ts";
import { FlowPlace } from "../store/flow-store.ts";
import { mixHash } from "../store/hash.ts";
import type { Tables } from "../store/tables.ts";

/** A segment as a flow has it: the places of its source and of its destination. */
export const Segment = { before: 0, after: 1 } as const;

/** Index of flows. */
export class FlowIndex {
  readonly #tables: Tables;
  readonly #indexes = [new ChainIndex(), new ChainIndex()] as const;

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  add(flow: number): void {
    for (const segment of [Segment.before, Segment.after])
      this.#indexes[segment].add(flow, this.hashOf(flow, segment));
  }

  remove(flow: number): void {
    for (const index of this.#indexes) index.remove(flow);
  }

  /** The first flow that may have a segment of this hash, before or after its translation; -1 where there is none. */
  first(segment: 0 | 1, hash: number): number {
    return this.#indexes[segment].first(hash);
  }

  after(segment: 0 | 1, flow: number): number {
    return this.#indexes[segment].after(flow);
  }

  /** Hash of one of a flow's segments. */
  hashOf(flow: number, segment: 0 | 1): number {
    const { flows } = this.#tables;
    const from = sourceOf(segment);
    const to = destinationOf(segment);
    return hashSegment(
      flows.protocol[flow]!,
      flows.address(flow, from),
      flows.port(flow, from),
      flows.address(flow, to),
      flows.port(flow, to),
    );
  }

  /** Whether a segment of one flow is a segment of another. */
  equals(a: number, segmentA: 0 | 1, b: number, segmentB: 0 | 1): boolean {
    const { flows } = this.#tables;
    return (
      flows.protocol[a] === flows.protocol[b] &&
      this.#isSamePlace(a, sourceOf(segmentA), b, sourceOf(segmentB)) &&
      this.#isSamePlace(a, destinationOf(segmentA), b, destinationOf(segmentB))
    );
  }

  #isSamePlace(a: number, placeA: number, b: number, placeB: number): boolean {
    const { flows } = this.#tables;
    return (
      flows.address(a, placeA) === flows.address(b, placeB) && flows.port(a, placeA) === flows.port(b, placeB)
    );
  }
}

/** Where a segment's packets come from, as FlowPlace. */
export function sourceOf(segment: 0 | 1): number {
  return segment === Segment.before ? FlowPlace.originalSource : FlowPlace.replyDestination;
}

/** Where a segment's packets go to, as FlowPlace. */
export function destinationOf(segment: 0 | 1): number {
  return segment === Segment.before ? FlowPlace.originalDestination : FlowPlace.replySource;
}

/** Hash of a segment, from client to server. */
export function hashSegment(
  protocol: number,
  sourceAddress: number,
  sourcePort: number,
  destinationAddress: number,
  destinationPort: number,
): number {
  return mixHash(
    mixHash(mixHash(mixHash(protocol, sourceAddress), sourcePort), destinationAddress),
    destinationPort,
  );
}
