// What reports leave to think over for each connection that changed, until the next tick or query: is its other end known by now, who
// opened it, is it still there, which edge counts it, and what those who watch are told.

import { TcpFlowState } from "../../../lib/conntrack/flow-words.ts";
import { Protocol } from "../../../lib/words.ts";
import { connectionBytes } from "../store/connection-bytes.ts";
import { ConnectionFlag, DirectionBy, Outcome } from "../store/connection-store.ts";
import { FlowPlace } from "../store/flow-store.ts";
import { isFamily } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";
import { findDatagramServer, isDatagram } from "./datagram-servers.ts";
import { Directions } from "./directions.ts";
import { EdgeCounts, Evidence, evidenceOf } from "./edge-counts.ts";
import { EndpointKeys } from "./endpoint-keys.ts";
import type { FlowLinks } from "./flow-links.ts";
import type { Joiner } from "./joiner.ts";
import { isFolded, LoneFlows } from "./lone-flows.ts";
import { outcomeOf } from "./outcomes.ts";
import { isOpen } from "./socket-role.ts";

/** Settles connections that were marked dirty. */
export class Settler {
  readonly keys: EndpointKeys;
  readonly #tables: Tables;
  readonly #joiner: Joiner;
  readonly #directions: Directions;
  readonly #edgeCounts: EdgeCounts;
  readonly #loneFlows: LoneFlows;

  constructor(tables: Tables, joiner: Joiner) {
    this.#tables = tables;
    this.#joiner = joiner;
    this.keys = new EndpointKeys(tables, joiner.familyListeners);
    this.#directions = new Directions(tables, joiner);
    this.#edgeCounts = new EdgeCounts(tables, joiner.flows, this.keys);
    this.#loneFlows = new LoneFlows(tables, joiner, this.keys, this.#edgeCounts);
  }

  /** The flows that connections rest on. */
  get flows(): FlowLinks {
    return this.#joiner.flows;
  }

  /** Settles everything that is dirty, at a time of the stream's clock. */
  settle(nowMs: number): void {
    const { dirty, connections } = this.#tables;
    const { takenOver } = this.#joiner.flows;
    this.keys.nowMs = nowMs;
    // Settling may mark more connections dirty: the list grows while it is walked.
    for (let at = 0; at < dirty.length; at++) {
      const connection = dirty[at]!;
      const dirtied = connections.has(connection, ConnectionFlag.dirty);
      const carried = connections.has(connection, ConnectionFlag.carried);
      connections.clear(connection, ConnectionFlag.dirty | ConnectionFlag.carried);
      if (!dirtied && carried) this.#edgeCounts.countBytes(connection);
      if (!dirtied) continue;
      const joined = this.#complete(connection, nowMs);
      for (let flow = takenOver.pop(); flow !== undefined; flow = takenOver.pop())
        this.#loneFlows.takeOver(flow);
      if (joined) continue;
      this.#directions.decide(connection);
      this.#close(connection, nowMs);
      connections.outcome[connection] = outcomeOf(this.#tables, connection);
      this.#edgeCounts.count(connection);
      this.#announce(connection);
      if (connections.has(connection, ConnectionFlag.ended)) this.#fold(connection, nowMs);
    }
    dirty.length = 0;
  }

  /** Settles everything that is dirty, and flows that have waited long enough for their sockets. */
  settleFlows(nowMs: number): void {
    this.settle(nowMs);
    this.#loneFlows.judge(nowMs);
    this.settle(nowMs);
  }

  // True where the connection may have become part of another one; whichever went on is dirty again.
  #complete(connection: number, nowMs: number): boolean {
    const { sockets, connections } = this.#tables;
    const { pairing } = this.#joiner;
    if (connections.has(connection, ConnectionFlag.lone)) {
      this.#joiner.pairing.dropGoneServer(connection);
      return false;
    }
    if (connections.folds.has(connection)) return false;
    const slot = pairing.loneEnd(connection);
    const flow = this.#joiner.flows.link(connection);
    if (slot < 0) return false;
    if (pairing.waiting.has(connection) && pairing.retry(connection, nowMs)) return true;
    if (flow >= 0 && this.#joinByFlow(connection, slot, flow)) return true;
    const protocol = sockets.protocol(slot);
    if (isFamily(protocol) || isDatagram(protocol)) {
      this.#shareServer(connection, slot);
      return false;
    }
    const asServer = this.#directions.listens(slot);
    const other = pairing.serviceEnds.match(slot, asServer);
    if (other < 0) return false;
    const kept = pairing.merge(connection, sockets.connection(other));
    const client = asServer ? other : slot;
    const server = asServer ? slot : other;
    connections.client[kept] = client;
    connections.server[kept] = server;
    connections.directionBy[kept] = DirectionBy.listener;
    connections.set(kept, ConnectionFlag.directionFinal);
    return true;
  }

  // A translated flow names the other end, wherever that is; true where the connection became part of its.
  #joinByFlow(connection: number, slot: number, flow: number): boolean {
    const { sockets, connections, flows } = this.#tables;
    const { pairing, flows: links } = this.#joiner;
    if (!flows.isTranslated(flow)) return false;
    const mate = links.mateOf(flow, slot);
    const other = mate < 0 ? -1 : sockets.connection(mate);
    if (other < 0 || other === connection || pairing.loneEnd(other) !== mate) return false;
    const kept = pairing.merge(connection, other);
    const isClient = links.isClientEnd(flow, slot);
    connections.client[kept] = isClient ? slot : mate;
    connections.server[kept] = isClient ? mate : slot;
    connections.directionBy[kept] = DirectionBy.flow;
    connections.set(kept, ConnectionFlag.directionFinal);
    return true;
  }

