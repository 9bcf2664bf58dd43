// Indexes flows by their packets' tuple from client to server, before a translation (the original tuple) and
// after it (the mirrored reply tuple). A conversation has the same tuple on both sides of a link between two
// nodes, so equal segments connect its flows with each other and with its sockets.

import { ChainIndex } from "../storage/chain-index.ts";
import { mixHash } from "../../../../lib/hash.ts";
import type { FlowRows, Place } from "./flow-rows.ts";
import { FlowPlace } from "./flow-rows.ts";

/** The two segments of a flow. */
export const Segment = { before: 0, after: 1 } as const;
export type SegmentNumber = (typeof Segment)[keyof typeof Segment];
export const segments = [Segment.before, Segment.after] as const;

/** Index of flows. */
export class FlowIndex {
  readonly #flows: FlowRows;
  readonly #indexes = [new ChainIndex(), new ChainIndex()] as const;

  constructor(flows: FlowRows) {
    this.#flows = flows;
  }

  add(flow: number): void {
    for (const segment of segments) this.#indexes[segment].add(flow, this.hashOf(flow, segment));
  }

  remove(flow: number): void {
    for (const index of this.#indexes) index.remove(flow);
  }

  /**
   * The first flow that may have a segment of this hash, before or after its translation; -1 if there is none.
   */
  first(segment: SegmentNumber, hash: number): number {
    return this.#indexes[segment].first(hash);
  }

  after(segment: SegmentNumber, flow: number): number {
    return this.#indexes[segment].after(flow);
  }

  /** The hash of one of a flow's segments. */
  hashOf(flow: number, segment: SegmentNumber): number {
    const flows = this.#flows;
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

  /** Whether a segment of one flow equals a segment of another. */
  equals(a: number, segmentA: SegmentNumber, b: number, segmentB: SegmentNumber): boolean {
    const flows = this.#flows;
    return (
      flows.protocol[a] === flows.protocol[b] &&
      this.#isSamePlace(a, sourceOf(segmentA), b, sourceOf(segmentB)) &&
      this.#isSamePlace(a, destinationOf(segmentA), b, destinationOf(segmentB))
    );
  }

  #isSamePlace(a: number, placeA: number, b: number, placeB: number): boolean {
    const flows = this.#flows;
    return (
      flows.address(a, placeA) === flows.address(b, placeB) && flows.port(a, placeA) === flows.port(b, placeB)
    );
  }
}

/** The source of a segment's packets, as FlowPlace. */
export function sourceOf(segment: SegmentNumber): number {
  return segment === Segment.before ? FlowPlace.originalSource : FlowPlace.replyDestination;
}

/** The destination of a segment's packets, as FlowPlace. */
export function destinationOf(segment: SegmentNumber): number {
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

/** Whether two places are the same. */
export function isSamePlace(a: Place, b: Place): boolean {
  return a.address === b.address && a.port === b.port;
}
