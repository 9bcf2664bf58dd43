// Connections as everyone reads them: the two sockets that they are made of, the flow that they rest on, when
// they were seen, how they went. Ended ones stay for a while, in the order in which they ended.

import { Evidence } from "../../../../lib/vocabulary/evidence.ts";
import { ConnectionColumns } from "../../gen/connection-columns.ts";

/** Where a connection is in its life. */
export const Lifecycle = {
  /** The slot is free. */
  free: 0,
  /** A socket or flow of it is open. */
  open: 1,
  /** None is open any more (TIME_WAIT does not count as open), but one still exists. */
  closed: 2,
  /** None exists any more: it is kept for a while. */
  ended: 3,
} as const;

/** What is known of a connection, as bits. */
export const Trait = {
  /** It came further than SYN_SENT and SYN_RECV. */
  established: 1,
  /** Its server is a listener, shared with other connections. */
  sharedServer: 2,
  /** No socket makes it: its ends are those of its flow. */
  lone: 4,
  /** None of the nodes that saw it has one of its ends. */
  forwarded: 8,
  /** Its flow was picked up in the middle, the wrong way round: the flow's destination is the client. */
  reversed: 16,
  /** One of its ends is in a network namespace that is read. */
  covered: 32,
  /** Its direction cannot change any more. */
  directionFinal: 64,
  /** The retry queue was full: its peer is looked for only when something about it changes. */
  retryRefused: 128,
} as const;

/** What a connection stands for beside the conversation that it shows: others that were folded into it. */
export interface Fold {
  /** Conversations, its own included. */
  readonly count: number;
  /** Flows of them that still exist. */
  readonly liveFlows: number;
  /** Whether bytes of any that are gone are known, and their sums. */
  readonly bytesKnown: boolean;
  readonly toServer: number;
  readonly toClient: number;
  /** What those folded into it rested on, as bits of Evidence. */
  readonly evidence: number;
}

/** Connections. Slots are reused. */
export class ConnectionRows extends ConnectionColumns {
  protected slotsInUse = 0;
  protected slotsUsed = 0;
  protected loneInUse = 0;
  protected readonly foldsBySlot = new Map<number, Fold>();
  protected readonly endedMsBySlot = new Map<number, number>();

  /** Slots in use. */
  get size(): number {
    return this.slotsInUse;
  }

  /** Slots below this one were in use at some time. */
  get used(): number {
    return this.slotsUsed;
  }

  /** Connections that flows make without sockets. */
  get lone(): number {
    return this.loneInUse;
  }

  /** Connections that stand for several: one of an edge at most, so EDGES_MAX bounds them. */
  get folds(): ReadonlyMap<number, Fold> {
    return this.foldsBySlot;
  }

  /** Ended connections in the order in which they ended, each with when that was. */
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

  /** How many conversations the connection stands for. */
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

  /** What the connection rests on, with what was folded into it, as bits of Evidence. */
  evidence(slot: number): number {
    const fold = this.foldsBySlot.size === 0 ? undefined : this.foldsBySlot.get(slot);
    let evidence = fold?.evidence ?? 0;
    if (this._client[slot]! >= 0) evidence |= Evidence.client;
    if (this._server[slot]! >= 0) evidence |= Evidence.server;
    if (this._flow[slot]! >= 0) evidence |= Evidence.flow;
    return evidence;
  }
}
