// Hears what the kernel reports of TCP sockets between two readings: takes the records off the ring buffer,
// finds the namespace that each belongs to, and hands it to HeardSockets.

import { ticksOf } from "../../../lib/ticks.ts";
import { hostIsLittleEndian, uint64 } from "../kernel/byte-order.ts";
import { monotonicNs } from "../kernel/monotonic-clock.ts";
import type { TakeRecord } from "../kernel/bpf/trace/ring-reader.ts";
import { TcpStateRecord as Record } from "../kernel/bpf/trace/tcp-state-record.ts";
import type { HeardChanges, NamespaceOwner, TcpEvents } from "../observation.ts";
import type { HeardSockets, ReadingNews } from "./heard-sockets.ts";
import type { HeardTables } from "./unreported-changes.ts";
import type { IdentifiedNamespace } from "../ids/namespace-ids.ts";
import type { RecordNamespace } from "./unplaced-records.ts";
import { timeOf } from "./tcp-state-row.ts";
import { UnplacedRecords } from "./unplaced-records.ts";

const NS_PER_MS = 1e6;

/** Bytes that wait after which the next look is due at once: a quarter of the ring buffer. */
const CROWD_BYTES = 2 ** 20;

/**
 * Rows that were added since the latest reading, most of them dead by now, after which the next one is due:
 * 2.5 MB.
 */
const GROWN_ROWS_MAX = 2 ** 14;

const NO_NEWS: ReadingNews = { unheard: new Set(), kept: new Set(), unread: new Set() };

/** What Hearing works with. */
interface HearingParts {
  readonly events: TcpEvents;
  readonly sockets: HeardSockets;
  readonly elapsedMs: () => number;
}

/** Hears, from the moment that it is made. */
export class Hearing {
  readonly #parts: HearingParts;
  readonly #unplaced = new UnplacedRecords();
  #namespaces: HeardNamespaces = new HeardNamespaces([]);
  #isInstalled = false;
  // Milliseconds of elapsedMs() at which CLOCK_MONOTONIC began.
  #monotonicMs = 0;
  #lostBefore = 0;
  // When the latest records were taken.
  #heardMs = 0;

  constructor(parts: HearingParts) {
    this.#parts = parts;
  }

  /** Records of namespaces that no process of this node was ever in, since start. */
  get ofStrangers(): number {
    return this.#unplaced.ofStrangers;
  }

  /** Changes that a reading found and of which nothing had been heard, since start. */
  get missed(): number {
    return this.#parts.sockets.missed;
  }

  /** Records that found no place though they could be named, since start. */
  get overflowed(): number {
    return this.#unplaced.overflowed + this.#parts.sockets.connects.forgotten;
  }

  /** Whether anything waits to be applied, reported or checked. Costs no system call. */
  get isDue(): boolean {
    const { events, sockets } = this.#parts;
    return events.waiting > 0 || sockets.hasChanges || sockets.hasDoubts;
  }

  /** Whether so many rows were heard since the latest reading that the next one should not wait. */
  get isCluttered(): boolean {
    return this.#parts.sockets.grown >= GROWN_ROWS_MAX;
  }

  /** Whether the time of an entry in TIME_WAIT is over by `ticks`. */
  hasExpired(ticks: number): boolean {
    return this.#parts.sockets.hasExpired(ticks);
  }

  /** Whether so many records wait that hear() should be called at once. */
  get isCrowded(): boolean {
    return this.#parts.events.waiting >= CROWD_BYTES;
  }

  /** Whether records were lost since the last call of takeLoss(). */
  get hasLoss(): boolean {
    return this.#parts.events.lost > this.#lostBefore;
  }

  /** Whether records were lost since the last call. */
  takeLoss(): boolean {
    const isNew = this.hasLoss;
    this.#lostBefore = this.#parts.events.lost;
    return isNew;
  }

  /** Applies everything that waits. Costs no system call. */
  hear(): void {
    const { events, elapsedMs } = this.#parts;
    const nowMs = elapsedMs();
    this.#heardMs = nowMs;
    this.#monotonicMs = nowMs - monotonicNs() / NS_PER_MS;
    if (this.#isInstalled && !this.#unplaced.isEmpty)
      this.#unplaced.place((of) => this.#namespaces.idOf(of) !== undefined, ticksOf(nowMs), this.#take);
    events.drain(this.#isInstalled ? this.#take : this.#takeConnect);
  }

  /** What the next report must say; null if it is nothing. */
  flush(): HeardChanges | null {
    const { sockets } = this.#parts;
    sockets.settle(this.#heardMs);
    return sockets.hasChanges ? sockets.flush() : null;
  }

  /** Namespaces that came and went since the latest reading and of which something was heard, by inode. */
  gone(arrivals: ReadonlyMap<number, NamespaceOwner>): ReadonlySet<number> {
    const gone = new Set<number>();
    for (const inode of this.#unplaced.inodes()) if (arrivals.has(inode)) gone.add(inode);
    return gone;
  }

  /** Whether events cover everything in a namespace, although no reading has named it yet. */
  waitsFor({ namespace, record }: IdentifiedNamespace): boolean {
    return this.#unplaced.waitsFor(namespace.inode, record.cookie);
  }

  /** Goes on from a reading; see HeardSockets.install(). */
  install(tables: HeardTables, namespaces: readonly IdentifiedNamespace[], news: ReadingNews): void {
    this.#namespaces = new HeardNamespaces(namespaces);
    // Nothing was heard before the first reading.
    this.#parts.sockets.install(tables, this.#isInstalled ? news : NO_NEWS, this.#parts.elapsedMs());
    this.#isInstalled = true;
  }

  readonly #take: TakeRecord = (view, at, length) => {
    const of = {
      inode: view.getUint32(at + Record.namespace, hostIsLittleEndian),
      cookie: uint64(view, at + Record.namespaceCookie, hostIsLittleEndian),
    };
    const namespaceId = this.#namespaces.idOf(of);
    const ticks = this.#ticksOf(view, at);
    if (namespaceId === undefined) this.#unplaced.add(of, view, at, length, ticks);
    else this.#parts.sockets.take(view, at, namespaceId, ticks);
  };

  // Before the first reading there are no rows to change, but a connect() in progress then continues.
  readonly #takeConnect: TakeRecord = (view, at) => this.#parts.sockets.takeConnect(view, at);

  #ticksOf(view: DataView, at: number): number {
    const ms = timeOf(view, at) / NS_PER_MS + this.#monotonicMs;
    return Math.max(0, ticksOf(ms));
  }
}

// The namespaces of the latest reading, as records name them. One whose cookie is not known goes by its inode.
class HeardNamespaces {
  readonly #byCookie = new Map<number, number>();
  readonly #byInode = new Map<number, number>();

  constructor(namespaces: readonly IdentifiedNamespace[]) {
    for (const { namespace, record } of namespaces) {
      if (record.cookie === undefined) this.#byInode.set(namespace.inode, namespace.id);
      else this.#byCookie.set(record.cookie, namespace.id);
    }
  }

  idOf({ inode, cookie }: RecordNamespace): number | undefined {
    return this.#byCookie.get(cookie) ?? this.#byInode.get(inode);
  }
}
