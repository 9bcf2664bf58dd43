// Adds flows to the tables and removes them. New flows are held back until they are judged (flow-waits.ts).

import type { FlowTable as ReportFlows } from "../../../lib/flow-table.ts";
import { FIRST_LOOK_TICKS } from "../match/by-lone-flow.ts";
import { chainLinks, firstOfChain } from "../match/conversation.ts";
import { destinationOf, isSamePlace, Segment, segments, sourceOf } from "../model/flows/flow-index.ts";
import type { FlowArrival } from "../model/flows/flow-table.ts";
import { CHAIN_MAX } from "../model/flows/flow-rows.ts";
import { FlowChange } from "../model/flows/flow-table.ts";
import type { Model } from "../model/model.ts";
import type { NodeRecord } from "../model/nodes/node-record.ts";
import type { Connector } from "./connector.ts";
import type { FlowWaits } from "./flow-waits.ts";
import type { LoneConnections } from "./lone-connections.ts";

/** A row of a report's flows, and when it was reported. */
export interface ReportedFlow {
  readonly table: ReportFlows;
  readonly row: number;
  /** Slot of the network namespace. */
  readonly namespace: number;
  /** When it was first seen, in milliseconds since 1970 by the stream's clock. */
  readonly sinceMs: number;
}

/** Where flows and their consequences are written. */
export interface FlowParts {
  readonly connector: Connector;
  readonly lone: LoneConnections;
  readonly waits: FlowWaits;
}

/** Adds and removes flows. */
export class FlowLife {
  readonly #model: Model;
  readonly #parts: FlowParts;

  // Flows of an agent's previous run, by node, until its keyframe has named those that still exist.
  readonly #earlier = new Map<number, Set<number>>();

  constructor(model: Model, parts: FlowParts) {
    this.#model = model;
    this.#parts = parts;
  }

  /** Adds or updates a flow. Counts it as overflow if there is no room. */
  put(node: NodeRecord, reported: ReportedFlow): void {
    const { flows, overflow } = this.#model;
    const { table, row } = reported;
    const id = table.id[row]!;
    const isReportedAtOnce =
      node.coverage?.conntrack === "events" && table.firstSeen[row]! > FIRST_LOOK_TICKS;
    // What an agent hears, or a dump finds, may have begun while it was stopped.
    const bornAfterMs = isReportedAtOnce
      ? node.times.heardMs(reported.sinceMs)
      : node.times.lackedMs(reported.sinceMs) || reported.sinceMs;
    const arrival: FlowArrival = { ...reported, bornAfterMs, old: !isReportedAtOnce };
    const known = node.ids.flows.get(id);
    if (known >= 0) {
      if (flows.isSame(known, arrival)) {
        flows.name(known, node.stream.keyframe);
        this.#update(known, table, row);
        return;
      }
      this.#retire(node, known);
    }
    const slot = flows.add(arrival, node.stream.keyframe);
    if (slot < 0 || !node.ids.flows.set(id, slot)) {
      if (slot >= 0) flows.retire(slot, 0);
      overflow.add("flows");
      return;
    }
    if (this.#continuesEarlier(node, slot, arrival)) return;
    if (flows.isTranslated(slot)) this.#chain(node, slot);
    this.#wakeEnds(slot);
    this.#parts.waits.begin(slot, node.stream.arrivedMs);
  }

  /** Copies the changed columns of a known flow. */
  change(node: NodeRecord, table: ReportFlows, row: number): void {
    const slot = node.ids.flows.get(table.id[row]!);
    if (slot >= 0) this.#update(slot, table, row);
  }

  /** Removes a flow that no longer exists. */
  remove(node: NodeRecord, id: number): void {
    const slot = node.ids.flows.get(id);
    if (slot >= 0) this.#retire(node, slot);
  }

  /** Removes all flows of a node. */
  removeAll(node: NodeRecord): void {
    for (const slot of node.ids.flows.slots()) this.#retire(node, slot);
    this.#removeEarlier(node);
  }

  /** Begins a new run of the agent: its earlier ids are invalid, but the flows may still exist. */
  beginEpoch(node: NodeRecord): void {
    const earlier = this.#earlier.get(node.index) ?? new Set();
    for (const slot of node.ids.flows.slots()) earlier.add(slot);
    node.ids.flows.clear();
    if (earlier.size > 0) this.#earlier.set(node.index, earlier);
  }

  /** Removes the flows that a node's latest keyframe did not name. */
  removeUnnamed(node: NodeRecord): void {
    const { flows } = this.#model;
    for (const slot of node.ids.flows.slots())
      if (flows.keyframe[slot] !== node.stream.keyframe) this.#retire(node, slot);
    this.#removeEarlier(node);
  }

  // Whether a new row is a flow of the agent's previous run, which takes its id: the same tuples in the same
  // table, and it has not gone back to its beginning.
  #continuesEarlier(node: NodeRecord, slot: number, { table, row }: FlowArrival): boolean {
    const { flows } = this.#model;
    const earlier = this.#earlier.get(node.index);
    if (earlier === undefined) return false;
    const { index } = flows;
    const hash = index.hashOf(slot, Segment.before);
    let other = index.first(Segment.before, hash);
    for (; other >= 0; other = index.after(Segment.before, other))
      if (earlier.has(other) && flows.continues(slot, other)) break;
    if (other < 0) return false;
    earlier.delete(other);
    node.ids.flows.set(table.id[row]!, other);
    flows.rename(other, table.id[row]!, node.stream.keyframe);
    flows.retire(slot, 0);
    this.#update(other, table, row);
    return true;
  }

