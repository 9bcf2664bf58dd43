// The reader `bpf-iter`: every socket of the node that a file refers to in one read of a BPF iterator,
// whatever the number of namespaces, and with it who holds which. TCP sockets come from its records whole.
// What no file refers to (TIME_WAIT, half-open, not yet accepted, orphaned) it cannot see: a namespace's TCP
// table is read by another reader too, but only when the namespace's counters say that something there opened,
// closed or went. Of the other families the records tell that something changed, and who the peer of a unix
// socket is; their tables are read then.

import { readlinkSync } from "node:fs";

import { SocketFamily } from "../../../lib/gen/whotalks/v1/report.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import { TICK_MS, TICKS_PER_SECOND } from "../../../lib/ticks.ts";
import { BTF_PATH } from "../kernel/bpf/kernel-types.ts";
import { SocketIterator } from "../kernel/bpf/socket-iterator.ts";
import { AF_UNIX, SOCK_STREAM, Timer } from "../kernel/constants.ts";
import { syscalls } from "../kernel/syscalls.ts";
import type {
  HeldSockets,
  NamespaceReading,
  NamespaceRecord,
  SocketReader,
  SocketSink,
} from "../observation.ts";
import type { Counts } from "./freshness/change-gate.ts";
import { ChangeGate, TRAFFIC_TICKS } from "./freshness/change-gate.ts";
import { InterfaceAddresses } from "./interface-addresses.ts";
import { KeptRows } from "./freshness/kept-rows.ts";
import { isLiveProc } from "./live-proc.ts";
import { RecordIndex } from "./socket-records.ts";

/**
 * Ticks of 10 ms after which the counters of a namespace are looked at though the records say that nothing
 * came, went or changed its state there: 5 s. What only counters tell (a connection that lived between two
 * passes, a TIME_WAIT entry that went) shows by then at the latest.
 */
export const COUNTERS_TICKS = 500;

/** Ticks for which a namespace in which something moved is looked at in each pass: 5 s. */
const BUSY_TICKS = 500;

/**
 * Ticks after which datagram, unix, netlink and packet tables are read though none of their sockets came, went
 * or changed its state: 60 s. Their queues and drops may be that old.
 */
const REST_TICKS = 6000;

/**
 * Namespaces whose tables are read for no other reason than their age, for each second since the pass before.
 */
const REFRESHES_PER_SECOND = 4;

/**
 * Namespaces are first due for it after a part of the time that is their own, so that not all are due at once.
 */
const SPREAD = 32;

/**
 * Share of one core that reading whole TCP tables for sockets without a file may take, and milliseconds of it
 * that may be saved up. Where namespaces change faster, those sockets are told late; what files refer to never
 * is.
 */
const ORPHANS_SHARE = 0.005;
const ORPHANS_CREDIT_MS = 1000;

/**
 * Digests in a row that were not the one before, after which they pause: one pass longer each time, up to …
 */
const DIGESTS_MOVED = 3;
const DIGEST_PAUSE_MAX = 15;

/** TCP_TIMEWAIT_LEN of include/net/tcp.h, in ticks, and what tells such an entry. */
const TIME_WAIT_TICKS = 6000;

/** What a reader is made with. */
interface BpfIterReaderOptions {
  /** "/proc" or "/host/proc": the live kernel's. */
  readonly procRoot: string;
  /** Ticks of 10 ms since the epoch's start. */
  readonly nowTicks: () => number;
  /** Reads the tables tcp and tcp6 alone, and every other one. */
  readonly tcpReader: SocketReader;
  readonly restReader: SocketReader;
  /** Where the kernel's BTF is, unless where it always is. */
  readonly btfPath?: string;
}

/**
 * The reader `bpf-iter`. Needs BPF and PERFMON, a kernel from 5.8 with BTF, and what the readers within need.
 */
export function createBpfIterReader(options: BpfIterReaderOptions): SocketReader {
  return new BpfIterReader(options);
}

