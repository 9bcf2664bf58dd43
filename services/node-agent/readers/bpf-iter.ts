// The reader `bpf-iter`: every TCP socket of the node that a file refers to in one read of a BPF iterator, whatever the
// number of namespaces. What no file refers to (TIME_WAIT, half-open, not yet accepted, orphaned) it cannot see: a
// namespace's TCP table is read by another reader too, but only when the namespace's counters say that something there
// opened, closed or went, and every minute. The other tables are cheap and come from the other reader in each pass.

import { readFileSync } from "node:fs";

import { SocketTable } from "../../../lib/socket-table.ts";
import { Protocol } from "../../../lib/words.ts";
import { SocketIterator } from "../kernel/socket-iterator.ts";
import type { NamespaceReading, NamespaceRecord, SocketReader, SocketSink } from "../observation.ts";
import { readText } from "../processes/small-file.ts";
import { parseTcpSockets } from "../procfs/net-sockstat.ts";
import { isLiveProc } from "./live-proc.ts";
import { RecordIndex } from "./socket-records.ts";

/** Ticks of 10 ms after which a namespace's TCP table is read even if nothing seems to have moved: 60 s … */
const REFRESH_TICKS = 6000;
/** … less up to half of it, by the namespace's id, so that not all of them are due at once. */
const REFRESH_SPREAD_TICKS = 100;
const REFRESH_SPREAD = 30;

/** Processes of a namespace that are asked at most for its counts. */
const PIDS_TRIED_MAX = 16;

/** What a reader is made with. */
export interface BpfIterReaderOptions {
  /** "/proc" or "/host/proc": the live kernel's. */
  readonly procRoot: string;
  /** Ticks of 10 ms since the epoch's start. */
  readonly nowTicks: () => number;
  /** Reads the tables tcp and tcp6 alone, and every other one. */
  readonly tcpReader: SocketReader;
  readonly restReader: SocketReader;
}

/** The reader `bpf-iter`. Needs BPF and PERFMON, a kernel from 5.11 with BTF, and what the readers within need. */
export function createBpfIterReader(options: BpfIterReaderOptions): SocketReader {
  return new BpfIterReader(options);
}

// What is kept of a namespace between its full readings.
interface Kept {
  /** Counts of the namespace then: while they stay, so do the sockets that no file refers to. */
  readonly counts: string;
  readonly untilTicks: number;
  readonly orphans: SocketTable;
  pass: number;
}

class BpfIterReader implements SocketReader {
  readonly name = "bpf-iter";
  readonly #options: BpfIterReaderOptions;
  #iterator: SocketIterator | null = null;
  #index: RecordIndex | null = null;
  #overflowed = 0;
  #failure: string | null = null;
  readonly #kept = new Map<number, Kept>();
  #pass = 0;

  constructor(options: BpfIterReaderOptions) {
    this.#options = options;
  }