  #removeEarlier(node: NodeRecord): void {
    for (const slot of this.#earlier.get(node.index) ?? []) this.#end(node, slot);
    this.#earlier.delete(node.index);
  }

  // Links a translated flow to the flows before and after it; their ends must be matched again.
  #chain(node: NodeRecord, slot: number): void {
    const { flows } = this.#model;
    if (flows.isDestinationTranslated(slot)) node.noteTranslation();
    for (const [flow, next] of chainLinks(this.#model, slot)) {
      if (flows.next[flow]! >= 0 || next === flow || flows.last(next) === flow) continue;
      flows.setNext(flow, next);
      this.#wakeShown(firstOfChain(this.#model, flow));
    }
    const last = flows.last(slot);
    if (last !== slot) this.#wakeEnds(last);
    const first = firstOfChain(this.#model, slot);
    if (first !== slot) this.#wakeEnds(first);
  }

  // Queues a connection that rests on a chain: what was dialled, and who answers, is known by the whole chain.
  #wakeShown(first: number): void {
    const { flows } = this.#model;
    for (let flow = first, hops = 0; flow >= 0 && hops < CHAIN_MAX; flow = flows.next[flow]!, hops++)
      if (flows.connection[flow]! >= 0) this.#parts.connector.touch(flows.connection[flow]!);
  }

  // Queues the connections of both ends to be matched again.
  #wakeEnds(flow: number): void {
    const { flows, sockets, ends } = this.#model;
    const protocol = flows.protocol[flow]!;
    for (const segment of segments) {
      const client = flows.at(flow, sourceOf(segment));
      const server = flows.at(flow, destinationOf(segment));
      let end = ends.first(protocol, client.address, client.port, server.address, server.port);
      for (; end >= 0; end = ends.after(end)) {
        if (sockets.protocol(end) !== protocol) continue;
        const local = { address: sockets.localAddress(end), port: sockets.localPort(end) };
        if (isSamePlace(local, client) || isSamePlace(local, server))
          this.#parts.connector.recheck(sockets.connection(end));
      }
    }
  }

  #update(slot: number, table: ReportFlows, row: number): void {
    const { flows } = this.#model;
    const changed = flows.update(slot, table, row);
    const connection = flows.connection[slot]!;
    if (connection < 0 || changed === 0) return;
    if ((changed & FlowChange.state) !== 0) this.#parts.connector.touch(connection);
    else this.#parts.connector.recheck(connection);
  }

  #retire(node: NodeRecord, slot: number): void {
    node.ids.flows.delete(this.#model.flows.id[slot]!);
    this.#end(node, slot);
  }

  #end(node: NodeRecord, slot: number): void {
    const { flows } = this.#model;
    // Keep it until its connection is settled. A flow that a report shows to be gone existed until about the
    // node's previous pass.
    flows.retain(slot);
    flows.retire(slot, node.observedMs);
    this.#parts.lone.lose(slot);
    flows.release(slot);
  }
}
