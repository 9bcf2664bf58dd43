// The reader `bpf-iter`: one read of a BPF iterator returns every socket of the node that a file refers to,
// together with its holders, however many namespaces there are. TCP sockets come from its records completely.
// The iterator cannot see sockets without a file (TIME_WAIT, half-open, not yet accepted, orphaned): another
// reader reads a namespace's TCP table for those, but only when the namespace's counters show that a socket
// opened, closed or disappeared there. For the other families the records only show that something changed,
// and the peer of each unix socket; their tables are then read too.

import { TIME_WAIT_TICKS, Timer } from "../../../lib/vocabulary/timers.ts";
import { readlinkSync } from "node:fs";

import { SocketFamily } from "../../../lib/gen/whotalks/v1/report.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import { TICKS_PER_SECOND } from "../../../lib/ticks.ts";
import { AF_UNIX, SOCK_STREAM } from "../kernel/constants.ts";
import { syscalls } from "../kernel/syscalls.ts";
import type {
  HeldSockets,
  NamespaceReading,
  NamespaceRecord,
  ReadingHints,
  SocketReader,
  SocketSink,
} from "../observation.ts";
import type { Counts } from "./freshness/change-gate.ts";
import { ChangeGate, TRAFFIC_TICKS } from "./freshness/change-gate.ts";
import { InterfaceAddresses } from "./interface-addresses.ts";
import { jitter } from "./freshness/jitter.ts";
import { KeptRows } from "./freshness/kept-rows.ts";
import { isLiveProc } from "./live-proc.ts";
import { NodeRecords } from "./node-records.ts";
import { TableCredit } from "./table-credit.ts";

/**
 * Ticks of 10 ms after which a namespace's counters are read although the records show no new, closed or
 * changed socket there: 5 s. This bounds the delay of what only counters show (a connection that lived between
 * two passes, a TIME_WAIT entry that expired).
 */
export const COUNTERS_TICKS = 500;

/**
 * The same if events report changes of TCP sockets and no other socket moved on the whole node, in ticks: 30
 * s. Bytes and queues may be that old then. A reading of 10,000 sockets takes some 45 ms of CPU: 0.15 % of a
 * core at this pace.
 */
const QUIET_TICKS = 3000;

/** Ticks for which a namespace is read in each pass after something moved in it: 5 s. */
const BUSY_TICKS = 500;

/**
 * Ticks after which datagram, unix, netlink and packet tables are read although none of their sockets was
 * opened, closed or changed state: 60 s. Their queues and drops can be that old.
 */
const REST_TICKS = 6000;

/** Namespaces per second since the previous pass whose tables may be read only because they are old. */
const REFRESHES_PER_SECOND = 4;

/** Steps by which the refreshes of namespaces differ, so that they are not all due at once. */
const REFRESH_JITTER_SLOTS = 32;

/**
 * Share of one core that reading whole TCP tables for sockets without a file may take. If namespaces change
 * faster, those sockets are reported late; sockets that a file refers to never are.
 */
const ORPHANS_SHARE = 0.005;

/**
 * The same share if events track those sockets and tables are read only to check, and the ticks between two
 * checks of one namespace: 5 min.
 */
const CHECK_SHARE = 0.0005;
const CHECK_TICKS = 30_000;

/** Options of the reader. */
interface BpfIterReaderOptions {
  /** Root of the live kernel's proc: "/proc" or "/host/proc". */
  readonly procRoot: string;
  /** Ticks of 10 ms since the epoch's start. */
  readonly nowTicks: () => number;
  /** Reads only the tables tcp and tcp6; `restReader` reads all other tables. */
  readonly tcpReader: SocketReader;
  readonly restReader: SocketReader;
  /** Path of the kernel's BTF; BTF_PATH by default. */
  readonly btfPath?: string;
}

/**
 * Creates the reader `bpf-iter`. It needs BPF and PERFMON, a kernel from 5.8 with BTF, and whatever the two
 * readers in `options` need.
 */
export function createBpfIterReader(options: BpfIterReaderOptions): SocketReader {
  return new BpfIterReader(options);
}

