// Connections of flows without sockets: forwarded traffic, ICMP and protocols that have no sockets to be read, datagrams
// of sockets that never connect, and what was too short to be seen otherwise. A flow waits until sockets that it belongs
// to would have been told; then the flows of one conversation, on whatever nodes, make one connection. Conversations of
// protocols without connections are folded: one for each edge, with a count.

import { TupleKind, tupleKind } from "../../../lib/conntrack/flow-words.ts";
import { Protocol } from "../../../lib/words.ts";
import { addFlowBytes, ConnectionFlag, DirectionBy } from "../store/connection-store.ts";
import { FlowFlag, FlowPlace } from "../store/flow-store.ts";
import { TICK_MS } from "../store/node-record.ts";
import type { Tables } from "../store/tables.ts";
import { setConnectionUid } from "./connection-uid.ts";
import { isScopedSegment } from "./conversations.ts";
import { findListenerAt, ownersOf } from "./datagram-servers.ts";
import type { EdgeCounts } from "./edge-counts.ts";
import type { EndpointKeys } from "./endpoint-keys.ts";
import { Segment } from "./flow-index.ts";
import { FIRST_LOOK_TICKS } from "./flow-life.ts";
import type { FlowQueue } from "./flow-queue.ts";
import type { Joiner } from "./joiner.ts";
import { LAG_MS } from "./mates.ts";
import { isAnswered } from "./outcomes.ts";
import { isEphemeral } from "./socket-role.ts";

/** Connections of flows without sockets at most; what overflows is counted. */
const LONE_MAX = 2 ** 18;
/** Flows judged at one time at most; the rest follow with the next tick. */
const JUDGED_MAX = 2 ** 16;
/** Milliseconds that a report may be on its way beside the interval of its agent's passes. */
const REPORT_MS = 2_000;
/** The interval that is waited for at most. */
const INTERVAL_MS_MAX = 30_000;

/** Whether conversations of this protocol are folded into one connection for each edge. */
export function isFolded(protocol: number): boolean {
  return (
    tupleKind(protocol) !== TupleKind.ports || protocol === Protocol.udp || protocol === Protocol.udplite
  );
}

/** Which side of a flow is the client, and how that is known. */
interface FlowDirection {
  readonly reversed: boolean;
  readonly by: number;
  /** Slot of the listener that answers datagrams, or -1. */
  readonly listener: number;
}

/** Judges flows that no socket explains. */
export class LoneFlows {
  readonly #tables: Tables;
  readonly #joiner: Joiner;
  readonly #keys: EndpointKeys;
  readonly #edgeCounts: EdgeCounts;

  constructor(tables: Tables, joiner: Joiner, keys: EndpointKeys, edgeCounts: EdgeCounts) {
    this.#tables = tables;
    this.#joiner = joiner;
    this.#keys = keys;
    this.#edgeCounts = edgeCounts;
  }

  /** Judges the flows that have waited long enough, at a time of the stream's clock. */
  judge(nowMs: number): void {
    const { datagram, stream, socketless } = this.#joiner.flowLife.waiting;
    if (datagram.size + stream.size + socketless.size === 0) return;
    const intervalMs = this.#longestIntervalMs();
    this.#judgeAll(socketless, nowMs - REPORT_MS - intervalMs);
    this.#judgeAll(datagram, nowMs - REPORT_MS - 2 * intervalMs);
    this.#judgeAll(stream, nowMs - LAG_MS - 2 * intervalMs);
  }

