// Connections made from flows alone: shown as the last rule (match/by-lone-flow.ts) judges, folded into one
// per edge if the protocol is connectionless, withdrawn when sockets turn out to represent the conversation.

import type { Identity } from "../identity/identity.ts";
import type { FlowDirection } from "../match/by-lone-flow.ts";
import { coveredEnds, directionOfFlow, isFolded, isForwarded, judgeFlow } from "../match/by-lone-flow.ts";
import { isScopedSegment, siblingsOf } from "../match/conversation.ts";
import { Trait } from "../model/connections/connection-rows.ts";
import { uidHighOf, uidLowOf } from "../model/connections/connection-uid.ts";
import { Segment } from "../model/flows/flow-index.ts";
import { FlowFlag, FlowPlace } from "../model/flows/flow-rows.ts";
import type { Model } from "../model/model.ts";
import { TICK_MS } from "../../../lib/ticks.ts";
import { isAnswered } from "../settle/flow-signs.ts";
import type { Connector } from "./connector.ts";
import type { EdgeCounter } from "./edge-counter.ts";
import type { EdgeKeys } from "./edge-keys.ts";
import type { Folding } from "./folding.ts";

/** Connections of flows without sockets; what overflows is counted. */
const LONE_MAX = 2 ** 18;

/** Dependencies of lone connections. */
export interface LoneParts {
  readonly identity: Identity;
  readonly connector: Connector;
  readonly folding: Folding;
  readonly edgeKeys: EdgeKeys;
  readonly edgeCounter: EdgeCounter;
}

/** Makes connections of flows without sockets. */
export class LoneConnections {
  readonly #model: Model;
  readonly #parts: LoneParts;

  constructor(model: Model, parts: LoneParts) {
    this.#model = model;
    this.#parts = parts;
  }

