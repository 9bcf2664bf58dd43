// A flow's way into the tables and out of them. What comes new waits to be judged (lone-flows.ts): sockets that it
// belongs to are told later than it is.

import { FlowStatus, TupleKind, tupleKind } from "../../../lib/conntrack/flow-words.ts";
import type { FlowTable } from "../../../lib/flow-table.ts";
import { Protocol } from "../../../lib/words.ts";
import { FlowFlag } from "../store/flow-store.ts";
import type { NodeRecord } from "../store/node-record.ts";
import type { Tables } from "../store/tables.ts";
import type { Conversations } from "./conversations.ts";
import type { FlowIndex } from "./flow-index.ts";
import { destinationOf, Segment, sourceOf } from "./flow-index.ts";
import { FlowQueue } from "./flow-queue.ts";
import type { TupleIndex } from "./tuple-index.ts";

/** Ticks (10 ms) after its start within which an agent has looked for the first time: flows first seen then are older. */
export const FIRST_LOOK_TICKS = 300;

/** Adds flows and takes them away. */
export class FlowLife {
  /** Flows that wait to be judged: those whose sockets a pass would tell, TCP's, and those that have none. */
  readonly waiting = { datagram: new FlowQueue(), stream: new FlowQueue(), socketless: new FlowQueue() };
  readonly #tables: Tables;
  readonly #tuples: TupleIndex;
  readonly #index: FlowIndex;
  readonly #conversations: Conversations;

  constructor(tables: Tables, tuples: TupleIndex, index: FlowIndex, conversations: Conversations) {
    this.#tables = tables;
    this.#tuples = tuples;
    this.#index = index;
    this.#conversations = conversations;
  }

  /** Adds a flow, or brings a known one up to date. False where there was no room for it. */
  put(
    node: NodeRecord,
    table: FlowTable,
    row: number,
    namespace: number,
    sinceMs: number,
    toldMs: number,
  ): boolean {
    const { flows, addresses, namespaces } = this.#tables;
    const id = table.id[row]!;
    const known = node.flows.get(id);
    if (known >= 0) {
      if (this.#isSame(known, table, row, namespace)) {
        flows.keyframe[known] = node.keyframe;
        this.#write(known, table, row);
        return true;
      }
      this.#retire(node, known);
    }
    const slot = flows.allocate();
    if (slot < 0 || !node.flows.set(id, slot)) {
      if (slot >= 0) flows.free(slot);
      this.#tables.overflowed++;
      return false;
    }
    namespaces.retain(namespace);
    flows.id[slot] = id;
    flows.namespace[slot] = namespace;
    flows.protocol[slot] = table.protocol[row]!;
    flows.zone[slot] = table.zone[row]!;
    flows.sinceMs[slot] = sinceMs;
    flows.tick[slot] = table.firstSeen[row]!;
    flows.keyframe[slot] = node.keyframe;
    const toldAtOnce = node.coverage?.conntrack === "events" && table.firstSeen[row]! > FIRST_LOOK_TICKS;
    if (!toldAtOnce) flows.set(slot, FlowFlag.old);
    for (let place = 0; place < 4; place++) {
      flows.addresses[slot * 4 + place] = addresses.intern(table.addresses, row * 16 + place * 4);
      flows.ports[slot * 4 + place] = portOf(table, row, place);
    }
    this.#write(slot, table, row);
    this.#index.add(slot);
    if (flows.isTranslated(slot)) {
      node.translates ||= flows.isDestinationTranslated(slot);
      this.#conversations.chain(slot);
      const last = flows.last(slot);
      if (last !== slot) this.#wakeEnds(last);
      const first = this.#conversations.firstOf(slot);
      if (first !== slot) this.#wakeEnds(first);
    }
    this.#wakeEnds(slot);
    this.#await(slot, toldMs);
    return true;
  }

  /** Takes over what changed of a known flow; false where the id is not known. */
  change(node: NodeRecord, table: FlowTable, row: number): boolean {
    const slot = node.flows.get(table.id[row]!);
    if (slot >= 0) this.#write(slot, table, row);
    return slot >= 0;
  }

  /** A flow is there no more. */
  remove(node: NodeRecord, id: number): void {
    const slot = node.flows.get(id);
    if (slot >= 0) this.#retire(node, slot);
  }

  /** Drops the flows that a keyframe did not name, or all of them. */
  dropAll(node: NodeRecord, unnamedOnly: boolean): void {
    const { flows } = this.#tables;
    for (const slot of node.flows.slots())
      if (!unnamedOnly || flows.keyframe[slot] !== node.keyframe) this.#retire(node, slot);
  }

