// Adds flows to the tables and removes them. New flows are held back until they are judged (flow-waits.ts).

import type { FlowTable as ReportFlows } from "../../../lib/flow-table.ts";
import { FIRST_LOOK_TICKS } from "../match/by-lone-flow.ts";
import { chainLinks, firstOfChain } from "../match/conversation.ts";
import { destinationOf, isSamePlace, segments, sourceOf } from "../model/flows/flow-index.ts";
import type { FlowArrival } from "../model/flows/flow-table.ts";
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
  /** When it was first seen, and when it was reported, in milliseconds since 1970 by the stream's clock. */
  readonly sinceMs: number;
  readonly reportedMs: number;
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
    const arrival: FlowArrival = { ...reported, old: !isReportedAtOnce };
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
    if (flows.isTranslated(slot)) this.#chain(node, slot);
    this.#wakeEnds(slot);
    this.#parts.waits.begin(slot, reported.reportedMs);
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
  }

  /** Removes the flows that a node's latest keyframe did not name. */
  removeUnnamed(node: NodeRecord): void {
    const { flows } = this.#model;
    for (const slot of node.ids.flows.slots())
      if (flows.keyframe[slot] !== node.stream.keyframe) this.#retire(node, slot);
  }

  // Links a translated flow to the flows before and after it; their ends must be matched again.
  #chain(node: NodeRecord, slot: number): void {
    const { flows } = this.#model;
    if (flows.isDestinationTranslated(slot)) node.noteTranslation();
    for (const [flow, next] of chainLinks(this.#model, slot)) {
      if (flows.next[flow]! >= 0 || next === flow || flows.last(next) === flow) continue;
      flows.setNext(flow, next);
    }
    const last = flows.last(slot);
    if (last !== slot) this.#wakeEnds(last);
    const first = firstOfChain(this.#model, slot);
    if (first !== slot) this.#wakeEnds(first);
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
    const { flows } = this.#model;
    node.ids.flows.delete(flows.id[slot]!);
    // Keep it until its connection is settled. A flow that a report shows to be gone existed until about the
    // node's previous pass.
    flows.retain(slot);
    flows.retire(slot, node.observedMs);
    this.#parts.lone.lose(slot);
    flows.release(slot);
  }
}
