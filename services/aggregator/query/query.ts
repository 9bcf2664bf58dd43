// Answers: what the API asks of the tables. Items are made one by one while they are sent, so that a large answer never
// stands in memory as a whole; what vanishes meanwhile is left out.

import type {
  Connection,
  ConnectionEvent,
  Coverage,
  Edge,
  Filter,
  Listener,
} from "../../../lib/gen/whotalks/v1/query.ts";
import { EventKind } from "../../../lib/gen/whotalks/v1/query.ts";
import type { Settler } from "../join/settler.ts";
import type { Sweeper } from "../join/sweeper.ts";
import { ConnectionFlag } from "../store/connection-store.ts";
import { SocketKind } from "../store/socket-store.ts";
import type { Change, Tables } from "../store/tables.ts";
import { ConnectionMessages } from "./connection-messages.ts";
import type { ClusterCoverage } from "./coverage.ts";
import { coverageAt } from "./coverage.ts";
import { listEdges } from "./edges.ts";
import type { CompiledFilter } from "./filter.ts";
import { compileFilter } from "./filter.ts";
import { WatchQueue } from "./watch-queue.ts";

/** Items of one answer unless whoever asks wants fewer. */
export const ITEMS_MAX = 100_000;

/** An answer: how many items fit the filter, and at most `limit` of them. */
export interface Answer<Item> {
  readonly matched: number;
  readonly items: Iterable<Item>;
}

/** A running watch. */
export interface Watch {
  /** Connections that were there when it began; empty unless asked for. */
  readonly initial: Iterable<Connection>;
  readonly queue: WatchQueue;
  close(): void;
}

/** What queries need. */
export interface QueryParts {
  readonly tables: Tables;
  readonly settler: Settler;
  readonly sweeper: Sweeper;
  readonly now: () => number;
  readonly reportsRejected: () => number;
  readonly clusterCoverage: () => ClusterCoverage | null;
}

interface Watcher {
  readonly filter: Filter | undefined;
  /** The filter for the present moment. */
  compiled: CompiledFilter | null;
  readonly queue: WatchQueue;
}

/** Answers queries. Filters that cannot be meant throw FilterError. */
export class Query {
  readonly #parts: QueryParts;
  readonly #watchers = new Set<Watcher>();
  #moment: ConnectionMessages | null = null;

  constructor(parts: QueryParts) {
    this.#parts = parts;
  }

  /** What answers rest on now; each pod's own account only where pods is set. */
  coverage(pods = false): Coverage {
    const { tables, reportsRejected, clusterCoverage, now } = this.#parts;
    const parts = { tables, reportsRejected: reportsRejected(), cluster: clusterCoverage(), pods };
    return coverageAt(parts, now());
  }