// What is kept of a namespace between its readings.
interface Kept {
  readonly namespaceId: number;
  /** TCP sockets that no file refers to, and the records' mark when they were read. */
  orphans: KeptRows | null;
  tcpMark: string;
  rest: KeptRows | null;
  restMark: number;
  /** When both are due again. */
  restTicks: number;
  restReading: NamespaceReading;
  counts: Counts | null;
  lookTicks: number;
  busyTicks: number;
  /** When its table was due to be read and was not. */
  blindTicks: number;
  pass: number;
}

class BpfIterReader implements SocketReader {
  readonly name = "bpf-iter";
  readonly #options: BpfIterReaderOptions;
  readonly #gate: ChangeGate;
  readonly #addresses: InterfaceAddresses;
  readonly #kept = new Map<number, Kept>();
  #iterator: SocketIterator | null = null;
  #index: RecordIndex | null = null;
  #indexTicks = 0;
  #readable = false;
  #overflowed = 0;
  #failure: string | null = null;
  #pass = 0;
  // Milliseconds that whole TCP tables may take now, and when that was reckoned; how many namespaces wait for
  // it.
  #creditMs = ORPHANS_CREDIT_MS;
  #creditTicks = 0;
  #waiting = 0;
  #waitingBefore = 0;
  #refreshesLeft = 0;
  // When the pass that reads began, and until when a namespace in which sockets moved is looked at in each
  // pass.
  #nowTicks = 0;
  #busyTicks = 0;
  // The digest from before the records were read, and as isStill() found it; undefined where it was not asked.
  #digest: string | null = null;
  #digestNow: string | null | undefined = undefined;
  #isAsked = false;
  // Digests in a row that were not the one before, and passes in which none is read for that.
  #digestsMoved = 0;
  #digestPause = 0;
  #heard: ReadonlySet<number> | null = null;

  constructor(options: BpfIterReaderOptions) {
    this.#options = options;
    this.#gate = new ChangeGate(options.procRoot);
    this.#addresses = new InterfaceAddresses(options.procRoot);
  }

