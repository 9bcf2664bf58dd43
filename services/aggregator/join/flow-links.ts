// Ties flows to the ends of connections. A client's socket has a flow's original tuple, a server's socket the mirror of
// its reply: so a flow that was translated says which server's socket answers which client's, and what was dialled.
// Flows are found from ends and ends from flows, so that either may be reported first.

import { TupleKind, tupleKind } from "../../../lib/conntrack/flow-words.ts";
import type { FlowTable } from "../../../lib/flow-table.ts";
import { ConnectionFlag } from "../store/connection-store.ts";
import { ChainIndex } from "../store/chain-index.ts";
import { FlowPlace } from "../store/flow-store.ts";
import { mixHash } from "../store/hash.ts";
import type { NodeRecord } from "../store/node-record.ts";
import { isFamily } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";
import { LAG_MS } from "./mates.ts";
import type { TupleIndex } from "./tuple-index.ts";

/** Flows by their tuples, and what they are of connections. */
export class FlowLinks {
  readonly #tables: Tables;
  readonly #tuples: TupleIndex;
  readonly #byOriginal = new ChainIndex();
  readonly #byReply = new ChainIndex();

  constructor(tables: Tables, tuples: TupleIndex) {
    this.#tables = tables;
    this.#tuples = tuples;
  }

  /** Adds a flow, or brings a known one up to date. False where there was no room for it. */
  put(node: NodeRecord, table: FlowTable, row: number, namespace: number, sinceMs: number): boolean {
    const { flows, addresses } = this.#tables;
    // Flows without ports (icmp, unknown protocols) have no sockets that they could tie together.
    if (tupleKind(table.protocol[row]!) !== TupleKind.ports) return true;
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
    flows.id[slot] = id;
    flows.namespace[slot] = namespace;
    flows.protocol[slot] = table.protocol[row]!;
    flows.zone[slot] = table.zone[row]!;
    flows.sinceMs[slot] = sinceMs;
    flows.keyframe[slot] = node.keyframe;
    for (let place = 0; place < 4; place++) {
      flows.addresses[slot * 4 + place] = addresses.intern(table.addresses, row * 16 + place * 4);
      flows.ports[slot * 4 + place] = table.ports[row * 4 + place]!;
    }
    this.#write(slot, table, row);
    this.#byOriginal.add(slot, this.#hash(slot, FlowPlace.originalSource));
    this.#byReply.add(slot, this.#hash(slot, FlowPlace.replySource));
    this.#wakeEnds(slot);
    return true;
  }