  /** Judges a flow that has waited for its sockets. */
  judge(flow: number): void {
    const { flows } = this.#model;
    if (flows.has(flow, FlowFlag.explained)) return;
    const verdict = judgeFlow(this.#model, this.#parts.identity, flow);
    switch (verdict.kind) {
      case "explained":
        for (const each of verdict.flows) this.#explain(each);
        return;
      case "follow":
        this.#follow(verdict.flows, verdict.shown);
        return;
      case "ignore":
        for (const each of verdict.replaced) this.#withdraw(each);
        return;
      case "show":
        for (const each of verdict.replaced) this.#withdraw(each);
        if (this.#show(verdict.first, verdict.flows))
          for (const each of [verdict.first, ...verdict.flows]) flows.setShown(each, true);
    }
  }

  /** Withdraws a flow's own connection: sockets turned out to represent the conversation. */
  takeOver(flow: number): void {
    for (const each of [flow, ...siblingsOf(this.#model, flow)]) this.#explain(each);
  }

  /** Records that a flow no longer exists: its connection has one flow less. */
  lose(flow: number): void {
    const { flows, connections } = this.#model;
    const connection = flows.connection[flow]!;
    if (connection < 0) return;
    const isShown = flows.has(flow, FlowFlag.shown);
    if (isShown && connections.folds.has(connection)) {
      connections.fold(connection, { liveFlows: -1 });
      // The connection keeps the counters of the flow that it shows.
      if (connections.flow[connection] !== flow) {
        this.#parts.folding.addFlowBytes(connection, flow);
        flows.setConnection(flow, -1);
      }
    }
    if (isShown) this.#parts.connector.touch(connection);
    else this.#parts.connector.recheck(connection);
  }

  // Marks the flows as part of a conversation that is already shown.
  #follow(group: readonly number[], shown: readonly number[]): void {
    const { flows, connections } = this.#model;
    for (const each of group) flows.setShown(each, true);
    for (const each of shown) {
      const connection = flows.connection[each]!;
      if (connection < 0 || !connections.has(connection, Trait.forwarded)) continue;
      if (isForwarded(this.#model, this.#parts.identity, each, group)) continue;
      connections.removeTraits(connection, Trait.forwarded);
      this.#parts.connector.touch(connection);
    }
  }

  #explain(flow: number): void {
    this.#withdraw(flow);
    this.#model.flows.explain(flow);
  }

  #withdraw(flow: number): void {
    const { flows, connections } = this.#model;
    if (!flows.has(flow, FlowFlag.shown)) return;
    flows.setShown(flow, false);
    const connection = flows.connection[flow]!;
    flows.setConnection(flow, -1);
    if (connection < 0) return;
    if (connections.count(connection) === 1) {
      this.#parts.connector.withdraw(connection);
      return;
    }
    connections.fold(connection, { count: -1, liveFlows: flows.isLive(flow) ? -1 : 0 });
    this.#parts.connector.touch(connection);
  }

  // Shows a conversation: folds it into the aggregate of its edge or creates a connection. Returns false if
  // there is no room.
  #show(flow: number, group: readonly number[]): boolean {
    const { flows, edges, connections, overflow } = this.#model;
    const { identity, connector, edgeKeys } = this.#parts;
    const direction = directionOfFlow(this.#model, identity, flow);
    const { reversed, listener } = direction;
    const firstSeenMs = group.reduce(
      (first, each) => Math.min(first, flows.sinceMs[each]!),
      flows.sinceMs[flow]!,
    );
    const folded = isFolded(flows.protocol[flow]!);
    const edge = folded ? edges.find(edgeKeys.ofFlow({ flow, reversed, listener, firstSeenMs })) : -1;
    const aggregate = edge < 0 ? -1 : edges.aggregate[edge]!;
    if (aggregate >= 0) {
      this.#addTo(aggregate, flow, direction);
      return true;
    }
    const connection = connections.lone < LONE_MAX ? connector.createLone(firstSeenMs) : -1;
    if (connection < 0) {
      overflow.add("lone-connections");
      return false;
    }
    this.#identify(connection, flow);
    this.#rest(connection, flow, direction);
    if (isForwarded(this.#model, identity, flow, group)) connections.addTraits(connection, Trait.forwarded);
    if (coveredEnds(this.#model, identity, flow) > 0) connections.addTraits(connection, Trait.covered);
    if (listener >= 0) connector.shareServer(connection, listener);
    if (folded) this.#beginAggregate(connection);
    return true;
  }

  // Counts the connection at once, so that the next one of the same edge is folded into it.
  #beginAggregate(connection: number): void {
    const { edges } = this.#model;
    this.#parts.edgeCounter.count(connection);
    const edge = edges.edgeOf(connection);
    if (edge >= 0 && edges.aggregate[edge]! < 0) edges.setAggregate(edge, connection);
  }

  #addTo(connection: number, flow: number, direction: FlowDirection): void {
    const { flows, connections } = this.#model;
    const { folding } = this.#parts;
    folding.begin(connection);
    const before = connections.flow[connection]!;
    if (before >= 0 && flows.has(before, FlowFlag.shown) && !flows.isLive(before)) {
      folding.addFlowBytes(connection, before);
      if (isAnswered(flows, before)) connections.addTraits(connection, Trait.established);
      flows.setConnection(before, -1);
    }
    connections.fold(connection, { count: 1, liveFlows: flows.isLive(flow) ? 1 : 0 });
    this.#rest(connection, flow, direction);
  }

  #rest(connection: number, flow: number, { reversed, by }: FlowDirection): void {
    const { flows, connections } = this.#model;
    const { connector } = this.#parts;
    connector.restOn(connection, flow);
    flows.setConnection(flow, connection);
    connections.setDirectionBy(connection, by);
    if (reversed) connections.addTraits(connection, Trait.reversed);
    else connections.removeTraits(connection, Trait.reversed);
    connector.touch(connection);
  }

  #identify(connection: number, flow: number): void {
    const { flows, namespaces, connections, addresses } = this.#model;
    const isScoped = isScopedSegment(this.#model, flow, Segment.before);
    const client = flows.at(flow, FlowPlace.originalSource);
    const server = flows.at(flows.last(flow), FlowPlace.replySource);
    const identity = {
      network: isScoped ? namespaces.row(flows.namespace[flow]!).inode : 0,
      birthMs: this.#model.nodeOfFlow(flow).stream.epoch + flows.tick[flow]! * TICK_MS,
      protocol: flows.protocol[flow]!,
      addressA: client.address,
      portA: client.port,
      addressB: server.address,
      portB: server.port,
    };
    connections.setUid(connection, uidHighOf(addresses, identity), uidLowOf(addresses, identity));
  }
}
