// Conversations in columns: which two sockets they are made of, when they were seen, which edge counts them. 78 bytes
// each. What has ended stays for a while in the order in which it ended.

import { grownColumn, nextCapacity } from "./capacity.ts";

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
  /** No socket of it is left: it is in the list of ended ones. */
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
  countedFlow: 16384,
} as const;

/** How it is known who opened a connection, weakest first. */
export const DirectionBy = { guess: 0, port: 1, listener: 2, flow: 3 } as const;

/** Connections in columns; slots are used again. */
export class ConnectionStore {
  /** Slots in use. */
  size = 0;
  flags = new Uint16Array(256);
  directionBy = new Uint8Array(256);
  /** Slots of sockets, or -1. */
  client = new Int32Array(256);
  server = new Int32Array(256);
  /** Milliseconds since 1970 by the stream's clock. */
  firstSeenMs = new Float64Array(256);
  /** While it is open its nodes know better. */
  lastSeenMs = new Float64Array(256);
  endedMs = new Float64Array(256);
  /** Slot of the edge, or -1. */
  edge = new Int32Array(256);
  /** Bytes of it that its edge has added up, and whether any were known. */
  countedToServer = new Float64Array(256);
  countedToClient = new Float64Array(256);
  /** Slot of the flow that it rests on, or -1. */
  flow = new Int32Array(256);
  /** Tells two connections that had the same slot apart. */
  serial = new Uint32Array(256);
  /** The two halves of the stable id. */
  uidHigh = new Uint32Array(256);
  uidLow = new Uint32Array(256);
  /** Ended connections, and how many there are. */
  endedCount = 0;
  #endedNext = new Int32Array(256);
  #endedPrevious = new Int32Array(256);
  #endedFirst = -1;
  #endedLast = -1;
  #used = 0;
  #serials = 0;
  #free: number[] = [];

  /** Slots up to this one were in use at some time. */
  get used(): number {
    return this.#used;
  }

  /** The connection that ended first, or -1. */
  get firstEnded(): number {
    return this.#endedFirst;
  }

  /** A fresh slot, or -1 where CONNECTIONS_MAX is reached. */
  allocate(): number {
    const slot = this.#free.pop() ?? this.#allocateNew();
    if (slot < 0) return -1;
    this.size++;
    this.flags[slot] = ConnectionFlag.inUse;
    this.directionBy[slot] = DirectionBy.guess;
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

  /** Appends a connection to the list of ended ones. */
  end(slot: number, timeMs: number): void {
    this.set(slot, ConnectionFlag.ended);
    this.endedMs[slot] = timeMs;
    this.#endedPrevious[slot] = this.#endedLast;
    this.#endedNext[slot] = -1;
    if (this.#endedLast < 0) this.#endedFirst = slot;
    else this.#endedNext[this.#endedLast] = slot;
    this.#endedLast = slot;
    this.endedCount++;
  }

  /** Takes a connection out of the list of ended ones. */
  revive(slot: number): void {
    this.clear(slot, ConnectionFlag.ended);
    const previous = this.#endedPrevious[slot]!;
    const next = this.#endedNext[slot]!;
    if (previous < 0) this.#endedFirst = next;
    else this.#endedNext[previous] = next;
    if (next < 0) this.#endedLast = previous;
    else this.#endedPrevious[next] = previous;
    this.endedCount--;
  }

  #allocateNew(): number {
    if (this.#used === this.flags.length) {
      if (this.#used >= CONNECTIONS_MAX) return -1;
      this.#grow(nextCapacity(this.#used, CONNECTIONS_MAX));
    }
    return this.#used++;
  }

  #grow(capacity: number): void {
    this.flags = grownColumn(this.flags, capacity);
    this.directionBy = grownColumn(this.directionBy, capacity);
    this.client = grownColumn(this.client, capacity);
    this.server = grownColumn(this.server, capacity);
    this.firstSeenMs = grownColumn(this.firstSeenMs, capacity);
    this.lastSeenMs = grownColumn(this.lastSeenMs, capacity);
    this.endedMs = grownColumn(this.endedMs, capacity);
    this.edge = grownColumn(this.edge, capacity);
    this.countedToServer = grownColumn(this.countedToServer, capacity);
    this.countedToClient = grownColumn(this.countedToClient, capacity);
    this.flow = grownColumn(this.flow, capacity);
    this.serial = grownColumn(this.serial, capacity);
    this.uidHigh = grownColumn(this.uidHigh, capacity);
    this.uidLow = grownColumn(this.uidLow, capacity);
    this.#endedNext = grownColumn(this.#endedNext, capacity);
    this.#endedPrevious = grownColumn(this.#endedPrevious, capacity);
  }
}
