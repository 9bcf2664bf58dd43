// Answers the API's queries. Connections and listeners are tested and built one by one while they are sent,
// so that a large answer is never in memory as a whole; those that disappear meanwhile are neither sent nor
// counted.

import type { Connection, Coverage, Edge, Listener } from "../../../lib/gen/whotalks/v1/query.ts";
import { Filter as FilterMessage } from "../../../lib/gen/whotalks/v1/query.ts";
import type { Filter } from "../../../lib/gen/whotalks/v1/query.ts";
import { Change } from "../../../lib/vocabulary/changes.ts";
import type { View } from "../view/view.ts";
import { ConnectionOrders } from "./connection-orders.ts";
import type { ClusterCoverage } from "./coverage.ts";
import { coverageOf } from "./coverage.ts";
import { listEdges } from "./edges.ts";
import type { CompiledFilter } from "./filter.ts";
import { compileFilter } from "./filter.ts";
import type { ListQuestion } from "./list-moment.ts";
import { ListMoment } from "./list-moment.ts";
import { Messages } from "./messages.ts";
import type { WatchEvent } from "./watch-queue.ts";
import { WatchEvents, WatchQueue } from "./watch-queue.ts";

/** Items per answer. */
export const ITEMS_MAX = 100_000;

/** An answer: at most `limit` of the items that match the filter, to be read once. */
export interface Answer<Item> {
  readonly items: Iterable<Item>;
  /** How many items match, those beyond the limit included; to be asked after the items were read. */
  readonly matched: number;
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

/** Watchers with the same filter. */
interface Watchers {
  readonly filter: Filter | undefined;
  readonly queues: Set<WatchQueue>;
}

/** What watchers share at one moment: messages, and their compiled filters. */
interface Moment {
  readonly nowMs: number;
  readonly messages: Messages;
  readonly compiled: Map<Watchers, CompiledFilter>;
}

/**
 * Stream time for which watchers share endpoints and compiled filters, in milliseconds: 20 times a second,
 * compiling 1,000 filters takes a tenth of the thread.
 */
const WATCH_MOMENT_MS = 50;

/** Answers queries. Invalid filters throw FilterError. */
export class Query {
  readonly #parts: QueryParts;
  /** By the bytes of their filter. */
  readonly #watchers = new Map<string, Watchers>();
  readonly #orders = new ConnectionOrders();
  readonly #events = new WatchEvents();
  #unsubscribe: (() => void) | null = null;
  #watched: Moment | null = null;
  readonly #moment: ListMoment;

  constructor(parts: QueryParts) {
    this.#parts = parts;
    this.#moment = new ListMoment(parts.peek);
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
    const slots = this.#ordered(this.#parts.read(), { filter });
    return new SlotAnswer(slots, limit, (slot) => this.#moment.messages.connection(slot));
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
    this.#moment.begin(view);
    return new SlotAnswer(existing(view, slots), limit, (slot) => this.#moment.messages.listener(slot));
  }

  /** Starts to report changes. `queueMax` bounds the events queued for the watcher. */
  watch(filter: Filter | undefined, initial: boolean, queueMax?: number): Watch {
    const view = this.#parts.read();
    compileFilter(filter, view);
    const slots = initial ? this.#ordered(view, { filter }) : [].values();
    const queue = new WatchQueue(queueMax);
    const remove = this.#addWatcher(filter, queue);
    this.#unsubscribe ??= this.#parts.subscribe((change, connection) => this.#report(change, connection));
    const build = (slot: number): Connection => this.#moment.messages.connection(slot);
    return {
      initial: new SlotAnswer(slots, Number.POSITIVE_INFINITY, build).items,
      queue,
      close: () => {
        remove();
        queue.close();
        if (this.#watchers.size === 0) this.#stop();
      },
    };
  }

  /** Ends every watch. */
  close(): void {
    for (const { queues } of this.#watchers.values()) for (const queue of queues) queue.close();
    this.#watchers.clear();
    this.#stop();
    this.#moment.end();
  }

  #addWatcher(filter: Filter | undefined, queue: WatchQueue): () => void {
    const key = Buffer.from(FilterMessage.encode(filter ?? FilterMessage.create()).finish()).toString(
      "latin1",
    );
    const watchers = this.#watchers.get(key) ?? { filter, queues: new Set() };
    this.#watchers.set(key, watchers);
    watchers.queues.add(queue);
    return () => {
      watchers.queues.delete(queue);
      if (watchers.queues.size === 0 && this.#watchers.get(key) === watchers) this.#watchers.delete(key);
    };
  }

  // The connections that match, oldest first. Throws FilterError.
  #ordered(view: View, question: ListQuestion): Generator<number, void, undefined> {
    const { order, isNew } = this.#orders.take(view);
    if (isNew) this.#moment.begin(view);
    this.#moment.filter(question);
    return matching(order.slots(view.connections), (slot) => this.#moment.filter(question).connection(slot));
  }

  #stop(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    this.#watched = null;
    this.#events.clear();
  }

  #report(change: Change, connection: number): void {
    const { messages, compiled } = this.#now();
    let event: WatchEvent | null = null;
    for (const watchers of this.#watchers.values()) {
      let filter = compiled.get(watchers);
      if (filter === undefined) {
        filter = compileFilter(watchers.filter, messages.view);
        compiled.set(watchers, filter);
      }
      if (!filter.connection(connection)) continue;
      event ??= this.#events.add({ kind: Change[change], connection: messages.connection(connection) });
      for (const queue of watchers.queues) queue.push(event);
    }
  }

  // Identities may change while a watch runs: cached endpoints are valid for one moment only.
  #now(): Moment {
    const view = this.#parts.peek();
    if (this.#watched === null || Math.abs(view.nowMs - this.#watched.nowMs) >= WATCH_MOMENT_MS)
      this.#watched = { nowMs: view.nowMs, messages: new Messages(view), compiled: new Map() };
    return this.#watched;
  }
}

// An answer of rows, read slot by slot.
class SlotAnswer<Item> implements Answer<Item> {
  readonly items: Iterable<Item>;
  readonly #slots: Iterator<number, void>;
  #read = 0;

  constructor(slots: Iterator<number, void>, limit: number, build: (slot: number) => Item) {
    this.#slots = slots;
    this.items = this.#build(limit, build);
  }

  get matched(): number {
    while (this.#slots.next().done !== true) this.#read++;
    return this.#read;
  }

  *#build(limit: number, build: (slot: number) => Item): Generator<Item> {
    while (this.#read < limit) {
      const next = this.#slots.next();
      if (next.done === true) return;
      this.#read++;
      yield build(next.value);
    }
  }
}

function* matching(
  slots: Iterable<number>,
  test: (slot: number) => boolean,
): Generator<number, void, undefined> {
  for (const slot of slots) if (test(slot)) yield slot;
}

// Returns those of the listeners that are still there when they are reached.
function existing(view: View, listeners: readonly number[]): Generator<number, void, undefined> {
  const { sockets } = view;
  const slots = Uint32Array.from(listeners);
  const inodes = Float64Array.from(listeners, (slot) => sockets.inode(slot));
  return (function* () {
    for (const [at, slot] of slots.entries()) if (sockets.isThere({ slot, inode: inodes[at]! })) yield slot;
  })();
}
