// Conversations in columns: which two sockets they are made of, when they were seen, which edge counts them. 67 bytes
// each. What has ended stays for a while in the order in which it ended.

import { columnInPlace, FIRST_ROWS, grownColumn, growInPlace, nextCapacity } from "./capacity.ts";
import { FlowFlag } from "./flow-store.ts";
import type { FlowStore } from "./flow-store.ts";

/** Connections at most, living and lately ended. */
export const CONNECTIONS_MAX = 2 ** 21;

/** Bits of the flags column. */
export const ConnectionFlag = {
  inUse: 1,
  /** Waits to be settled. */
  dirty: 2,
  /** Something that shows has changed since watchers were told. */
  changed: 4,
  /** No socket of it is open any more (TIME_WAIT does not count as open). */
  closed: 8,
  /** No socket of it is left: it is among the ended ones. */
  ended: 16,
  /** It came further than SYN_SENT and SYN_RECV. */
  established: 32,
  /** The server socket is a listener, shared with other connections. */
  sharedServer: 64,
  /** Watchers were told that it is there. */
  announced: 128,
  /** Watchers were told that it has closed. */
  closeAnnounced: 256,
  /** Its edge counts it as open. */
  countedOpen: 512,
  /** Its edge counts it as resting on a client socket. */
  countedClient: 1024,
  /** Its edge counts it as resting on a server socket. */
  countedServer: 2048,
  /** Its direction was told by SYN states, and stays. */
  directionFinal: 4096,
  /** Its edge counts it as one whose bytes are known. */
  countedBytes: 8192,
  /** Its edge counts it as resting on a flow. */
  countedFlow: 2 ** 14,
  /** No socket makes it: its ends are those of its flow. */
  lone: 2 ** 15,
  /** The nodes that saw it have neither end. */
  forwarded: 2 ** 16,
  /** Its flow began in the middle, the wrong way round: the flow's destination is the client. */
  reversed: 2 ** 17,
  /** One of its ends is in a network namespace that is read. */
  covered: 2 ** 18,
  /** What was folded into it rested on a client's socket, on a server's. */
  foldedClient: 2 ** 19,
  foldedServer: 2 ** 20,
  foldedFlow: 2 ** 21,
  /** It carried something, which waits to be added up on its edge; nothing else of it has to be settled. */
  carried: 2 ** 22,
} as const;

/** How a connection went; 0 where it was not settled yet. */
export const Outcome = { none: 0, established: 1, refused: 2, timedOut: 3, pending: 4 } as const;

/** What a connection stands for beside the conversation that it shows. */
export interface Fold {
  /** Conversations, its own among them. */
  count: number;
  /** Flows of them that are there. */
  liveFlows: number;
  /** Bytes of those that are gone, where any were counted. */
  bytesKnown: boolean;
  toServer: number;
  toClient: number;
}

/** How it is known who opened a connection, weakest first. */
export const DirectionBy = { guess: 0, port: 1, listener: 2, flow: 3 } as const;

