// Flows (conntrack entries) as everyone reads them. A flow that is gone is kept while it is attached to a
// connection, while it waits to be judged, and while the flow before it in a chain of translations is kept.

import { FlowColumns } from "../../gen/flow-columns.ts";

/** Places in the address and port columns of a flow, as lib/conntrack/conntrack-entry.ts numbers them. */
export const FlowPlace = {
  originalSource: 0,
  originalDestination: 1,
  replySource: 2,
  replyDestination: 3,
} as const;

/** Bits of the flags column. */
export const FlowFlag = {
  /** It waits until its sockets would have been reported. */
  waiting: 1,
  /** Its connection is made from sockets. */
  explained: 2,
  /** A connection of its own, or of another flow of the same conversation, already shows it. */
  shown: 4,
  /** Its beginning is unknown: it existed before its agent's first pass, or the agent only reads dumps. */
  old: 8,
} as const;

/** Longest chain of flows: translations on the path of one conversation. */
export const CHAIN_MAX = 4;

/** An address, by number, and a port. */
export interface Place {
  readonly address: number;
  readonly port: number;
}

/** Flows of every node. Slots are reused. */
export class FlowRows extends FlowColumns {
  protected slotsInUse = 0;

  /** Slots in use. */
  get size(): number {
    return this.slotsInUse;
  }

  isLive(slot: number): boolean {
    return this._goneMs[slot] === 0;
  }

  address(slot: number, place: number): number {
    return this._addresses[slot * 4 + place]!;
  }

  port(slot: number, place: number): number {
    return this._ports[slot * 4 + place]!;
  }

  /** The address and port at a place of a flow (FlowPlace). */
  at(slot: number, place: number): Place {
    return { address: this.address(slot, place), port: this.port(slot, place) };
  }

  /** Whether the flow has one of the flags (FlowFlag). */
  has(slot: number, flags: number): boolean {
    return (this._flags[slot]! & flags) !== 0;
  }

  /** The last flow of the chain that begins here: its reply comes from the server itself. */
  last(slot: number): number {
    let at = slot;
    for (let hops = 1; hops < CHAIN_MAX && this._next[at]! >= 0; hops++) at = this._next[at]!;
    return at;
  }

  /**
   * Whether the chain that begins here translates the destination: the server is not at the dialled address.
   */
  isDestinationTranslated(slot: number): boolean {
    return this.#differ(slot, FlowPlace.originalDestination, this.last(slot), FlowPlace.replySource);
  }

  /**
   * Whether the chain that begins here translates the source: replies go to another address than the client's.
   */
  isSourceTranslated(slot: number): boolean {
    return this.#differ(slot, FlowPlace.originalSource, this.last(slot), FlowPlace.replyDestination);
  }

  /** Whether the flow itself translates anything. */
  isTranslated(slot: number): boolean {
    return (
      this.#differ(slot, FlowPlace.originalDestination, slot, FlowPlace.replySource) ||
      this.#differ(slot, FlowPlace.originalSource, slot, FlowPlace.replyDestination)
    );
  }

  #differ(a: number, placeA: number, b: number, placeB: number): boolean {
    return (
      this.address(a, placeA) !== this.address(b, placeB) || this.port(a, placeA) !== this.port(b, placeB)
    );
  }
}