  probe(): string | null {
    if (!isLiveProc(this.#options.procRoot)) {
      return `${this.#options.procRoot} is not the running kernel's: BPF would tell of another one`;
    }
    try {
      this.#iterator ??= SocketIterator.load(pidLevel());
      this.#iterator.read();
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  }

  begin(): void {
    for (const [inode, { pass }] of this.#kept) if (pass < this.#pass) this.#kept.delete(inode);
    this.#pass++;
    this.#index = null;
    this.#failure = null;
    try {
      this.#iterator ??= SocketIterator.load(pidLevel());
      const records = this.#iterator.read();
      this.#overflowed = records.overflowed;
      this.#index = new RecordIndex(records);
    } catch (error) {
      this.#failure = `the BPF iterator cannot be read: ${(error as Error).message}`;
    }
    this.#options.tcpReader.begin?.();
    this.#options.restReader.begin?.();
  }

  limits(): readonly string[] {
    return [
      ...(this.#failure === null ? [] : [this.#failure]),
      ...new Set([...this.#options.tcpReader.limits(), ...this.#options.restReader.limits()]),
    ];
  }

  read(namespace: NamespaceRecord, namespaceId: number, sink: SocketSink): NamespaceReading {
    if (this.#index === null || namespace.inode === 0) return UNREAD;
    const rows = sink.sockets.length;
    const familyRows = sink.familySockets.length;
    const rest = this.#options.restReader.read(namespace, namespaceId, sink);
    if (!rest.read) return rest;
    const tcp = this.#readTcp(namespace, namespaceId, sink, rest);
    if (!tcp.read) {
      sink.sockets.length = rows;
      sink.familySockets.length = familyRows;
      return tcp;
    }
    // What found no place in the iterator's records belongs to no namespace: it is told once.
    const overflowed = rest.overflowed + tcp.overflowed + this.#overflowed;
    this.#overflowed = 0;
    return { ...rest, linesMalformed: rest.linesMalformed + tcp.linesMalformed, overflowed };
  }

  #readTcp(
    namespace: NamespaceRecord,
    namespaceId: number,
    sink: SocketSink,
    { tcpCounters }: NamespaceReading,
  ): NamespaceReading {
    const index = this.#index!;
    const { sockets } = sink;
    const nowTicks = this.#options.nowTicks();
    const opened = tcpCounters === null ? null : `${tcpCounters.activeOpens} ${tcpCounters.passiveOpens}`;
    const hashed = this.#hashedSockets(namespace);
    const counts =
      opened === null || hashed === null ? null : `${hashed} ${opened} ${index.count(namespace.inode)}`;
    const kept = this.#kept.get(namespace.inode);
    if (counts !== null && kept !== undefined && kept.counts === counts && nowTicks < kept.untilTicks) {
      kept.pass = this.#pass;
      let overflowed = index.append(namespace.inode, namespaceId, sockets);
      for (let row = 0; row < kept.orphans.length; row++) {
        const at = sockets.appendRow(kept.orphans, row);
        if (at < 0) overflowed++;
        else sockets.namespace[at] = namespaceId;
      }
      return { ...UNREAD, read: true, overflowed };
    }
    const first = sockets.length;
    const reading = this.#options.tcpReader.read(namespace, namespaceId, sink);
    if (!reading.read) return reading;
    const orphans = keepOrphans(sockets, first);
    if (counts !== null) {
      const spread = (namespaceId % REFRESH_SPREAD) * REFRESH_SPREAD_TICKS;
      const untilTicks = nowTicks + REFRESH_TICKS - spread;
      this.#kept.set(namespace.inode, { counts, untilTicks, orphans, pass: this.#pass });
    }
    return reading;
  }

  // How many TCP sockets the namespace has, and TIME_WAIT entries among them; null where that cannot be told.
  #hashedSockets(namespace: NamespaceRecord): string | null {
    for (const pid of namespace.pids.slice(0, PIDS_TRIED_MAX)) {
      const ipv4 = readText(`${this.#options.procRoot}/${pid}/net/sockstat`);
      if (!("text" in ipv4)) continue;
      const ipv6 = readText(`${this.#options.procRoot}/${pid}/net/sockstat6`);
      const sockets = parseTcpSockets(ipv4.text, "text" in ipv6 ? ipv6.text : "TCP6: inuse 0\n");
      return sockets === null ? null : `${sockets.ipv4} ${sockets.ipv6} ${sockets.timeWait}`;
    }
    return null;
  }
}

// The rows from `first` on that no file refers to, copied. The others get what the iterator tells of them: no timers and
// no references, so that a socket does not seem to change with who read it.
function keepOrphans(sockets: SocketTable, first: number): SocketTable {
  const orphans = new SocketTable(8);
  for (let row = first; row < sockets.length; row++) {
    if (sockets.protocol[row] !== Protocol.tcp) continue;
    sockets.references[row] = 0;
    if (sockets.inode[row] === 0) {
      orphans.appendRow(sockets, row);
      continue;
    }
    sockets.timer[row] = 0;
    sockets.timerDeadline[row] = 0;
  }
  return orphans;
}

// How deep this process's pid namespace is: NSpid of /proc/self/status has a number for each level.
function pidLevel(): number {
  const line = /^NSpid:((?:\s+\d+)+)$/m.exec(readFileSync("/proc/self/status", "utf8"));
  return line === null ? 0 : line[1]!.trim().split(/\s+/).length - 1;
}

const UNREAD: NamespaceReading = {
  read: false,
  linesMalformed: 0,
  overflowed: 0,
  addresses: [],
  tcpCounters: null,
};