  /** Takes over what changed of a known flow; false where the id is not known. */
  change(node: NodeRecord, table: FlowTable, row: number): boolean {
    const slot = node.flows.get(table.id[row]!);
    // Flows that are not kept (those without ports) change too.
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

  /**
   * Has a connection rest on the flow that fits its ends, the translated one where there are several; gives it, or -1.
   * Never a guess: where two translations fit, neither is taken.
   */
  link(connection: number): number {
    const { connections, flows } = this.#tables;
    if (flows.size === 0) return -1;
    const before = connections.flow[connection]!;
    if (
      before >= 0 &&
      flows.isLive(before) &&
      flows.isTranslated(before) &&
      this.#stillFits(connection, before)
    )
      return before;
    const found = this.#findFor(connection);
    if (found < 0) return before;
    if (found !== before) {
      this.release(connection);
      connections.flow[connection] = found;
      flows.references[found]!++;
      connections.set(connection, ConnectionFlag.changed);
    }
    return found;
  }

  /** Has a connection rest on no flow. */
  release(connection: number): void {
    const { connections, flows } = this.#tables;
    const flow = connections.flow[connection]!;
    if (flow < 0) return;
    connections.flow[connection] = -1;
    if (--flows.references[flow]! === 0 && !flows.isLive(flow)) this.#free(flow);
  }

  /** The flow that a connection rests on, where its client is the flow's too; -1 where there is none. */
  ofConnection(connection: number): number {
    const { connections } = this.#tables;
    const flow = connections.flow[connection]!;
    if (flow < 0) return -1;
    const client = connections.client[connection]!;
    const end = client >= 0 ? client : connections.server[connection]!;
    return this.isClientEnd(flow, end) === client >= 0 ? flow : -1;
  }

  /** Whether an end has the original tuple of a flow: then it is the client's. */
  isClientEnd(flow: number, end: number): boolean {
    return this.#has(flow, FlowPlace.originalSource, end);
  }

  /** The one end that a flow says is the other end of this one; -1 where none, or more than one, fits. */
  mateOf(flow: number, end: number): number {
    const { flows, sockets } = this.#tables;
    const place = this.isClientEnd(flow, end) ? FlowPlace.replySource : FlowPlace.originalSource;
    let found = -1;
    let other = this.#tuples.first(
      flows.protocol[flow]!,
      flows.address(flow, place),
      flows.port(flow, place),
      flows.address(flow, place + 1),
      flows.port(flow, place + 1),
    );
    for (; other >= 0; other = this.#tuples.after(other)) {
      if (other === end || !this.#has(flow, place, other)) continue;
      if (this.#tuples.isNamespaceScoped(other) || !this.#isTimely(flow, other)) continue;
      if (!sockets.isLive(other) && sockets.isLive(end)) continue;
      if (found >= 0) return -1;
      found = other;
    }
    return found;
  }

  #findFor(connection: number): number {
    const { connections } = this.#tables;
    const client = connections.client[connection]!;
    const shared = connections.has(connection, ConnectionFlag.sharedServer);
    const server = shared ? -1 : connections.server[connection]!;
    let best = -1;
    for (const end of client === server ? [client] : [client, server]) {
      if (end < 0) continue;
      const found = this.#findForEnd(end);
      if (found === SEVERAL) return -1;
      if (found >= 0 && (best < 0 || this.#tables.flows.isTranslated(found))) best = found;
    }
    return best;
  }

  #findForEnd(end: number): number {
    const { sockets, flows } = this.#tables;
    if (isFamily(sockets.protocol[end]!) || this.#tuples.isNamespaceScoped(end)) return -1;
    const hash = hashTuple(
      sockets.protocol[end]!,
      sockets.localAddress[end]!,
      sockets.localPort[end]!,
      sockets.remoteAddress[end]!,
      sockets.remotePort[end]!,
    );
    let plain = -1;
    let translated = -1;
    for (const [index, place] of [
      [this.#byOriginal, FlowPlace.originalSource],
      [this.#byReply, FlowPlace.replySource],
    ] as const) {
      for (let flow = index.first(hash); flow >= 0; flow = index.after(flow)) {
        if (!this.#has(flow, place, end) || !this.#isTimely(flow, end)) continue;
        if (!flows.isTranslated(flow)) plain = plain < 0 || flows.isLive(flow) ? flow : plain;
        else if (translated < 0 || this.#supersedes(flow, translated)) translated = flow;
        else if (!this.#supersedes(translated, flow) && !this.#translatesAlike(flow, translated))
          return SEVERAL;
      }
    }
    return translated >= 0 ? translated : plain;
  }

  #supersedes(a: number, b: number): boolean {
    const { flows } = this.#tables;
    return flows.isLive(a) && !flows.isLive(b);
  }

  #translatesAlike(a: number, b: number): boolean {
    const { flows } = this.#tables;
    for (let place = 0; place < 4; place++) {
      if (
        flows.address(a, place) !== flows.address(b, place) ||
        flows.port(a, place) !== flows.port(b, place)
      )
        return false;
    }
    return true;
  }

  #stillFits(connection: number, flow: number): boolean {
    const { connections } = this.#tables;
    const client = connections.client[connection]!;
    const shared = connections.has(connection, ConnectionFlag.sharedServer);
    const server = shared ? -1 : connections.server[connection]!;
    const end = client >= 0 ? client : server;
    if (!this.#isTimely(flow, end)) return false;
    return this.#has(flow, FlowPlace.originalSource, end) || this.#has(flow, FlowPlace.replySource, end);
  }

  // Ports are used again, and the kernel makes a new entry for it: a flow that was there long before the socket, or
  // that came after the socket had gone, is another conversation's.
  #isTimely(flow: number, end: number): boolean {
    const { flows, sockets, connections } = this.#tables;
    const live = sockets.isLive(end);
    const beganMs = live ? sockets.sinceMs[end]! : connections.firstSeenMs[sockets.connection[end]!]!;
    // A datagram socket's flow ends with its silence and begins anew, also before the socket was first looked at.
    // Events tell a flow at once, while its socket is first seen by the pass after it.
    const lagMs = LAG_MS + 2 * (this.#tables.nodeOfSocket(end).coverage?.intervalMs ?? 0);
    if (flows.sinceMs[flow]! < beganMs - lagMs) return false;
    if (!live && flows.sinceMs[flow]! > sockets.sinceMs[end]! + lagMs) return false;
    return flows.isLive(flow) || flows.goneMs[flow]! >= beganMs;
  }

  // Whether an end's (local, remote) are a flow's tuple that begins at a place.
  #has(flow: number, place: number, end: number): boolean {
    const { flows, sockets } = this.#tables;
    return (
      flows.protocol[flow] === sockets.protocol[end] &&
      flows.port(flow, place) === sockets.localPort[end] &&
      flows.port(flow, place + 1) === sockets.remotePort[end] &&
      flows.address(flow, place) === sockets.localAddress[end] &&
      flows.address(flow, place + 1) === sockets.remoteAddress[end]
    );
  }

  // The connections of both ends have to be looked at again.
  #wakeEnds(flow: number): void {
    const { flows, sockets } = this.#tables;
    for (const place of [FlowPlace.originalSource, FlowPlace.replySource]) {
      const protocol = flows.protocol[flow]!;
      let end = this.#tuples.first(
        protocol,
        flows.address(flow, place),
        flows.port(flow, place),
        flows.address(flow, place + 1),
        flows.port(flow, place + 1),
      );
      for (; end >= 0; end = this.#tuples.after(end))
        if (this.#has(flow, place, end)) this.#tables.markDirty(sockets.connection[end]!, false);
    }
  }

  #write(slot: number, table: FlowTable, row: number): void {
    const { flows } = this.#tables;
    flows.state[slot] = table.state[row]!;
    flows.status[slot] = table.status[row]!;
    for (let i = 0; i < 4; i++) flows.counters[slot * 4 + i] = table.counters[row * 4 + i]!;
  }

  #isSame(slot: number, table: FlowTable, row: number, namespace: number): boolean {
    const { flows, addresses } = this.#tables;
    if (flows.namespace[slot] !== namespace || flows.protocol[slot] !== table.protocol[row]) return false;
    for (let place = 0; place < 4; place++) {
      if (flows.port(slot, place) !== table.ports[row * 4 + place]) return false;
      const address = flows.address(slot, place);
      for (let i = 0; i < 4; i++)
        if (addresses.words[address * 4 + i] !== table.addresses[row * 16 + place * 4 + i]) return false;
    }
    return true;
  }

  #retire(node: NodeRecord, slot: number): void {
    const { flows } = this.#tables;
    node.flows.delete(flows.id[slot]!);
    // What was found gone with a report was there until then, give or take the node's last look.
    flows.goneMs[slot] = Math.max(1, node.observedMs, flows.sinceMs[slot]!);
    if (flows.references[slot] === 0) this.#free(slot);
  }

  #free(slot: number): void {
    const { flows, addresses } = this.#tables;
    this.#byOriginal.remove(slot);
    this.#byReply.remove(slot);
    for (let place = 0; place < 4; place++) addresses.release(flows.address(slot, place));
    flows.free(slot);
  }

  #hash(slot: number, place: number): number {
    const { flows } = this.#tables;
    return hashTuple(
      flows.protocol[slot]!,
      flows.address(slot, place),
      flows.port(slot, place),
      flows.address(slot, place + 1),
      flows.port(slot, place + 1),
    );
  }
}

const SEVERAL = -2;

// In one direction only: whose tuple it is matters.
function hashTuple(
  protocol: number,
  addressA: number,
  portA: number,
  addressB: number,
  portB: number,
): number {
  return mixHash(mixHash(mixHash(mixHash(protocol, addressA), portA), addressB), portB);
}