  /** Takes away one reason to keep a flow that may have gone. */
  release(flow: number): void {
    const { flows } = this.#tables;
    if (--flows.references[flow]! === 0 && !flows.isLive(flow)) this.#free(flow);
  }

  #await(flow: number, toldMs: number): void {
    const { flows } = this.#tables;
    const { datagram, stream, socketless } = this.waiting;
    flows.set(flow, FlowFlag.waiting);
    flows.references[flow]!++;
    const protocol = flows.protocol[flow]!;
    const isDatagram = protocol === Protocol.udp || protocol === Protocol.udplite;
    const queue = protocol === Protocol.tcp ? stream : isDatagram ? datagram : socketless;
    queue.push(flow, toldMs);
  }

  // The connections of both ends have to be looked at again.
  #wakeEnds(flow: number): void {
    const { flows, sockets } = this.#tables;
    const protocol = flows.protocol[flow]!;
    for (const segment of [Segment.before, Segment.after] as const) {
      const from = sourceOf(segment);
      const to = destinationOf(segment);
      const client = { address: flows.address(flow, from), port: flows.port(flow, from) };
      const server = { address: flows.address(flow, to), port: flows.port(flow, to) };
      let end = this.#tuples.first(protocol, client.address, client.port, server.address, server.port);
      for (; end >= 0; end = this.#tuples.after(end)) {
        if (sockets.protocol(end) !== protocol) continue;
        const near = sockets.localAddress(end) === client.address && sockets.localPort(end) === client.port;
        const far = sockets.localAddress(end) === server.address && sockets.localPort(end) === server.port;
        if (near || far) this.#tables.markDirty(sockets.connection(end), false);
      }
    }
  }

  #write(slot: number, table: FlowTable, row: number): void {
    const { flows } = this.#tables;
    const state = table.state[row]!;
    const status = table.status[row]!;
    const moved = flows.state[slot] !== state || ((flows.status[slot]! ^ status) & TELLING_STATUS) !== 0;
    flows.state[slot] = state;
    flows.status[slot] = status;
    let carried = false;
    for (let i = 0; i < 4; i++) {
      carried ||= flows.counters[slot * 4 + i] !== table.counters[row * 4 + i];
      flows.counters[slot * 4 + i] = table.counters[row * 4 + i]!;
    }
    const connection = flows.connection[slot]!;
    if (connection >= 0 && (moved || carried)) this.#tables.markDirty(connection, moved);
  }

  #isSame(slot: number, table: FlowTable, row: number, namespace: number): boolean {
    const { flows, addresses } = this.#tables;
    if (flows.namespace[slot] !== namespace || flows.protocol[slot] !== table.protocol[row]) return false;
    if (flows.zone[slot] !== table.zone[row]) return false;
    for (let place = 0; place < 4; place++) {
      if (flows.port(slot, place) !== portOf(table, row, place)) return false;
      const address = flows.address(slot, place);
      for (let i = 0; i < 4; i++)
        if (addresses.words[address * 4 + i] !== table.addresses[row * 16 + place * 4 + i]) return false;
    }
    return true;
  }

  #retire(node: NodeRecord, slot: number): void {
    const { flows, connections } = this.#tables;
    node.flows.delete(flows.id[slot]!);
    // What was found gone with a report was there until then, give or take the node's last look.
    flows.goneMs[slot] = Math.max(1, node.observedMs, flows.sinceMs[slot]!);
    const connection = flows.connection[slot]!;
    if (connection >= 0) {
      connections.loseFlow(connection, slot, flows);
      this.#tables.markDirty(connection, flows.has(slot, FlowFlag.shown));
    }
    if (flows.references[slot] === 0) this.#free(slot);
  }

  #free(slot: number): void {
    const { flows, addresses, namespaces } = this.#tables;
    this.#index.remove(slot);
    for (let place = 0; place < 4; place++) addresses.release(flows.address(slot, place));
    namespaces.release(flows.namespace[slot]!);
    const next = flows.next[slot]!;
    flows.free(slot);
    if (next >= 0) this.release(next);
  }
}

const TELLING_STATUS = FlowStatus.seenReply | FlowStatus.assured;

// Icmp's tuples have the id as source and type * 256 + code as destination, each direction its own: the client's are
// taken for both, so that one is the other's mirror.
function portOf({ protocol, ports }: FlowTable, row: number, place: number): number {
  if (place < 2 || tupleKind(protocol[row]!) !== TupleKind.icmp) return ports[row * 4 + place]!;
  return ports[row * 4 + (place === 2 ? 1 : 2)]!;
}