  /** Sockets turned out to make the conversation of a flow that is shown: the flow's own connection goes. */
  takeOver(flow: number): void {
    for (const each of [flow, ...this.#joiner.conversations.peersOf(flow)]) this.#explain(each);
  }

  #judgeAll(queue: FlowQueue, toldBeforeMs: number): void {
    const { flows, nodes } = this.#tables;
    for (let judged = 0; queue.size > 0 && judged < JUDGED_MAX; judged++) {
      // On a machine by itself the first look tells sockets and flows together.
      const toldTogether = nodes.length === 1 && this.#isOfFirstLook(queue.first);
      if (queue.firstMs > toldBeforeMs && !toldTogether) return;
      const flow = queue.shift();
      flows.clear(flow, FlowFlag.waiting);
      this.#judge(flow);
      this.#joiner.flowLife.release(flow);
    }
  }

  #longestIntervalMs(): number {
    let longest = 0;
    for (const { lost, coverage } of this.#tables.nodes)
      if (!lost) longest = Math.max(longest, coverage?.intervalMs ?? 0);
    return Math.min(INTERVAL_MS_MAX, longest);
  }

  #judge(flow: number): void {
    const { flows } = this.#tables;
    if (flows.has(flow, FlowFlag.explained)) return;
    const group = [flow, ...this.#joiner.conversations.peersOf(flow)];
    if (group.some((each) => flows.has(each, FlowFlag.explained) || this.#joiner.flows.hasEnd(each))) {
      for (const each of group) this.#explain(each);
      return;
    }
    const shown = group.filter((each) => flows.has(each, FlowFlag.shown));
    const first = this.#joiner.conversations.firstOf(group.find((each) => flows.isTranslated(each)) ?? flow);
    if (shown.length > 0) {
      // A translation that is told late knows better than what was shown without it.
      const better = flows.isTranslated(first) && !shown.some((each) => flows.isTranslated(each));
      if (!better) {
        this.#follow(group, shown);
        return;
      }
      for (const each of shown) this.#takeBack(each);
    }
    if (this.#isKnownOtherwise(group, first)) return;
    if (this.#show(first, group)) for (const each of [first, ...group]) flows.set(each, FlowFlag.shown);
  }

  // Another node's witness of a conversation that is shown.
  #follow(group: readonly number[], shown: readonly number[]): void {
    const { flows, connections } = this.#tables;
    for (const each of group) flows.set(each, FlowFlag.shown);
    for (const each of shown) {
      const connection = flows.connection[each]!;
      if (connection < 0 || !connections.has(connection, ConnectionFlag.forwarded)) continue;
      if (this.#isForwarded(each, group)) continue;
      connections.clear(connection, ConnectionFlag.forwarded);
      this.#tables.markDirty(connection, true);
    }
  }

  #explain(flow: number): void {
    const { flows } = this.#tables;
    this.#takeBack(flow);
    flows.set(flow, FlowFlag.explained);
  }

  #takeBack(flow: number): void {
    const { flows, connections } = this.#tables;
    if (!flows.has(flow, FlowFlag.shown)) return;
    flows.clear(flow, FlowFlag.shown);
    const connection = flows.connection[flow]!;
    flows.connection[flow] = -1;
    if (connection < 0) return;
    const fold = connections.folds.get(connection);
    if (fold === undefined || fold.count === 1) {
      this.#joiner.pairing.discard(connection);
      return;
    }
    this.#edgeCounts.add(connection, -1);
    fold.count--;
    if (flows.isLive(flow)) fold.liveFlows--;
    this.#tables.markDirty(connection, true);
  }

  /**
   * Whether a TCP flow needs no connection of its own although no socket of it was told. Where the namespaces of both
   * ends are read, the socket that there is would have been told: what is left is an entry that outlived its sockets, or
   * one of those that coverage counts as unseen. The same goes for one end, of what was there before anyone looked.
   */
  #isKnownOtherwise(group: readonly number[], first: number): boolean {
    const { flows } = this.#tables;
    if (flows.protocol[first] !== Protocol.tcp) return false;
    const covered = this.#coveredEnds(first);
    return covered === 2 || (covered === 1 && group.every((each) => this.#isOfFirstLook(each)));
  }

  #isOfFirstLook(flow: number): boolean {
    return this.#tables.flows.tick[flow]! <= FIRST_LOOK_TICKS;
  }

  #coveredEnds(flow: number): number {
    const { flows } = this.#tables;
    if (isScopedSegment(this.#tables, flow, Segment.before)) return 2;
    const client = this.#isCovered(flows.address(flow, FlowPlace.originalSource), flow);
    const server = this.#isCovered(flows.address(flows.last(flow), FlowPlace.replySource), flow);
    return (client ? 1 : 0) + (server ? 1 : 0);
  }

  #isCovered(address: number, flow: number): boolean {
    const { namespaces, nodes, flows } = this.#tables;
    return ownersOf(this.#tables, address, flows.sinceMs[flow]!).some((namespace) => {
      const node = nodes[namespaces.nodeOf(namespace)]!;
      return !node.lost && !node.awaitsKeyframe;
    });
  }

  // Whether none of the nodes that have the flows has one of its ends.
  #isForwarded(flow: number, group: readonly number[]): boolean {
    const { flows } = this.#tables;
    const ends = [
      flows.address(flow, FlowPlace.originalSource),
      flows.address(flows.last(flow), FlowPlace.replySource),
    ];
    return !group.some((each) => ends.some((address) => this.#isAt(address, each)));
  }

  #isAt(address: number, flow: number): boolean {
    const { localAddresses, namespaces, addresses, identity, flows } = this.#tables;
    const node = this.#joiner.conversations.nodeOf(flow);
    if (addresses.isLoopback(address)) return true;
    const having = localAddresses.namespacesOf(address);
    if (having.some((namespace) => namespaces.nodeOf(namespace) === node.index)) return true;
    const owner = identity.addressOwner(addresses.text(address), flows.sinceMs[flow]!);
    if (owner.kind === "pod") return owner.pod.node === node.name;
    return owner.kind === "node" && owner.node === node.name;
  }

  // Has a conversation shown: folded into the connection of its edge, or as one of its own. False where there is no room.
  #show(flow: number, group: readonly number[]): boolean {
    const { flows, edges, connections } = this.#tables;
    const direction = this.#directionOf(flow);
    const { reversed, listener } = direction;
    let firstSeenMs = flows.sinceMs[flow]!;
    for (const each of group) firstSeenMs = Math.min(firstSeenMs, flows.sinceMs[each]!);
    const folded = isFolded(flows.protocol[flow]!);
    const edge = folded ? edges.find(this.#edgeCounts.keyOfFlow(flow, reversed, listener, firstSeenMs)) : -1;
    const aggregate = edge < 0 ? -1 : edges.aggregate[edge]!;
    if (aggregate >= 0) {
      this.#addTo(aggregate, flow, direction);
      return true;
    }
    const connection = this.#tables.loneCount < LONE_MAX ? connections.allocate() : -1;
    if (connection < 0) {
      this.#tables.overflowed++;
      return false;
    }
    this.#tables.loneCount++;
    connections.set(connection, ConnectionFlag.lone);
    connections.firstSeenMs[connection] = firstSeenMs;
    this.#identify(connection, flow);
    this.#rest(connection, flow, direction);
    if (this.#isForwarded(flow, group)) connections.set(connection, ConnectionFlag.forwarded);
    if (this.#coveredEnds(flow) > 0) connections.set(connection, ConnectionFlag.covered);
    if (listener >= 0) this.#joiner.pairing.shareServer(connection, listener);
    if (folded) {
      // At once, so that the next one of the same edge is folded into it.
      this.#edgeCounts.count(connection);
      const own = connections.edge[connection]!;
      if (own >= 0 && edges.aggregate[own]! < 0) edges.aggregate[own] = connection;
    }
    return true;
  }

  #addTo(connection: number, flow: number, direction: FlowDirection): void {
    const { flows, connections } = this.#tables;
    const fold = connections.fold(connection, flows);
    const before = connections.flow[connection]!;
    if (before >= 0 && flows.has(before, FlowFlag.shown) && !flows.isLive(before)) {
      addFlowBytes(fold, flows, before);
      if (isAnswered(flows, before)) connections.set(connection, ConnectionFlag.established);
      flows.connection[before] = -1;
    }
    fold.count++;
    if (flows.isLive(flow)) fold.liveFlows++;
    this.#edgeCounts.add(connection, 1);
    this.#rest(connection, flow, direction);
  }

  #rest(connection: number, flow: number, { reversed, by }: FlowDirection): void {
    const { flows, connections } = this.#tables;
    this.#joiner.flows.rest(connection, flow);
    flows.connection[flow] = connection;
    connections.directionBy[connection] = by;
    if (reversed) connections.set(connection, ConnectionFlag.reversed);
    else connections.clear(connection, ConnectionFlag.reversed);
    this.#tables.markDirty(connection, true);
  }

  /**
   * A translated flow has the client first, and so has one whose beginning was seen; what conntrack picked up in the
   * middle may have it the wrong way round: listeners know better, and so do ports.
   */
  #directionOf(flow: number): FlowDirection {
    const { flows } = this.#tables;
    const protocol = flows.protocol[flow]!;
    const straight = { reversed: false, by: DirectionBy.flow, listener: -1 } as const;
    if (tupleKind(protocol) !== TupleKind.ports) return straight;
    const listener = this.#listenerAt(flow, FlowPlace.replySource);
    if (listener >= 0) return { ...straight, listener };
    if (flows.isTranslated(flow) || flows.next[flow]! >= 0) return straight;
    const reverse = this.#listenerAt(flow, FlowPlace.originalSource);
    if (reverse >= 0) return { reversed: true, by: DirectionBy.listener, listener: reverse };
    const fromServer =
      isEphemeral(flows.port(flow, FlowPlace.originalDestination)) &&
      !isEphemeral(flows.port(flow, FlowPlace.originalSource));
    return fromServer && isFolded(protocol)
      ? { reversed: true, by: DirectionBy.port, listener: -1 }
      : straight;
  }