// State of a namespace between its readings.
interface Kept {
  readonly namespaceId: number;
  /** TCP sockets that no file refers to; `tcpMark` is the records' mark at that reading. */
  orphans: KeptRows | null;
  tcpMark: string;
  rest: KeptRows | null;
  restMark: number;
  /** When the other tables are due for a refresh. */
  restTicks: number;
  restReading: NamespaceReading;
  counts: Counts | null;
  lookTicks: number;
  busyTicks: number;
  /** When its TCP table was due but could not be read for lack of credit. */
  blindTicks: number;
  /** When its table is due to be read to check what events kept. */
  checkTicks: number;
  pass: number;
}

class BpfIterReader implements SocketReader {
  readonly name = "bpf-iter";
  readonly #options: BpfIterReaderOptions;
  readonly #gate: ChangeGate;
  readonly #addresses: InterfaceAddresses;
  readonly #kept = new Map<number, Kept>();
  readonly #records: NodeRecords;
  readonly #credit = new TableCredit();
  #pass = 0;
  #refreshesLeft = 0;
  // When the current pass began, and until when each pass must read the node because sockets moved in some
  // namespace.
  #nowTicks = 0;
  #busyTicks = 0;
  #hints: ReadingHints = NO_HINTS;

  constructor(options: BpfIterReaderOptions) {
    this.#options = options;
    this.#gate = new ChangeGate(options.procRoot);
    this.#addresses = new InterfaceAddresses(options.procRoot);
    this.#records = new NodeRecords(options.btfPath);
  }