/** Connections in columns; slots are used again. */
export class ConnectionStore {
  /** Slots in use. */
  size = 0;
  flags = new Uint32Array(FIRST_ROWS);
  /** By Outcome; and the one that its edge counts it as. */
  outcome = new Uint8Array(FIRST_ROWS);
  countedOutcome = new Uint8Array(FIRST_ROWS);
  directionBy = new Uint8Array(FIRST_ROWS);
  /** Slots of sockets, or -1. */
  client = new Int32Array(FIRST_ROWS);
  server = new Int32Array(FIRST_ROWS);
  /** Milliseconds since 1970 by the stream's clock. */
  firstSeenMs = new Float64Array(FIRST_ROWS);
  /** While it is open its nodes know better. */
  readonly lastSeenMs = columnInPlace(Float64Array, CONNECTIONS_MAX);
  /** Slot of the edge, or -1. */
  edge = new Int32Array(FIRST_ROWS);
  /** Bytes of it that its edge has added up, and whether any were known. */
  readonly countedToServer = columnInPlace(Float64Array, CONNECTIONS_MAX);
  readonly countedToClient = columnInPlace(Float64Array, CONNECTIONS_MAX);
  /** Slot of the flow that it rests on, or -1. */
  flow = new Int32Array(FIRST_ROWS);
  /** Tells two connections that had the same slot apart. */
  readonly serial = columnInPlace(Uint32Array, CONNECTIONS_MAX);
  /** The two halves of the stable id. */
  readonly uidHigh = columnInPlace(Uint32Array, CONNECTIONS_MAX);
  readonly uidLow = columnInPlace(Uint32Array, CONNECTIONS_MAX);
  /** Connections that stand for several: one of an edge at most, so that EDGES_MAX bounds it. */
  readonly folds = new Map<number, Fold>();
  /** Ended connections in the order in which they ended, each with when that was. */
  readonly ended = new Map<number, number>();
  readonly #inPlace = [
    this.lastSeenMs,
    this.countedToServer,
    this.countedToClient,
    this.serial,
    this.uidHigh,
    this.uidLow,
  ];
  #used = 0;
  #serials = 0;
  #free: number[] = [];

  /** Slots up to this one were in use at some time. */
  get used(): number {
    return this.#used;
  }

  /** A fresh slot, or -1 where CONNECTIONS_MAX is reached. */
  allocate(): number {
    const slot = this.#free.pop() ?? this.#allocateNew();
    if (slot < 0) return -1;
    this.size++;
    this.flags[slot] = ConnectionFlag.inUse;
    this.directionBy[slot] = DirectionBy.guess;
    this.outcome[slot] = Outcome.none;
    this.countedOutcome[slot] = Outcome.none;
    this.client[slot] = -1;
    this.server[slot] = -1;
    this.edge[slot] = -1;
    this.countedToServer[slot] = 0;
    this.countedToClient[slot] = 0;
    this.flow[slot] = -1;
    this.lastSeenMs[slot] = 0;
    this.serial[slot] = ++this.#serials;
    return slot;
  }

  /** Gives a slot back. */
  free(slot: number): void {
    if (this.has(slot, ConnectionFlag.ended)) this.revive(slot);
    this.flags[slot] = 0;
    this.folds.delete(slot);
    this.size--;
    this.#free.push(slot);
  }

  has(slot: number, flag: number): boolean {
    return (this.flags[slot]! & flag) !== 0;
  }

  set(slot: number, flag: number): void {
    this.flags[slot]! |= flag;
  }

  clear(slot: number, flag: number): void {
    this.flags[slot]! &= ~flag;
  }

  /** How many conversations a connection stands for. */
  count(slot: number): number {
    return this.folds.size === 0 ? 1 : (this.folds.get(slot)?.count ?? 1);
  }

  /** A connection begins to stand for several, if it did not before. */
  fold(slot: number, flows: FlowStore): Fold {
    const known = this.folds.get(slot);
    if (known !== undefined) return known;
    const flow = this.flow[slot]!;
    const live = flow >= 0 && flows.has(flow, FlowFlag.shown) && flows.isLive(flow);
    const fold: Fold = { count: 1, liveFlows: live ? 1 : 0, bytesKnown: false, toServer: 0, toClient: 0 };
    this.folds.set(slot, fold);
    return fold;
  }

  /** A flow of a connection has gone. Of the one that it shows the counters stay there. */
  loseFlow(slot: number, flow: number, flows: FlowStore): void {
    const fold = this.folds.get(slot);
    if (fold === undefined || !flows.has(flow, FlowFlag.shown)) return;
    fold.liveFlows--;
    if (this.flow[slot] === flow) return;
    addFlowBytes(fold, flows, flow);
    flows.connection[flow] = -1;
  }

  /** Puts a connection behind all that ended before. */
  end(slot: number, timeMs: number): void {
    this.set(slot, ConnectionFlag.ended);
    this.ended.set(slot, timeMs);
  }

  /** Takes a connection out of the ended ones. */
  revive(slot: number): void {
    this.clear(slot, ConnectionFlag.ended);
    this.ended.delete(slot);
  }

  #allocateNew(): number {
    if (this.#used >= CONNECTIONS_MAX) return -1;
    if (this.#used === this.uidLow.length) growInPlace(this.#inPlace, CONNECTIONS_MAX);
    if (this.#used === this.flags.length) this.#grow(nextCapacity(this.#used, CONNECTIONS_MAX));
    return this.#used++;
  }

  #grow(capacity: number): void {
    this.flags = grownColumn(this.flags, capacity);
    this.directionBy = grownColumn(this.directionBy, capacity);
    this.outcome = grownColumn(this.outcome, capacity);
    this.countedOutcome = grownColumn(this.countedOutcome, capacity);
    this.client = grownColumn(this.client, capacity);
    this.server = grownColumn(this.server, capacity);
    this.firstSeenMs = grownColumn(this.firstSeenMs, capacity);
    this.edge = grownColumn(this.edge, capacity);
    this.flow = grownColumn(this.flow, capacity);
  }
}

/** Adds what a flow carried to what is known of a fold. */
export function addFlowBytes(fold: Fold, { counters }: FlowStore, flow: number): void {
  if (counters[flow * 4] === 0) return;
  fold.bytesKnown = true;
  fold.toServer += counters[flow * 4 + 1]!;
  fold.toClient += counters[flow * 4 + 3]!;
}
