// Answers the API's queries. Items are built one by one while they are sent, so that a large answer is never
// in memory as a whole; items that disappear meanwhile are skipped.

import type {
  Connection,
  ConnectionEvent,
  Coverage,
  Edge,
  Filter,
  Listener,
} from "../../../lib/gen/whotalks/v1/query.ts";
import { Change } from "../../../lib/vocabulary/changes.ts";
import type { View } from "../view/view.ts";
import type { ClusterCoverage } from "./coverage.ts";
import { coverageOf } from "./coverage.ts";
import { listEdges } from "./edges.ts";
import type { CompiledFilter } from "./filter.ts";
import { compileFilter } from "./filter.ts";
import { Messages } from "./messages.ts";
import { WatchQueue } from "./watch-queue.ts";

/** Items per answer. */
export const ITEMS_MAX = 100_000;

/** An answer: how many items match the filter, and at most `limit` of them. */
export interface Answer<Item> {
  readonly matched: number;
  readonly items: Iterable<Item>;
}

/** A running watch. */
export interface Watch {
  /** Connections that existed when it began; empty unless requested. */
  readonly initial: Iterable<Connection>;
  readonly queue: WatchQueue;
  close(): void;
}

/** What queries depend on. */
export interface QueryParts {
  /** The model now, after settling everything that is queued. */
  readonly read: () => View;
  /** The model as it is: for watchers, which are called during settling. */
  readonly peek: () => View;
  /** Calls back with each change of a connection; returns a function that unsubscribes. */
  readonly subscribe: (listener: (change: Change, connection: number) => void) => () => void;
  readonly reportsRejected: () => number;
  /** Names of nodes that the cluster does not have and in whose name reports came. */
  readonly strangers: () => readonly string[];
  /** How long closed connections are kept. */
  readonly closedKeepMs: number;
  readonly clusterCoverage: () => ClusterCoverage | null;
}

interface Watcher {
  readonly filter: Filter | undefined;
  readonly queue: WatchQueue;
}

/** What watchers share at one moment: messages, and their compiled filters. */
interface Moment {
  readonly nowMs: number;
  readonly messages: Messages;
  readonly compiled: Map<Watcher, CompiledFilter>;
}

/** Answers queries. Invalid filters throw FilterError. */
export class Query {
  readonly #parts: QueryParts;
  readonly #watchers = new Set<Watcher>();
  #unsubscribe: (() => void) | null = null;
  #moment: Moment | null = null;

  constructor(parts: QueryParts) {
    this.#parts = parts;
  }

  /** Returns the current coverage; with each pod's own account only if `pods` is set. */
  coverage(pods = false): Coverage {
    const { peek, reportsRejected, strangers, clusterCoverage, closedKeepMs } = this.#parts;
    return coverageOf({
      view: peek(),
      reportsRejected: reportsRejected(),
      strangers: strangers(),
      cluster: clusterCoverage(),
      closedKeepMs,
      pods,
    });
  }

  /** Returns connections, oldest first. */
  connections(filter: Filter | undefined, limit: number): Answer<Connection> {
    const view = this.#parts.read();
    const compiled = compileFilter(filter, view);
    const slots = [...view.connections.slots()].filter((slot) => compiled.connection(slot));
    slots.sort((a, b) => view.connections.compare(a, b));
    return { matched: slots.length, items: connectionItems(view, slots.slice(0, limit)) };
  }

  /** Returns edges, those with the most open connections first. */
  edges(filter: Filter | undefined, limit: number): Answer<Edge> {
    const view = this.#parts.read();
    const edges = listEdges(view, compileFilter(filter, view));
    return { matched: edges.length, items: edges.slice(0, limit) };
  }

  /** Returns listeners by protocol, port and address. */
  listeners(filter: Filter | undefined, limit: number): Answer<Listener> {
    const view = this.#parts.read();
    const compiled = compileFilter(filter, view);
    const slots = [...view.sockets.listeners()].filter((slot) => compiled.listener(slot));
    slots.sort((a, b) => view.sockets.compareListeners(a, b));
    return { matched: slots.length, items: listenerItems(view, slots.slice(0, limit)) };
  }

  /** Starts to report changes. `queueMax` bounds the events queued for the watcher. */
  watch(filter: Filter | undefined, initial: boolean, queueMax?: number): Watch {
    const view = this.#parts.read();
    const compiled = compileFilter(filter, view);
    const slots = initial ? [...view.connections.slots()].filter((slot) => compiled.connection(slot)) : [];
    const watcher: Watcher = { filter, queue: new WatchQueue(queueMax) };
    this.#watchers.add(watcher);
    this.#unsubscribe ??= this.#parts.subscribe((change, connection) => this.#report(change, connection));
    return {
      initial: connectionItems(view, slots),
      queue: watcher.queue,
      close: () => {
        this.#watchers.delete(watcher);
        watcher.queue.close();
        if (this.#watchers.size === 0) this.#stop();
      },
    };
  }

  /** Ends every watch. */
  close(): void {
    for (const { queue } of this.#watchers) queue.close();
    this.#watchers.clear();
    this.#stop();
  }

  #stop(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    this.#moment = null;
  }

  #report(change: Change, connection: number): void {
    const { messages, compiled } = this.#now();
    let event: ConnectionEvent | null = null;
    for (const watcher of this.#watchers) {
      let filter = compiled.get(watcher);
      if (filter === undefined) {
        filter = compileFilter(watcher.filter, messages.view);
        compiled.set(watcher, filter);
      }
      if (!filter.connection(connection)) continue;
      event ??= { kind: Change[change], connection: messages.connection(connection) };
      watcher.queue.push(event);
    }
  }

  // Identities may change while a watch runs: cached endpoints are valid for one moment only.
  #now(): Moment {
    const view = this.#parts.peek();
    if (this.#moment?.nowMs !== view.nowMs)
      this.#moment = { nowMs: view.nowMs, messages: new Messages(view), compiled: new Map() };
    return this.#moment;
  }
}

function* connectionItems(view: View, slots: readonly number[]): Generator<Connection> {
  const messages = new Messages(view);
  for (const handle of slots.map((slot) => view.connections.handle(slot)))
    if (view.connections.isThere(handle)) yield messages.connection(handle.slot);
}

function* listenerItems(view: View, slots: readonly number[]): Generator<Listener> {
  const messages = new Messages(view);
  for (const handle of slots.map((slot) => view.sockets.listenerHandle(slot)))
    if (view.sockets.isThere(handle)) yield messages.listener(handle.slot);
}