  // Who answers datagrams at a place of a flow; a client's own unconnected socket is none where its port is a client's.
  #listenerAt(flow: number, place: number): number {
    const { flows } = this.#tables;
    const protocol = flows.protocol[flow]!;
    if (!isFolded(protocol)) return -1;
    const at = place === FlowPlace.replySource ? flows.last(flow) : flow;
    const port = flows.port(at, place);
    if (place === FlowPlace.originalSource && isEphemeral(port)) return -1;
    const { listeners, familyListeners } = this.#joiner;
    return findListenerAt(
      { tables: this.#tables, listeners, familyListeners, keys: this.#keys },
      { protocol, namespace: flows.namespace[flow]!, timeMs: flows.sinceMs[flow]! },
      { address: flows.address(at, place), port },
    );
  }

  #identify(connection: number, flow: number): void {
    const { flows, namespaces } = this.#tables;
    const scoped = isScopedSegment(this.#tables, flow, Segment.before);
    const last = flows.last(flow);
    setConnectionUid(
      this.#tables,
      connection,
      scoped ? namespaces.row(flows.namespace[flow]!).inode : 0,
      this.#joiner.conversations.nodeOf(flow).epoch + flows.tick[flow]! * TICK_MS,
      flows.protocol[flow]!,
      flows.address(flow, FlowPlace.originalSource),
      flows.port(flow, FlowPlace.originalSource),
      flows.address(last, FlowPlace.replySource),
      flows.port(last, FlowPlace.replySource),
    );
  }
}
