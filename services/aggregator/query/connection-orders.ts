// The order in which lists show connections: oldest first. Making one takes a sort of all connections, so the
// lists of a crowd share it; connections that opened since are not in them. An order has 8 bytes per
// connection; what all orders have together is bounded.

import type { View } from "../view/view.ts";
import { Crowd } from "./crowd.ts";

/**
 * Bytes of all orders that lists still use: 160 orders of 50,000 connections, 4 of 2 million. The two latest
 * are always kept.
 */
const ORDERS_BYTES_MAX = 64 * 1024 * 1024;
const ORDERS_MIN = 2;

/** Slots are below this, and ages are exact up to that: their product is below 2^53. 2^30 ms are 12 days. */
const SLOTS_MAX = 2 ** 22;
const AGE_MS_MAX = 2 ** 30;

/** The list took longer than its order could be kept. */
export class TooSlowError extends Error {
  override readonly name = "TooSlowError";
}

/** Connections at one moment, oldest first. */
export class ConnectionOrder {
  readonly madeMs: number;
  /** How long it took to make, in milliseconds. */
  readonly costMs: number;
  #slots: Uint32Array;
  #serials: Uint32Array;
  #readers = 0;

  constructor(view: View, nowMs: number) {
    const { connections } = view;
    this.madeMs = nowMs;
    this.#slots = sortedSlots(view);
    this.#serials = this.#slots.map((slot) => connections.serial(slot));
    this.costMs = performance.now() - nowMs;
  }

  get bytes(): number {
    return this.#slots.byteLength + this.#serials.byteLength;
  }

  get size(): number {
    return this.#slots.length;
  }

  /** Whether a list is reading it. */
  get isRead(): boolean {
    return this.#readers > 0;
  }

  /** Drops the order: lists that still use it end with a TooSlowError. */
  drop(): void {
    this.#slots = new Uint32Array();
    this.#serials = new Uint32Array();
  }

  /** The slots whose connections still exist when they are reached, oldest first. */
  slots(connections: View["connections"]): Generator<number> {
    return this.#existing(connections, this.size);
  }

  *#existing(connections: View["connections"], size: number): Generator<number> {
    this.#readers++;
    try {
      for (let at = 0; at < size; at++) {
        if (this.size < size)
          throw new TooSlowError("the list took too long: its place was needed for newer lists");
        const slot = this.#slots[at]!;
        if (connections.exists(slot) && connections.serial(slot) === this.#serials[at]!) yield slot;
      }
    } finally {
      this.#readers--;
    }
  }
}

// A comparison of each pair would take ten times as long. So slots are sorted as numbers, by the time and
// then the slot, and only those of the same millisecond are compared.
function sortedSlots({ connections, nowMs }: View): Uint32Array {
  const keys = Float64Array.from(connections.slots(), (slot) => {
    const ageMs = Math.min(AGE_MS_MAX, Math.max(0, nowMs + AGE_MS_MAX / 2 - connections.firstSeenMs(slot)));
    return (AGE_MS_MAX - Math.ceil(ageMs)) * SLOTS_MAX + slot;
  }).toSorted();
  const slots = Uint32Array.from(keys, (key) => key % SLOTS_MAX);
  for (let begin = 0, end = 0; begin < keys.length; begin = end) {
    const ms = Math.floor(keys[begin]! / SLOTS_MAX);
    for (end = begin + 1; end < keys.length && Math.floor(keys[end]! / SLOTS_MAX) === ms;) end++;
    if (end - begin > 1) slots.subarray(begin, end).sort((a, b) => connections.compare(a, b));
  }
  return slots;
}

/** The orders that lists use. Lists keep them alive, nothing else. */
export class ConnectionOrders {
  readonly #bytesMax: number;
  readonly #crowd = new Crowd();
  /** Oldest first. */
  #orders: WeakRef<ConnectionOrder>[] = [];

  constructor(bytesMax: number = ORDERS_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** Returns an order for a list that begins now, and whether it was made for it. */
  take(view: View): { readonly order: ConnectionOrder; readonly isNew: boolean } {
    const nowMs = performance.now();
    const latest = this.#orders.at(-1)?.deref();
    const shareAgeMs = this.#crowd.shareAgeMs(nowMs, latest?.costMs ?? 0);
    const isShared = latest?.isRead === true && nowMs - latest.madeMs < shareAgeMs;
    return isShared ? { order: latest, isNew: false } : { order: this.#make(view, nowMs), isNew: true };
  }

  #make(view: View, nowMs: number): ConnectionOrder {
    const made = new ConnectionOrder(view, nowMs);
    const orders = this.#orders.flatMap((each) => each.deref() ?? []);
    orders.push(made);
    let bytes = orders.reduce((sum, each) => sum + each.bytes, 0);
    while (bytes > this.#bytesMax && orders.length > ORDERS_MIN) {
      const oldest = orders.shift()!;
      bytes -= oldest.bytes;
      oldest.drop();
    }
    this.#orders = orders.map((each) => new WeakRef(each));
    return made;
  }
}
