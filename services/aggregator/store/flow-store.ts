// Flows of every node in columns, as far as they may tell something of a connection: 90 bytes each. A flow that is gone
// stays while a connection rests on it.

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
  /** Four a slot, by FlowPlace: numbers of addresses, and ports. */
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

  /** Whether what was dialled is not who answered. */
  isDestinationTranslated(slot: number): boolean {
    return this.#differ(slot, FlowPlace.originalDestination, FlowPlace.replySource);
  }

  /** Whether who dialled is not whom the answer goes to. */
  isSourceTranslated(slot: number): boolean {
    return this.#differ(slot, FlowPlace.originalSource, FlowPlace.replyDestination);
  }

  isTranslated(slot: number): boolean {
    return this.isDestinationTranslated(slot) || this.isSourceTranslated(slot);
  }

  #differ(slot: number, a: number, b: number): boolean {
    return this.address(slot, a) !== this.address(slot, b) || this.port(slot, a) !== this.port(slot, b);
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
    this.addresses = grownColumn(this.addresses, capacity * 4);
    this.ports = grownColumn(this.ports, capacity * 4);
    this.counters = grownColumn(this.counters, capacity * 4);
    this.sinceMs = grownColumn(this.sinceMs, capacity);
    this.goneMs = grownColumn(this.goneMs, capacity);
    this.references = grownColumn(this.references, capacity);
    this.keyframe = grownColumn(this.keyframe, capacity);
  }
}
