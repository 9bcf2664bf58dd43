// Datagram conversations are many and short: ended ones are folded into one connection per edge, the
// aggregate.

import { isFolded } from "../match/by-lone-flow.ts";
import { connectionBytes, flowBytes } from "../model/connections/connection-bytes.ts";
import { Lifecycle, Trait } from "../model/connections/connection-rows.ts";
import { Outcome } from "../../../lib/vocabulary/outcomes.ts";
import { FlowFlag } from "../model/flows/flow-rows.ts";
import type { Model } from "../model/model.ts";
import { isFamily } from "../../../lib/vocabulary/protocols.ts";
import type { Connector } from "./connector.ts";

/** Folds connections. */
export class Folding {
  readonly #model: Model;
  readonly #connector: Connector;

  constructor(model: Model, connector: Connector) {
    this.#model = model;
    this.#connector = connector;
  }

  /** Folds an ended connection into the aggregate of its edge, if its protocol is folded. */
  fold(connection: number, nowMs: number): void {
    const { connections, edges } = this.#model;
    const edge = edges.edgeOf(connection);
    if (edge < 0 || connections.has(connection, Trait.lone)) return;
    const protocol = edges.protocol[edge]!;
    if (!isFolded(protocol) || isFamily(protocol)) return;
    const aggregate = edges.aggregate[edge]!;
    if (aggregate < 0) edges.setAggregate(edge, connection);
    else if (aggregate !== connection) this.#foldInto(aggregate, connection, nowMs);
  }

  /**
   * Makes a connection an aggregate of several conversations, if it is not one yet: its own flow counts as
   * live.
   */
  begin(connection: number): void {
    const { connections, flows } = this.#model;
    if (connections.folds.has(connection)) return;
    const flow = connections.flow[connection]!;
    const isLive = flow >= 0 && flows.has(flow, FlowFlag.shown) && flows.isLive(flow);
    connections.fold(connection, { liveFlows: isLive ? 1 : 0 });
  }

  /** Adds the bytes of a flow that the connection no longer shows. */
  addFlowBytes(connection: number, flow: number): void {
    const { connections, flows } = this.#model;
    const bytes = flowBytes(flows.counters, flow);
    if (bytes !== null) connections.fold(connection, { bytesKnown: true, ...bytes });
  }

  #foldInto(aggregate: number, connection: number, nowMs: number): void {
    const { connections } = this.#model;
    this.begin(aggregate);
    const bytes = connectionBytes(this.#model, connection);
    connections.fold(aggregate, {
      count: connections.count(connection),
      evidence: connections.evidence(connection),
      ...(bytes === null ? {} : { bytesKnown: true, ...bytes }),
    });
    if (connections.outcome[connection] === Outcome.established)
      connections.addTraits(aggregate, Trait.established);
    connections.seenSince(aggregate, connections.firstSeenMs[connection]!);
    if (connections.lastSeenMs[connection]! > connections.lastSeenMs[aggregate]!)
      connections.seenUntil(aggregate, connections.lastSeenMs[connection]!);
    this.#connector.absorb(connection);
    if (connections.isEnded(aggregate)) connections.setLifecycle(aggregate, Lifecycle.ended, nowMs);
    this.#connector.touch(aggregate);
  }
}