  probe(): string | null {
    const { procRoot } = this.#options;
    if (!isLiveProc(procRoot))
      return `${procRoot} is not the running kernel's: BPF would report another kernel's sockets`;
    if (ownPid(procRoot) !== String(process.pid))
      return `${procRoot} belongs to another pid namespace: BPF would report other pids (set hostPID)`;
    // A socket of our own must appear under our own pid: before 5.11 the kernel numbers pids as its first pid
    // namespace does.
    const { socket, close } = syscalls();
    const own = socket(AF_UNIX, SOCK_STREAM, 0);
    this.#records.read(this.#nowTicks);
    close(own);
    if (this.#records.failure !== null) return this.#records.failure;
    return isHeld(this.#records.index.held, process.pid, own)
      ? null
      : "this kernel does not report pids as this pid namespace numbers them";
  }

  isStill(): boolean {
    const nowTicks = this.#options.nowTicks();
    // Counters and data are read as often as ever; while sockets move in some namespace, every pass reads.
    const dueTicks = this.#hints.unheldKept === "never" ? COUNTERS_TICKS : QUIET_TICKS;
    const isDue = nowTicks >= this.#nowTicks + dueTicks || nowTicks < this.#busyTicks;
    return !isDue && this.#credit.waiting === 0 && this.#records.isUnchanged();
  }

  begin(hints: ReadingHints = NO_HINTS): void {
    this.#hints = hints;
    for (const [inode, { pass }] of this.#kept) if (pass < this.#pass) this.#forget(inode);
    this.#pass++;
    const nowTicks = this.#options.nowTicks();
    const elapsedTicks = Math.min(COUNTERS_TICKS, nowTicks - this.#nowTicks);
    this.#nowTicks = nowTicks;
    this.#refreshesLeft = Math.ceil((elapsedTicks * REFRESHES_PER_SECOND) / TICKS_PER_SECOND);
    const share = hints.unheldKept === "always" ? CHECK_SHARE : ORPHANS_SHARE;
    this.#credit.begin(nowTicks, share);
    this.#records.read(nowTicks);
    this.#options.tcpReader.begin?.();
    this.#options.restReader.begin?.();
  }

  limits(): readonly string[] {
    const waiting = this.#credit.waitingMax;
    const { failure } = this.#records;
    return [
      ...(failure === null ? [] : [failure]),
      ...(waiting === 0
        ? []
        : [
            `Connections without a process (TIME_WAIT, half-open) are reported late for ${waiting} network namespaces, which change faster than they may be read`,
          ]),
      ...new Set([...this.#options.tcpReader.limits(), ...this.#options.restReader.limits()]),
    ];
  }

  held(): HeldSockets | null {
    return this.#records.held;
  }

  read(namespace: NamespaceRecord, namespaceId: number, sink: SocketSink): NamespaceReading {
    if (!this.#records.readable || namespace.inode === 0) return UNREAD;
    const { inode } = namespace;
    const nowTicks = this.#nowTicks;
    // The inode number may be reused by another namespace; its id differs then.
    if (this.#kept.get(inode)?.namespaceId !== namespaceId) this.#forget(inode);
    const kept = this.#kept.get(inode) ?? newlyKept(namespaceId);
    this.#kept.set(inode, kept);
    kept.pass = this.#pass;
    const rows = sink.sockets.length;
    const familyRows = sink.familySockets.length;
    const rest = this.#readRest(namespace, kept, sink, nowTicks);
    const tcp = rest.read ? this.#readHeld(namespace, kept, sink, nowTicks) : rest;
    if (!rest.read || !tcp.read) {
      sink.sockets.length = rows;
      sink.familySockets.length = familyRows;
      this.#forget(inode);
      return tcp;
    }
    // Records that overflowed the iterator's buffer belong to no known namespace: count them once.
    const overflowed = rest.overflowed + tcp.overflowed + this.#records.takeOverflowed();
    return {
      ...rest,
      addresses: this.#addressesOf(namespace, nowTicks),
      tcpCounters: kept.counts?.tcpCounters ?? tcp.tcpCounters,
      unheldRead: tcp.unheldRead,
      linesMalformed: rest.linesMalformed + tcp.linesMalformed,
      overflowed,
    };
  }

  #readRest(namespace: NamespaceRecord, kept: Kept, sink: SocketSink, nowTicks: number): NamespaceReading {
    const mark = this.#records.index.restMark(namespace.inode);
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
    kept.rest?.keepUnchanged(sink, familyRows);
    kept.rest = KeptRows.of(sink, rows, familyRows);
    kept.restMark = mark;
    kept.restTicks = nowTicks + REST_TICKS - jitter(kept.namespaceId, REFRESH_JITTER_SLOTS, REST_TICKS / 2);
    kept.restReading = { ...reading, linesMalformed: 0, overflowed: 0 };
    return reading;
  }

  // Tables of /proc do not have the peers of unix sockets.
  #completePeers({ familySockets }: SocketSink, first: number): void {
    for (let at = first; at < familySockets.length; at++) {
      const socket = familySockets[at]!;
      if (socket.family === SocketFamily.SOCKET_FAMILY_UNIX && socket.peerInode === 0)
        socket.peerInode = this.#records.index.peer(socket.inode);
    }
  }

  #readHeld(namespace: NamespaceRecord, kept: Kept, sink: SocketSink, nowTicks: number): NamespaceReading {
    return this.#hints.unheldKept === "never"
      ? this.#readTcp(namespace, kept, sink, nowTicks)
      : this.#readToCheck(namespace, kept, sink, nowTicks);
  }

  // If events track the sockets that no file refers to, their tables are read only with the first reading of
  // a namespace, after lost events, and every CHECK_TICKS to check. A namespace that appeared while events
  // were received has no earlier ones.
  #readToCheck(namespace: NamespaceRecord, kept: Kept, sink: SocketSink, nowTicks: number): NamespaceReading {
    const index = this.#records.index;
    const { inode } = namespace;
    if (this.#hints.unheldKept === "not-now") kept.checkTicks = kept.lookTicks = nowTicks;
    const isDue = nowTicks >= kept.checkTicks && (this.#credit.isLeft || kept.checkTicks === 0);
    if (isDue)
      kept.checkTicks =
        nowTicks + CHECK_TICKS - jitter(kept.namespaceId, REFRESH_JITTER_SLOTS, CHECK_TICKS / 2);
    const reading = isDue
      ? this.#readOrphans(namespace, kept, sink, nowTicks, index.tcpMark(inode))
      : {
          ...UNREAD,
          read: true,
          overflowed: index.append(inode, kept.namespaceId, this.#records.readTicks, sink.sockets),
        };
    // After the tables, so that the kernel has counted all that is in them.
    if (kept.counts === null || nowTicks >= kept.lookTicks) {
      // An account begins with counters that are younger than the first ones here: the next ones must be, too.
      kept.lookTicks = kept.counts === null ? nowTicks : nowTicks + COUNTERS_TICKS;
      kept.counts = this.#gate.look(namespace, true);
      if (isDue) this.#gate.settle(namespace, kept.namespaceId, kept.counts, nowTicks);
    }
    return reading;
  }

  #readTcp(namespace: NamespaceRecord, kept: Kept, sink: SocketSink, nowTicks: number): NamespaceReading {
    const index = this.#records.index;
    const { sockets } = sink;
    const { inode } = namespace;
    const mark = index.tcpMark(inode);
    let moved =
      kept.orphans === null || mark !== kept.tcpMark || this.#hints.destroyedIn?.has(inode) === true;
    if (moved || nowTicks >= kept.lookTicks || nowTicks < kept.busyTicks) {
      const isFirst = kept.counts === null;
      kept.counts = this.#gate.look(namespace, !moved && kept.orphans?.length === 0);
      kept.lookTicks = isFirst ? nowTicks : nowTicks + COUNTERS_TICKS;
      // Data changes what the records hold; of the other sockets it only changes those that are closing.
      const trafficTicks = kept.orphans?.length === 0 ? Number.POSITIVE_INFINITY : TRAFFIC_TICKS;
      const movement = this.#gate.movement(namespace, kept.counts, nowTicks, trafficTicks);
      if (movement === "sockets" || movement === "due") moved = true;
      if (movement !== "nothing" && movement !== "due" && !isFirst) kept.busyTicks = nowTicks + BUSY_TICKS;
      // Data alone opens no socket that a digest or an event would miss.
      if (movement === "sockets" && !isFirst) this.#busyTicks = kept.busyTicks;
      if (moved && this.#areAllHeld(inode, kept.counts)) {
        kept.orphans = NO_ROWS;
        kept.tcpMark = mark;
        this.#gate.settle(namespace, kept.namespaceId, kept.counts, nowTicks);
        moved = false;
      }
    }
    const affordable = this.#credit.isLeft;
    if (moved && !affordable) this.#credit.defer();
    if (kept.orphans !== null && !(moved && affordable)) {
      if (moved) kept.blindTicks = nowTicks;
      const overflowed = index.append(inode, kept.namespaceId, this.#records.readTicks, sockets);
      const more = kept.orphans.append(sink, kept.namespaceId, (held) => index.has(held));
      return { ...UNREAD, read: true, overflowed: overflowed + more };
    }
    return this.#readOrphans(namespace, kept, sink, nowTicks, mark);
  }

  // Whether the kernel counts no more TCP sockets than files refer to, so that no others are left to find.
  #areAllHeld(inode: number, counts: Counts | null): boolean {
    if (counts === null) return false;
    const { ipv4, ipv6, timeWait } = counts.tcpSockets;
    return timeWait === 0 && ipv4 + ipv6 === this.#records.index.tcpCount(inode);
  }

  // Reads the whole TCP table and keeps only the rows that no file refers to: the records have the others.
  #readOrphans(
    namespace: NamespaceRecord,
    kept: Kept,
    sink: SocketSink,
    nowTicks: number,
    mark: string,
  ): NamespaceReading {
    const index = this.#records.index;
    const { sockets } = sink;
    const first = sockets.length;
    const startMs = performance.now();
    const reading = this.#options.tcpReader.read(namespace, kept.namespaceId, sink);
    this.#credit.spend(performance.now() - startMs);
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
    const overflowed = index.append(namespace.inode, kept.namespaceId, this.#records.readTicks, sockets);
    return { ...reading, overflowed: reading.overflowed + overflowed };
  }

  // Whether a row is the TIME_WAIT entry of a connection whose end arrived as an event in a pass without
  // credit to read the table: it would be counted twice.
  #wasHeard({ timer, timerDeadline }: SocketTable, row: number, blindTicks: number): boolean {
    if (this.#hints.destroyedIn === null || timer[row] !== Timer.timeWait) return false;
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
    checkTicks: 0,
    pass: 0,
  };
}

// The pid of this process as the mounted proc numbers it.
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

const NO_HINTS: ReadingHints = { destroyedIn: null, unheldKept: "never" };

const NO_ROWS = KeptRows.of({ sockets: new SocketTable(1), familySockets: [] }, 0, 0);

const UNREAD: NamespaceReading = {
  read: false,
  linesMalformed: 0,
  overflowed: 0,
  addresses: [],
  tcpCounters: null,
  unheldRead: false,
};