  /** Connections, those first seen first. */
  connections(filter: Filter | undefined, limit: number): Answer<Connection> {
    const { messages, compiled } = this.#begin(filter);
    const { connections } = this.#parts.tables;
    const slots: number[] = [];
    for (let slot = 0; slot < connections.used; slot++) if (compiled.connection(slot)) slots.push(slot);
    slots.sort(
      (a, b) =>
        connections.firstSeenMs[a]! - connections.firstSeenMs[b]! ||
        connections.uidHigh[a]! - connections.uidHigh[b]! ||
        connections.uidLow[a]! - connections.uidLow[b]!,
    );
    return { matched: slots.length, items: this.#connectionItems(slots.slice(0, limit), messages) };
  }

  /** Edges, those with the most open connections first. */
  edges(filter: Filter | undefined, limit: number): Answer<Edge> {
    const { messages, compiled } = this.#begin(filter);
    const edges = listEdges(this.#parts.tables, messages, compiled);
    return { matched: edges.length, items: edges.slice(0, limit) };
  }

  /** Listeners by protocol, port and address. */
  listeners(filter: Filter | undefined, limit: number): Answer<Listener> {
    const { messages, compiled } = this.#begin(filter);
    const { sockets } = this.#parts.tables;
    const slots: number[] = [];
    for (let slot = 0; slot < sockets.used; slot++) {
      if (sockets.kind(slot) === SocketKind.listener && sockets.isLive(slot) && compiled.listener(slot))
        slots.push(slot);
    }
    slots.sort(
      (a, b) =>
        sockets.protocol(a) - sockets.protocol(b) ||
        sockets.localPort(a) - sockets.localPort(b) ||
        sockets.namespace(a) - sockets.namespace(b) ||
        sockets.inode(a) - sockets.inode(b),
    );
    return { matched: slots.length, items: this.#listenerItems(slots.slice(0, limit), messages) };
  }

  /** Starts telling of changes. queueMax bounds what waits for the watcher. */
  watch(filter: Filter | undefined, initial: boolean, queueMax?: number): Watch {
    const { messages, compiled } = this.#begin(filter);
    const slots: number[] = [];
    const { connections } = this.#parts.tables;
    if (initial) {
      for (let slot = 0; slot < connections.used; slot++) if (compiled.connection(slot)) slots.push(slot);
    }
    const watcher: Watcher = { filter, compiled: null, queue: new WatchQueue(queueMax) };
    this.#watchers.add(watcher);
    this.#parts.tables.watcher = (change, connection) => this.#tell(change, connection);
    return {
      initial: this.#connectionItems(slots, messages),
      queue: watcher.queue,
      close: () => {
        this.#watchers.delete(watcher);
        watcher.queue.close();
        if (this.#watchers.size > 0) return;
        this.#parts.tables.watcher = null;
        this.#moment = null;
      },
    };
  }

  /** Ends every watch. */
  close(): void {
    for (const { queue } of this.#watchers) queue.close();
    this.#watchers.clear();
    this.#parts.tables.watcher = null;
  }

  #begin(filter: Filter | undefined): { messages: ConnectionMessages; compiled: CompiledFilter } {
    const { tables, settler, sweeper, now } = this.#parts;
    const nowMs = now();
    // What became known since the last tick counts in the answer.
    sweeper.review(nowMs);
    const messages = new ConnectionMessages(tables, settler, nowMs);
    return { messages, compiled: compileFilter(filter, tables, messages) };
  }

  // Who is who may change while a watch runs: what is known of endpoints serves for one moment.
  #tell(change: Change, connection: number): void {
    const { tables, settler, now } = this.#parts;
    const nowMs = now();
    if (this.#moment?.nowMs !== nowMs) {
      this.#moment = new ConnectionMessages(tables, settler, nowMs);
      for (const watcher of this.#watchers) watcher.compiled = null;
    }
    const messages = this.#moment;
    let event: ConnectionEvent | null = null;
    for (const watcher of this.#watchers) {
      watcher.compiled ??= compileFilter(watcher.filter, tables, messages);
      if (!watcher.compiled.connection(connection)) continue;
      event ??= { kind: eventKind(change), connection: messages.connection(connection) };
      watcher.queue.push(event);
    }
  }

  *#connectionItems(slots: readonly number[], messages: ConnectionMessages): Generator<Connection> {
    const { connections } = this.#parts.tables;
    const serials = slots.map((slot) => connections.serial[slot]!);
    for (const [at, slot] of slots.entries()) {
      const same = connections.has(slot, ConnectionFlag.inUse) && connections.serial[slot] === serials[at];
      if (same) yield messages.connection(slot);
    }
  }

  *#listenerItems(slots: readonly number[], messages: ConnectionMessages): Generator<Listener> {
    const { sockets } = this.#parts.tables;
    const inodes = slots.map((slot) => sockets.inode(slot));
    for (const [at, slot] of slots.entries()) {
      const same = sockets.kind(slot) === SocketKind.listener && sockets.inode(slot) === inodes[at];
      if (same) yield messages.listener(slot);
    }
  }
}

function eventKind(change: Change): EventKind {
  switch (change) {
    case "opened":
      return EventKind.EVENT_KIND_OPENED;
    case "changed":
      return EventKind.EVENT_KIND_CHANGED;
    case "closed":
      return EventKind.EVENT_KIND_CLOSED;
  }
}