  #shareServer(connection: number, slot: number): void {
    const { sockets, connections, flows } = this.#tables;
    const shared = connections.has(connection, ConnectionFlag.sharedServer);
    const flow = connections.flow[connection]!;
    const translated =
      flow >= 0 && flows.isDestinationTranslated(flow) && this.#joiner.flows.isClientEnd(flow, slot);
    const target = translated ? this.#answererOf(flow) : null;
    if (shared && target === null && sockets.isLive(connections.server[connection]!)) return;
    if (this.#directions.listens(slot) || !sockets.isLive(slot)) return;
    const { listeners, familyListeners } = this.#joiner;
    const parts = { tables: this.#tables, listeners, familyListeners, keys: this.keys };
    const server = findDatagramServer(parts, slot, target);
    if (server < 0 || (shared && server === connections.server[connection])) return;
    if (connections.client[connection] !== slot) {
      connections.client[connection] = slot;
      connections.server[connection] = -1;
    }
    this.#joiner.pairing.shareServer(connection, server);
    connections.directionBy[connection] = DirectionBy.listener;
    connections.clear(connection, ConnectionFlag.dirty);
  }

  #answererOf(flow: number): { readonly address: number; readonly port: number } {
    const { flows } = this.#tables;
    const last = flows.last(flow);
    return {
      address: flows.address(last, FlowPlace.replySource),
      port: flows.port(last, FlowPlace.replySource),
    };
  }

