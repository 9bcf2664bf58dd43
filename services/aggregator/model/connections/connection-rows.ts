// Connections as everyone reads them: their two sockets, their flow, when they were seen, and their outcome.
// Ended ones are kept for a while, in the order in which they ended.

import { Evidence } from "../../../../lib/vocabulary/evidence.ts";
import { ConnectionColumns } from "../../gen/connection-columns.ts";

/** Stage in the life of a connection. */
export const Lifecycle = {
  /** The slot is free. */
  free: 0,
  /** A socket or flow of it is open. */
  open: 1,
  /** None is open any more (TIME_WAIT does not count as open), but one still exists. */
  closed: 2,
  /** None exists any more: the connection is kept for a while. */
  ended: 3,
} as const;

/** Properties of a connection, as bits. */
export const Trait = {
  /** It got beyond SYN_SENT and SYN_RECV. */
  established: 1,
  /** Its server is a listener, shared with other connections. */
  sharedServer: 2,
  /** It has no sockets: its ends are those of its flow. */
  lone: 4,
  /** None of the nodes that saw it has one of its ends. */
  forwarded: 8,
  /** Its flow was picked up in the middle, reversed: the flow's destination is the client. */
  reversed: 16,
  /** One of its ends is in a network namespace that is read. */
  covered: 32,
  /** Its direction can no longer change. */
  directionFinal: 64,
  /** The retry queue was full: it is matched again only when something about it changes. */
  retryRefused: 128,
  /** It had closed before counting began: no edge counts it. */
  uncounted: 256,
} as const;

/** What a connection represents besides its own conversation: others that were folded into it. */
export interface Fold {
  /** Conversations, including its own. */
  readonly count: number;
  /** Their flows that still exist. */
  readonly liveFlows: number;
  /** Whether bytes of any that ended are known, and their sums. */
  readonly bytesKnown: boolean;
  readonly toServer: number;
  readonly toClient: number;
  /** Evidence of the conversations folded into it, as bits of Evidence. */
  readonly evidence: number;
}

/** Connections. Slots are reused. */
export class ConnectionRows extends ConnectionColumns {
  protected slotsInUse = 0;
  protected slotsUsed = 0;
  protected loneInUse = 0;
  protected readonly foldsBySlot = new Map<number, Fold>();
  protected readonly endedMsBySlot = new Map<number, number>();

  /** Number of slots in use. */
  get size(): number {
    return this.slotsInUse;
  }

  /** Slots below this one were in use at some time. */
  get used(): number {
    return this.slotsUsed;
  }

  /** Number of connections that flows made without sockets. */
  get lone(): number {
    return this.loneInUse;
  }

  /** Connections that represent several: at most one per edge, so EDGES_MAX bounds them. */
  get folds(): ReadonlyMap<number, Fold> {
    return this.foldsBySlot;
  }

  /** Ended connections with their end times, in the order in which they ended. */
  get ended(): ReadonlyMap<number, number> {
    return this.endedMsBySlot;
  }

  /** Whether the slot holds a connection. */
  exists(slot: number): boolean {
    return this._lifecycle[slot] !== Lifecycle.free;
  }

  /** Whether no socket or flow of the connection is open. */
  isClosed(slot: number): boolean {
    return this._lifecycle[slot]! >= Lifecycle.closed;
  }

  /** Whether no socket or flow of the connection exists. */
  isEnded(slot: number): boolean {
    return this._lifecycle[slot] === Lifecycle.ended;
  }

  /** Whether the connection has one of the traits (Trait). */
  has(slot: number, traits: number): boolean {
    return (this._traits[slot]! & traits) !== 0;
  }

  /** How many conversations the connection represents. */
  count(slot: number): number {
    return this.foldsBySlot.size === 0 ? 1 : (this.foldsBySlot.get(slot)?.count ?? 1);
  }

  /** Slot of the server's own socket; -1 if there is none, or it is a shared listener. */
  serverEnd(slot: number): number {
    return this.has(slot, Trait.sharedServer) ? -1 : this._server[slot]!;
  }

  /** The only end of a connection; -1 if it has two, or none. */
  onlyEnd(slot: number): number {
    const client = this._client[slot]!;
    const server = this.serverEnd(slot);
    if (client >= 0 && server >= 0) return -1;
    return client >= 0 ? client : server;
  }

  /** Any socket of the connection, the client's first; -1 if it has none. */
  anySocket(slot: number): number {
    const client = this._client[slot]!;
    return client >= 0 ? client : this._server[slot]!;
  }

  /** The evidence for the connection, including what was folded into it, as bits of Evidence. */
  evidence(slot: number): number {
    const fold = this.foldsBySlot.size === 0 ? undefined : this.foldsBySlot.get(slot);
    let evidence = fold?.evidence ?? 0;
    if (this._client[slot]! >= 0) evidence |= Evidence.client;
    if (this._server[slot]! >= 0) evidence |= Evidence.server;
    if (this._flow[slot]! >= 0) evidence |= Evidence.flow;
    return evidence;
  }
}
