// The one writer of connections. Each method is one kind of change; apply/ decides when.

import { CONNECTIONS_MAX } from "../../gen/connection-columns.ts";
import type { Fold } from "./connection-rows.ts";
import { ConnectionRows, Lifecycle, Trait } from "./connection-rows.ts";
import { DirectionBy } from "../../../../lib/vocabulary/direction.ts";
import { Outcome } from "../../../../lib/vocabulary/outcomes.ts";

const NOTHING_FOLDED: Fold = {
  count: 1,
  liveFlows: 0,
  bytesKnown: false,
  toServer: 0,
  toClient: 0,
  evidence: 0,
};

/** Writable connections. */
export class ConnectionTable extends ConnectionRows {
  readonly #free: number[] = [];
  #serials = 0;

  /** Adds an open connection without ends; returns its slot, or -1 if CONNECTIONS_MAX is reached. */
  add(firstSeenMs: number): number {
    const slot = this.#free.pop() ?? this.#extend();
    if (slot < 0) return -1;
    this.slotsInUse++;
    this.clearRow(slot);
    this._lifecycle[slot] = Lifecycle.open;
    this._outcome[slot] = Outcome.none;
    this._directionBy[slot] = DirectionBy.guess;
    this._firstSeenMs[slot] = firstSeenMs;
    this._serial[slot] = ++this.#serials;
    return slot;
  }

  /** Frees a slot; the caller must have released what the connection refers to. */
  remove(slot: number): void {
    if (this.has(slot, Trait.lone)) this.loneInUse--;
    this.endedMsBySlot.delete(slot);
    this.foldsBySlot.delete(slot);
    this._lifecycle[slot] = Lifecycle.free;
    this._traits[slot] = 0;
    this.slotsInUse--;
    this.#free.push(slot);
  }

  /** Sets the two halves of the stable id. */
  setUid(slot: number, high: number, low: number): void {
    this._uidHigh[slot] = high;
    this._uidLow[slot] = low;
  }

  setClient(slot: number, socket: number): void {
    this._client[slot] = socket;
  }

  setServer(slot: number, socket: number): void {
    this._server[slot] = socket;
  }

  /** Swaps client and server. */
  swapEnds(slot: number): void {
    const client = this._client[slot]!;
    this._client[slot] = this._server[slot]!;
    this._server[slot] = client;
  }

  /** Sets the basis of the direction, as DirectionBy. */
  setDirectionBy(slot: number, by: number): void {
    this._directionBy[slot] = by;
  }

  setFlow(slot: number, flow: number): void {
    this._flow[slot] = flow;
  }

  /** Adds traits (bits of Trait). */
  addTraits(slot: number, traits: number): void {
    if ((traits & Trait.lone) !== 0 && !this.has(slot, Trait.lone)) this.loneInUse++;
    this._traits[slot]! |= traits;
  }

  /** Removes traits (bits of Trait; never lone). */
  removeTraits(slot: number, traits: number): void {
    this._traits[slot]! &= ~traits;
  }

  setOutcome(slot: number, outcome: number): void {
    this._outcome[slot] = outcome;
  }

  /** Moves the first sighting back to an earlier time. */
  seenSince(slot: number, timeMs: number): void {
    if (timeMs < this._firstSeenMs[slot]!) this._firstSeenMs[slot] = timeMs;
  }

  /** Sets when the connection was last seen. */
  seenUntil(slot: number, timeMs: number): void {
    this._lastSeenMs[slot] = timeMs;
  }

  /** Moves the connection to another stage of its life; `nowMs` is when it ended, if it did. */
  setLifecycle(slot: number, lifecycle: number, nowMs: number): void {
    this._lifecycle[slot] = lifecycle;
    this.endedMsBySlot.delete(slot);
    if (lifecycle === Lifecycle.ended) this.endedMsBySlot.set(slot, nowMs);
  }

  /** Adds to what a connection represents besides its own conversation. */
  fold(slot: number, more: Partial<Fold>): void {
    const fold = this.foldsBySlot.get(slot) ?? NOTHING_FOLDED;
    this.foldsBySlot.set(slot, {
      count: fold.count + (more.count ?? 0),
      liveFlows: fold.liveFlows + (more.liveFlows ?? 0),
      bytesKnown: fold.bytesKnown || (more.bytesKnown ?? false),
      toServer: fold.toServer + (more.toServer ?? 0),
      toClient: fold.toClient + (more.toClient ?? 0),
      evidence: fold.evidence | (more.evidence ?? 0),
    });
  }

  #extend(): number {
    if (this.slotsUsed >= CONNECTIONS_MAX) return -1;
    if (this.slotsUsed === this._uidLow.length) this.growInPlace();
    if (this.slotsUsed === this._lifecycle.length) this.growByCopy();
    return this.slotsUsed++;
  }
}