  // Datagrams' conversations are many and short: what has ended goes into the one that stands for its edge.
  #fold(connection: number, nowMs: number): void {
    const { connections, edges } = this.#tables;
    const edge = connections.edge[connection]!;
    if (edge < 0 || connections.has(connection, ConnectionFlag.lone)) return;
    if (!isFolded(edges.protocol[edge]!) || isFamily(edges.protocol[edge]!)) return;
    const aggregate = edges.aggregate[edge]!;
    if (aggregate === connection) return;
    if (aggregate < 0) edges.aggregate[edge] = connection;
    else this.#foldInto(aggregate, connection, nowMs);
  }

  #foldInto(aggregate: number, connection: number, nowMs: number): void {
    const { connections, flows } = this.#tables;
    const fold = connections.fold(aggregate, flows);
    const count = connections.count(connection);
    const bytes = connectionBytes(this.#tables, connection);
    if (bytes !== null) {
      fold.bytesKnown = true;
      fold.toServer += bytes.toServer;
      fold.toClient += bytes.toClient;
    }
    fold.count += count;
    this.#edgeCounts.add(aggregate, count);
    const evidence = evidenceOf(this.#tables, connection);
    if (evidence & Evidence.client) connections.set(aggregate, ConnectionFlag.foldedClient);
    if (evidence & Evidence.server) connections.set(aggregate, ConnectionFlag.foldedServer);
    if (evidence & Evidence.flow) connections.set(aggregate, ConnectionFlag.foldedFlow);
    if (connections.outcome[connection] === Outcome.established)
      connections.set(aggregate, ConnectionFlag.established);
    const { firstSeenMs, lastSeenMs } = connections;
    firstSeenMs[aggregate] = Math.min(firstSeenMs[aggregate]!, firstSeenMs[connection]!);
    lastSeenMs[aggregate] = Math.max(lastSeenMs[aggregate]!, lastSeenMs[connection]!);
    this.#joiner.pairing.absorb(connection);
    if (connections.has(aggregate, ConnectionFlag.ended)) {
      connections.revive(aggregate);
      connections.end(aggregate, nowMs);
    }
    this.#tables.markDirty(aggregate, true);
  }

  #close(connection: number, nowMs: number): void {
    const { connections } = this.#tables;
    const client = connections.client[connection]!;
    const server = connections.has(connection, ConnectionFlag.sharedServer)
      ? -1
      : connections.server[connection]!;
    const byFlow = this.#hasLiveFlow(connection);
    const live = byFlow || this.#isLiveEnd(client) || this.#isLiveEnd(server);
    const open =
      (byFlow && this.#isOpenFlow(connection)) || this.#isOpenEnd(client) || this.#isOpenEnd(server);
    const closed = connections.has(connection, ConnectionFlag.closed);
    if (!open && !closed) {
      connections.set(connection, ConnectionFlag.closed);
      connections.lastSeenMs[connection] = this.lastSeenMs(connection);
    } else if (open && closed) {
      connections.clear(connection, ConnectionFlag.closed);
      connections.clear(connection, ConnectionFlag.closeAnnounced);
    }
    const ended = connections.has(connection, ConnectionFlag.ended);
    if (!live && !ended) connections.end(connection, nowMs);
    else if (live && ended) connections.revive(connection);
  }

  // Of connections that rest on flows alone, and of those into which such were folded.
  #hasLiveFlow(connection: number): boolean {
    const { connections, flows } = this.#tables;
    const fold = connections.folds.get(connection);
    if (fold !== undefined) return fold.liveFlows > 0;
    return connections.has(connection, ConnectionFlag.lone) && flows.isLive(connections.flow[connection]!);
  }

  // conntrack keeps entries of TCP for minutes after the end, and those that no end was seen of for days: where one side
  // is read and has no socket, there is none.
  #isOpenFlow(connection: number): boolean {
    const { connections, flows } = this.#tables;
    const flow = connections.flow[connection]!;
    if (flow < 0 || flows.protocol[flow] !== Protocol.tcp) return true;
    if (connections.has(connection, ConnectionFlag.covered)) return false;
    const state = flows.state[flow]!;
    return state <= TcpFlowState.established || state === TcpFlowState.synSent2;
  }

  /** When an end of a connection was last found to be there: never before it was first seen. */
  lastSeenMs(connection: number): number {
    const { connections } = this.#tables;
    const server = connections.has(connection, ConnectionFlag.sharedServer)
      ? -1
      : connections.server[connection]!;
    return Math.max(
      connections.firstSeenMs[connection]!,
      this.#flowSeenMs(connection),
      this.#endSeenMs(connections.client[connection]!),
      this.#endSeenMs(server),
    );
  }

  #flowSeenMs(connection: number): number {
    const { connections, flows } = this.#tables;
    if (!connections.has(connection, ConnectionFlag.lone) && !connections.folds.has(connection)) return 0;
    const flow = connections.flow[connection]!;
    if (flow < 0) return connections.lastSeenMs[connection]!;
    const goneMs = Math.max(connections.lastSeenMs[connection]!, flows.goneMs[flow]!);
    return this.#hasLiveFlow(connection)
      ? Math.max(goneMs, this.#joiner.conversations.nodeOf(flow).observedMs)
      : goneMs;
  }

  #endSeenMs(slot: number): number {
    if (slot < 0) return 0;
    const { sockets } = this.#tables;
    return sockets.isLive(slot) ? this.#tables.nodeOfSocket(slot).observedMs : sockets.sinceMs[slot]!;
  }

  #isLiveEnd(slot: number): boolean {
    return this.#tables.sockets.isLive(slot);
  }

  #isOpenEnd(slot: number): boolean {
    const { sockets } = this.#tables;
    return sockets.isLive(slot) && isOpen(sockets.protocol(slot), sockets.state(slot));
  }

  #announce(connection: number): void {
    const { connections, watcher } = this.#tables;
    const announced = connections.has(connection, ConnectionFlag.announced);
    const changed = connections.has(connection, ConnectionFlag.changed);
    connections.clear(connection, ConnectionFlag.changed);
    connections.set(connection, ConnectionFlag.announced);
    const closes =
      connections.has(connection, ConnectionFlag.closed) &&
      !connections.has(connection, ConnectionFlag.closeAnnounced);
    if (closes) connections.set(connection, ConnectionFlag.closeAnnounced);
    if (watcher === null) return;
    if (!announced) watcher("opened", connection);
    else if (changed && !closes) watcher("changed", connection);
    if (closes) watcher("closed", connection);
  }
}
