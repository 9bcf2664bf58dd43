// Settles queued connections: finds the peer of a one-sided connection (match/), decides what a connection
// means (settle/), and is the only place that writes the decision, counts it on its edge and notifies
// watchers.

import type { Rule } from "../match/rules.ts";
import { flowFor } from "../match/by-flow.ts";
import { Lifecycle, Trait } from "../model/connections/connection-rows.ts";
import type { Model } from "../model/model.ts";
import type { Direction } from "../settle/direction.ts";
import { emptyFacts, readFacts } from "../settle/facts.ts";
import { emptyPatch, settle } from "../settle/settle.ts";
import type { ChangeFeed } from "./change-feed.ts";
import type { Connector } from "./connector.ts";
import type { EdgeCounter } from "./edge-counter.ts";
import type { EndpointKeys } from "./endpoint-keys.ts";
import type { FlowWaits } from "./flow-waits.ts";
import type { Folding } from "./folding.ts";
import type { LoneConnections } from "./lone-connections.ts";
import type { SettleQueue } from "./settle-queue.ts";
import { Waiting } from "./settle-queue.ts";

/** Dependencies of settling. */
export interface SettlerParts {
  readonly rules: readonly Rule[];
  readonly queue: SettleQueue;
  readonly waits: FlowWaits;
  readonly feed: ChangeFeed;
  readonly connector: Connector;
  readonly folding: Folding;
  readonly lone: LoneConnections;
  readonly endpointKeys: EndpointKeys;
  readonly edgeCounter: EdgeCounter;
}

/** Settles connections. */
export class Settler {
  readonly #model: Model;
  readonly #parts: SettlerParts;
  readonly #facts = emptyFacts();
  readonly #patch = emptyPatch();

  constructor(model: Model, parts: SettlerParts) {
    this.#model = model;
    this.#parts = parts;
  }

  /**
   * Settles everything that is queued, at a time of the stream's clock, including what settling itself queues.
   */
  settle(nowMs: number): void {
    const { queue, endpointKeys, edgeCounter } = this.#parts;
    endpointKeys.setTime(nowMs);
    for (let connection = queue.next(); connection >= 0; connection = queue.next()) {
      const waiting = queue.take(connection);
      if ((waiting & Waiting.settle) !== 0) this.#settle(connection, nowMs);
      else if (waiting !== 0) edgeCounter.countBytes(connection);
    }
  }

  /**
   * Settles everything that is queued, and judges the flows that have waited long enough for their sockets.
   */
  settleWithFlows(nowMs: number): void {
    const { waits, lone } = this.#parts;
    this.settle(nowMs);
    waits.end(nowMs, (flow) => lone.judge(flow));
    this.settle(nowMs);
  }

  #settle(connection: number, nowMs: number): void {
    // A merged connection is settled as the one it was merged into.
    if (this.#match(connection, nowMs)) return;
    readFacts(this.#model, connection, this.#facts);
    settle(this.#facts, this.#patch);
    this.#write(connection, nowMs);
  }

  // Attaches a connection's missing flow or finds its missing end. Returns true if it was merged with another.
  #match(connection: number, nowMs: number): boolean {
    const { connections } = this.#model;
    const { connector, rules } = this.#parts;
    if (connections.has(connection, Trait.lone)) {
      connector.dropGoneServer(connection);
      return false;
    }
    if (connections.folds.size > 0 && connections.folds.has(connection)) return false;
    const flow = this.#restOnFlow(connection);
    const end = connections.onlyEnd(connection);
    if (end < 0) return false;
    const retrying = connector.retries.has(connection);
    const oneSided = { connection, end, flow, retrying, nowMs };
    for (const rule of rules) {
      const answer = rule(this.#model, oneSided);
      if (answer !== null && connector.take(oneSided, answer)) return true;
    }
    return false;
  }

  #restOnFlow(connection: number): number {
    const { connections, flows } = this.#model;
    const { connector, lone } = this.#parts;
    const flow = flowFor(this.#model, connection);
    if (flow < 0 || flow === connections.flow[connection]) return flow;
    connector.restOn(connection, flow);
    // Connections that flows of the conversation made without sockets, on any node, are part of this one.
    lone.takeOver(flow);
    flows.setConnection(flow, connection);
    return flow;
  }

  #write(connection: number, nowMs: number): void {
    const { connections } = this.#model;
    const { feed, edgeCounter, folding } = this.#parts;
    const { direction, lifecycle, outcome } = this.#patch;
    if (direction !== null) this.#writeDirection(connection, direction);
    const before = connections.lifecycle[connection]!;
    if (lifecycle !== before) {
      if (before === Lifecycle.open) connections.seenUntil(connection, this.#facts.lastSeenMs);
      if (lifecycle === Lifecycle.open) feed.reopen(connection);
      connections.setLifecycle(connection, lifecycle, nowMs);
    }
    connections.setOutcome(connection, outcome);
    edgeCounter.count(connection);
    feed.announce(connection, lifecycle !== Lifecycle.open);
    if (lifecycle === Lifecycle.ended) folding.fold(connection, nowMs);
  }

  #writeDirection(connection: number, { swapped, by, final }: Direction): void {
    const { connections } = this.#model;
    if (swapped) connections.swapEnds(connection);
    if (swapped || connections.directionBy[connection] !== by) this.#parts.feed.note(connection);
    connections.setDirectionBy(connection, by);
    if (final) connections.addTraits(connection, Trait.directionFinal);
  }
}