  probe(): string | null {
    const { procRoot } = this.#options;
    if (!isLiveProc(procRoot))
      return `${procRoot} is not the running kernel's: BPF would tell of another one`;
    if (ownPid(procRoot) !== String(process.pid))
      return `${procRoot} is of another pid namespace: BPF would tell other pids (set hostPID)`;
    // A socket of our own must show under our own pid: before 5.11 the kernel numbers them as its first pid
    // namespace.
    const { socket, close } = syscalls();
    const own = socket(AF_UNIX, SOCK_STREAM, 0);
    this.#readRecords();
    close(own);
    if (this.#failure !== null) return this.#failure;
    return isHeld(this.#index!.held, process.pid, own)
      ? null
      : "this kernel does not tell pids as this pid namespace numbers them";
  }

  isStill(): boolean {
    const nowTicks = this.#options.nowTicks();
    // Counters and data are looked at as often as ever, and namespaces in which something moves in each pass.
    const isDue = nowTicks >= this.#nowTicks + COUNTERS_TICKS || nowTicks < this.#busyTicks;
    if (!this.#readable || isDue || this.#waiting > 0 || this.#overflowed > 0) return false;
    this.#isAsked = true;
    this.#digestNow = this.#readDigest();
    return this.#digestNow !== null && this.#digestNow === this.#digest;
  }

  begin(heard?: ReadonlySet<number>): void {
    this.#heard = heard ?? null;
    for (const [inode, { pass }] of this.#kept) if (pass < this.#pass) this.#forget(inode);
    this.#pass++;
    const nowTicks = this.#options.nowTicks();
    const elapsedTicks = Math.min(COUNTERS_TICKS, nowTicks - this.#nowTicks);
    this.#nowTicks = nowTicks;
    this.#refreshesLeft = Math.ceil((elapsedTicks * REFRESHES_PER_SECOND) / TICKS_PER_SECOND);
    const earnedMs = (nowTicks - this.#creditTicks) * TICK_MS * ORPHANS_SHARE;
    this.#creditMs = Math.min(ORPHANS_CREDIT_MS, this.#creditMs + earnedMs);
    this.#creditTicks = nowTicks;
    this.#waitingBefore = this.#waiting;
    this.#waiting = 0;
    this.#readRecords();
    this.#options.tcpReader.begin?.();
    this.#options.restReader.begin?.();
  }

  limits(): readonly string[] {
    const waiting = Math.max(this.#waiting, this.#waitingBefore);
    return [
      ...(this.#failure === null ? [] : [this.#failure]),
      ...(waiting === 0
        ? []
        : [
            `Connections that no process holds (TIME_WAIT, half-open) are told late for ${waiting} network namespaces, in which more changes than may be read`,
          ]),
      ...new Set([...this.#options.tcpReader.limits(), ...this.#options.restReader.limits()]),
    ];
  }

  held(): HeldSockets | null {
    return this.#readable ? this.#index!.held : null;
  }

  read(namespace: NamespaceRecord, namespaceId: number, sink: SocketSink): NamespaceReading {
    if (!this.#readable || namespace.inode === 0) return UNREAD;
    const { inode } = namespace;
    const nowTicks = this.#nowTicks;
    // An inode number that is used again is another namespace's: its id tells.
    if (this.#kept.get(inode)?.namespaceId !== namespaceId) this.#forget(inode);
    const kept = this.#kept.get(inode) ?? newlyKept(namespaceId);
    this.#kept.set(inode, kept);
    kept.pass = this.#pass;
    const rows = sink.sockets.length;
    const familyRows = sink.familySockets.length;
    const rest = this.#readRest(namespace, kept, sink, nowTicks);
    const tcp = rest.read ? this.#readTcp(namespace, kept, sink, nowTicks) : rest;
    if (!rest.read || !tcp.read) {
      sink.sockets.length = rows;
      sink.familySockets.length = familyRows;
      this.#forget(inode);
      return tcp;
    }
    // What found no place in the iterator's records belongs to no namespace: it is told once.
    const overflowed = rest.overflowed + tcp.overflowed + this.#overflowed;
    this.#overflowed = 0;
    return {
      ...rest,
      addresses: this.#addressesOf(namespace, nowTicks),
      tcpCounters: kept.counts?.tcpCounters ?? tcp.tcpCounters,
      linesMalformed: rest.linesMalformed + tcp.linesMalformed,
      overflowed,
    };
  }

  // Reads the records, unless the digest says that those of a pass before tell what there is but for what data
  // moved.
  #readRecords(): void {
    const digest = this.#takeDigest();
    const isNew = this.#nowTicks < this.#indexTicks + TRAFFIC_TICKS;
    if (this.#readable && isNew && digest !== null && digest === this.#digest) return;
    this.#readable = false;
    this.#failure = null;
    try {
      this.#iterator ??= SocketIterator.load(this.#options.btfPath ?? BTF_PATH);
      this.#index ??= new RecordIndex(syscalls().jiffyNs());
      const records = this.#iterator.read();
      this.#indexTicks = this.#nowTicks;
      this.#overflowed = records.overflowed;
      this.#index.fill(records);
      this.#digest = records.overflowed === 0 ? digest : null;
      this.#readable = true;
    } catch (error) {
      this.#failure = (error as Error).message;
    }
  }

  // The digest as isStill() read it in this pass, else as it is now; null where the kernel tells none, and
  // where nobody asked since the records were read: passes so far apart read them each time.
  #takeDigest(): string | null {
    const digest = this.#digestNow;
    const isAsked = this.#isAsked;
    this.#digestNow = undefined;
    this.#isAsked = false;
    if (digest !== undefined) return digest;
    return isAsked ? this.#readDigest() : null;
  }

  // Where it keeps changing it is asked for in ever fewer passes: there it only adds to what records cost.
  #readDigest(): string | null {
    if (this.#iterator === null || this.#digestPause > 0) {
      this.#digestPause--;
      return null;
    }
    let digest: string | null = null;
    try {
      digest = this.#iterator.readDigest();
    } catch {
      // Reading the records will say why.
    }
    this.#digestsMoved = digest === this.#digest ? 0 : this.#digestsMoved + 1;
    this.#digestPause = Math.min(DIGEST_PAUSE_MAX, Math.max(0, this.#digestsMoved - DIGESTS_MOVED));
    return digest;
  }

  #readRest(namespace: NamespaceRecord, kept: Kept, sink: SocketSink, nowTicks: number): NamespaceReading {
    const mark = this.#index!.restMark(namespace.inode);
    const same = kept.rest !== null && kept.restMark === mark;
    const isRefreshed = nowTicks >= kept.restTicks && this.#refreshesLeft > 0;
    if (same && isRefreshed) this.#refreshesLeft--;
    if (kept.rest !== null && same && !isRefreshed)
      return { ...kept.restReading, overflowed: kept.rest.append(sink, kept.namespaceId, null) };
    const rows = sink.sockets.length;
    const familyRows = sink.familySockets.length;
    const reading = this.#options.restReader.read(namespace, kept.namespaceId, sink);
    if (!reading.read) return reading;
    this.#completePeers(sink, familyRows);
    kept.rest = KeptRows.of(sink, rows, familyRows);
    kept.restMark = mark;
    kept.restTicks = nowTicks + REST_TICKS - spread(kept.namespaceId, REST_TICKS / 2);
    kept.restReading = { ...reading, linesMalformed: 0, overflowed: 0 };
    return reading;
  }

  // Tables of /proc do not tell the peers of unix sockets.
  #completePeers({ familySockets }: SocketSink, first: number): void {
    for (let at = first; at < familySockets.length; at++) {
      const socket = familySockets[at]!;
      if (socket.family === SocketFamily.SOCKET_FAMILY_UNIX && socket.peerInode === 0)
        socket.peerInode = this.#index!.peer(socket.inode);
    }
  }

  #readTcp(namespace: NamespaceRecord, kept: Kept, sink: SocketSink, nowTicks: number): NamespaceReading {
    const index = this.#index!;
    const { sockets } = sink;
    const { inode } = namespace;
    const mark = index.tcpMark(inode);
    let moved = kept.orphans === null || mark !== kept.tcpMark || this.#heard?.has(inode) === true;
    if (moved || nowTicks >= kept.lookTicks || nowTicks < kept.busyTicks) {
      const isFirst = kept.counts === null;
      kept.counts = this.#gate.look(namespace, !moved && kept.orphans?.length === 0);
      kept.lookTicks = nowTicks + COUNTERS_TICKS;
      // Data moves what the records have; of the other sockets only states that are on their way to the end.
      const trafficTicks = kept.orphans?.length === 0 ? Number.POSITIVE_INFINITY : TRAFFIC_TICKS;
      const movement = this.#gate.movement(namespace, kept.counts, nowTicks, trafficTicks);
      if (movement === "sockets" || movement === "due") moved = true;
      if (movement !== "nothing" && movement !== "due" && !isFirst) kept.busyTicks = nowTicks + BUSY_TICKS;
      // Data alone opens nothing that a digest or an event would not tell of.
      if (movement === "sockets" && !isFirst) this.#busyTicks = kept.busyTicks;
      if (moved && this.#areAllHeld(inode, kept.counts)) {
        kept.orphans = NO_ROWS;
        kept.tcpMark = mark;
        this.#gate.settle(namespace, kept.namespaceId, kept.counts, nowTicks);
        moved = false;
      }
    }
    const affordable = this.#creditMs > 0;
    if (moved && !affordable) this.#waiting++;
    if (kept.orphans !== null && !(moved && affordable)) {
      if (moved) kept.blindTicks = nowTicks;
      const overflowed = index.append(inode, kept.namespaceId, this.#indexTicks, sockets);
      const more = kept.orphans.append(sink, kept.namespaceId, (held) => index.has(held));
      return { ...UNREAD, read: true, overflowed: overflowed + more };
    }
    return this.#readOrphans(namespace, kept, sink, nowTicks, mark);
  }

  // Whether the kernel counts no more TCP sockets than files refer to: then there is nothing else to look for.
  #areAllHeld(inode: number, counts: Counts | null): boolean {
    if (counts === null) return false;
    const { ipv4, ipv6, timeWait } = counts.tcpSockets;
    return timeWait === 0 && ipv4 + ipv6 === this.#index!.tcpCount(inode);
  }

  // The whole TCP table, of which the rows stay that no file refers to: the records have the others.
  #readOrphans(
    namespace: NamespaceRecord,
    kept: Kept,
    sink: SocketSink,
    nowTicks: number,
    mark: string,
  ): NamespaceReading {
    const index = this.#index!;
    const { sockets } = sink;
    const first = sockets.length;
    const startMs = performance.now();
    const reading = this.#options.tcpReader.read(namespace, kept.namespaceId, sink);
    this.#creditMs -= performance.now() - startMs;
    if (!reading.read) return reading;
    let length = first;
    for (let row = first; row < sockets.length; row++) {
      if (index.has(sockets.inode[row]!) || this.#wasHeard(sockets, row, kept.blindTicks)) continue;
      sockets.copyRow(length, sockets, row);
      length++;
    }
    sockets.length = length;
    kept.orphans = KeptRows.of(sink, first, sink.familySockets.length);
    kept.tcpMark = mark;
    this.#gate.settle(namespace, kept.namespaceId, kept.counts, nowTicks);
    const overflowed = index.append(namespace.inode, kept.namespaceId, this.#indexTicks, sockets);
    return { ...reading, overflowed: reading.overflowed + overflowed };
  }

  // Whether a row is the TIME_WAIT entry of a connection whose end was heard in a pass that had no credit to
  // look for it: it would count twice.
  #wasHeard({ timer, timerDeadline }: SocketTable, row: number, blindTicks: number): boolean {
    if (this.#heard === null || timer[row] !== Timer.timeWait) return false;
    return timerDeadline[row]! - TIME_WAIT_TICKS <= blindTicks;
  }

  #addressesOf(namespace: NamespaceRecord, nowTicks: number): readonly Uint8Array[] {
    const [pid] = namespace.pids;
    return pid === undefined ? [] : this.#addresses.of(namespace.inode, pid, nowTicks);
  }

  #forget(inode: number): void {
    this.#kept.delete(inode);
    this.#gate.forget(inode);
  }
}

function spread(namespaceId: number, ticks: number): number {
  return ((namespaceId % SPREAD) * ticks) / SPREAD;
}

function newlyKept(namespaceId: number): Kept {
  return {
    namespaceId,
    orphans: null,
    tcpMark: "",
    rest: null,
    restMark: 0,
    restTicks: 0,
    restReading: UNREAD,
    counts: null,
    lookTicks: 0,
    busyTicks: 0,
    blindTicks: Number.NEGATIVE_INFINITY,
    pass: 0,
  };
}

// The number that a mounted proc gives this process.
function ownPid(procRoot: string): string {
  try {
    return readlinkSync(`${procRoot}/self`);
  } catch {
    return "";
  }
}

function isHeld({ count, pids, fds }: HeldSockets, pid: number, fd: number): boolean {
  for (let place = 0; place < count; place++) if (pids[place] === pid && fds[place] === fd) return true;
  return false;
}

const NO_ROWS = KeptRows.of({ sockets: new SocketTable(1), familySockets: [] }, 0, 0);

const UNREAD: NamespaceReading = {
  read: false,
  linesMalformed: 0,
  overflowed: 0,
  addresses: [],
  tcpCounters: null,
};
