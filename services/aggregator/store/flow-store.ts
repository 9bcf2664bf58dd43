// Flows of every node in columns: 103 bytes each. A flow that is gone stays while a connection rests on it, while it
// waits to be judged, and while the flow before it in a chain of translations does.

import { grownColumn, nextCapacity } from "./capacity.ts";

/** Flows at most: those of a hundred nodes with ten thousand each; what overflows is counted. */
export const FLOWS_MAX = 2 ** 20;

/** Places in the address and port columns of a flow, as lib/conntrack/conntrack-entry.ts numbers them. */
export const FlowPlace = {
  originalSource: 0,
  originalDestination: 1,
  replySource: 2,
  replyDestination: 3,
} as const;

/** Bits of the flags column. */
export const FlowFlag = {
  /** It waits until sockets that it belongs to would have been told. */
  waiting: 1,
  /** Sockets make its connection. */
  explained: 2,
  /** It is shown without sockets, by itself or by another flow of the same conversation. */
  shown: 4,
  /** When it began is not known: it was there already when its agent first looked, or only dumps tell. */
  old: 8,
} as const;

/** Flows that follow each other at most: translations on the way of one conversation. */
export const CHAIN_MAX = 4;

/** Flows in columns; slots are used again. */
export class FlowStore {
  /** Slots in use. */
  size = 0;
  /** The agent's id. */
  id = new Uint32Array(256);
  /** Slot of the network namespace in whose table it is. */
  namespace = new Uint32Array(256);
  protocol = new Uint8Array(256);
  state = new Uint8Array(256);
  status = new Uint32Array(256);
  zone = new Uint16Array(256);
  /** Ticks since its agent's start when it was first seen. */
  tick = new Uint32Array(256);
  flags = new Uint8Array(256);
  /** The connection that rests on it, or that it makes alone; -1 where there is none. */
  connection = new Int32Array(256);
  /** The flow that translates again what this one has translated, on another node; -1 where there is none. */
  next = new Int32Array(256);
  /**
   * Four a slot, by FlowPlace: numbers of addresses, and ports. Of icmp the client's port is the id and the server's
   * type * 256 + code of what the client sends, in both tuples, so that they mirror each other as ports do.
   */
  addresses = new Uint32Array(1024);
  ports = new Uint16Array(1024);
  /** Four a slot: packets and bytes of the original direction, then of the reply's; zeros where none are kept. */
  counters = new Float64Array(1024);
  /** When it was first seen, in milliseconds since 1970 by the stream's clock. */
  sinceMs = new Float64Array(256);
  /** When it was found gone; 0 while it is there. */
  goneMs = new Float64Array(256);
  /** How many connections rest on it. */
  references = new Uint32Array(256);
  /** Number of the keyframe that last named it, modulo 256. */
  keyframe = new Uint8Array(256);
  #used = 0;
  #free: number[] = [];

  /** A slot, or -1 where FLOWS_MAX is reached. */
  allocate(): number {
    const slot = this.#free.pop() ?? this.#allocateNew();
    if (slot < 0) return -1;
    this.size++;
    this.goneMs[slot] = 0;
    this.references[slot] = 0;
    this.flags[slot] = 0;
    this.connection[slot] = -1;
    this.next[slot] = -1;
    return slot;
  }

  /** Gives a slot back; its addresses must have been released. */
  free(slot: number): void {
    this.size--;
    this.#free.push(slot);
  }

  isLive(slot: number): boolean {
    return this.goneMs[slot] === 0;
  }

  address(slot: number, place: number): number {
    return this.addresses[slot * 4 + place]!;
  }

  port(slot: number, place: number): number {
    return this.ports[slot * 4 + place]!;
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

  /** The last flow of the chain that begins with this one: its reply comes from the server itself. */
  last(slot: number): number {
    let at = slot;
    for (let hops = 1; hops < CHAIN_MAX && this.next[at]! >= 0; hops++) at = this.next[at]!;
    return at;
  }

  /** Whether what was dialled is not who answered, at the end of the chain. */
  isDestinationTranslated(slot: number): boolean {
    return this.#differ(slot, FlowPlace.originalDestination, this.last(slot), FlowPlace.replySource);
  }

  /** Whether who dialled is not whom the answer goes to, at the end of the chain. */
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

  #allocateNew(): number {
    if (this.#used === this.id.length) {
      if (this.#used >= FLOWS_MAX) return -1;
      this.#grow(nextCapacity(this.#used, FLOWS_MAX));
    }
    return this.#used++;
  }

  #grow(capacity: number): void {
    this.id = grownColumn(this.id, capacity);
    this.namespace = grownColumn(this.namespace, capacity);
    this.protocol = grownColumn(this.protocol, capacity);
    this.state = grownColumn(this.state, capacity);
    this.status = grownColumn(this.status, capacity);
    this.zone = grownColumn(this.zone, capacity);
    this.tick = grownColumn(this.tick, capacity);
    this.flags = grownColumn(this.flags, capacity);
    this.connection = grownColumn(this.connection, capacity);
    this.next = grownColumn(this.next, capacity);
    this.addresses = grownColumn(this.addresses, capacity * 4);
    this.ports = grownColumn(this.ports, capacity * 4);
    this.counters = grownColumn(this.counters, capacity * 4);
    this.sinceMs = grownColumn(this.sinceMs, capacity);
    this.goneMs = grownColumn(this.goneMs, capacity);
    this.references = grownColumn(this.references, capacity);
    this.keyframe = grownColumn(this.keyframe, capacity);
  }
}
