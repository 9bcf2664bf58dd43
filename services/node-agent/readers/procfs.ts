// The reader that works everywhere: reads every socket of a network namespace from the tables in
// /proc/<pid>/net of any process in it, or from a saved tree of them. No table has the peers of unix sockets;
// they come from sock_diag if the tables are the live kernel's.

import { readdirSync, statfsSync } from "node:fs";

import type { FamilySocket } from "../../../lib/gen/whotalks/v1/report.ts";
import type { NamespaceReading, NamespaceRecord, SocketReader, SocketSink } from "../observation.ts";
import { withAnyPid } from "../processes/any-pid.ts";
import { inetTables, netInetParser } from "../procfs/net-inet.ts";
import { netNetlinkParser } from "../procfs/net-netlink.ts";
import { netPacketParser } from "../procfs/net-packet.ts";
import { netUnixParser } from "../procfs/net-unix.ts";
import type { TableParser, TableTally } from "../procfs/table-lines.ts";
import { readEmptyTables } from "./empty-tables.ts";
import { InterfaceAddresses } from "./interface-addresses.ts";
import { TableFile } from "./table-file.ts";
import { UnixPeers } from "./unix-peers.ts";
import { readTcpCounters } from "./tcp-counters.ts";

/** All tables that are read of a namespace, by their names in <pid>/net. */
export const procfsTables: readonly string[] = [
  ...inetTables.map(({ name }) => name),
  "unix",
  "netlink",
  "packet",
];

// Tables that the counts of sockstat and sockstat6 can show to be empty.
const gatedTables: readonly string[] = ["tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "raw", "raw6"];

/** Processes of a namespace to try before it counts as unreadable: more than exit between two reads. */
const READ_THROUGH_MAX = 64;

/** Maximum unix, netlink and packet sockets of one pass: 2^20 of about 250 bytes each (250 MB). */
export const FAMILY_SOCKETS_MAX = 2 ** 20;

/** Options of the reader. */
interface ProcfsReaderOptions {
  /** "/proc", "/host/proc", or a saved tree of <pid>/net tables. */
  readonly procRoot: string;
  /** Whether the kernel that wrote the tables is little-endian. */
  readonly littleEndian: boolean;
  /** Ticks of 10 ms since the epoch's start; timers are relative to it. */
  readonly nowTicks: () => number;
  /** Whether to ask sock_diag for the peers of unix sockets; only valid if procRoot is the live kernel's. */
  readonly unixPeers: boolean;
  /** Names of the tables to read; by default all of procfsTables. May change between readings. */
  readonly tables?: ReadonlySet<string>;
}

/** Creates the reader `procfs`. It needs nothing but the tables. */
export function createProcfsReader(options: ProcfsReaderOptions): SocketReader {
  return new ProcfsReader(options);
}

class ProcfsReader implements SocketReader {
  readonly name = "procfs";
  readonly #options: ProcfsReaderOptions;
  readonly #file = new TableFile();
  readonly #unixPeers = new UnixPeers();
  readonly #addresses: InterfaceAddresses;
  readonly #live: boolean;

  constructor(options: ProcfsReaderOptions) {
    this.#options = options;
    this.#addresses = new InterfaceAddresses(options.procRoot);
    this.#live = isProc(options.procRoot);
  }

  probe(): string | null {
    try {
      const processes = readdirSync(this.#options.procRoot).some((name) => /^\d+$/.test(name));
      return processes ? null : `${this.#options.procRoot} holds no process`;
    } catch (error) {
      return `${this.#options.procRoot} cannot be read: ${(error as Error).message}`;
    }
  }

  limits(): readonly string[] {
    return this.#unixPeers.limits();
  }

  read(namespace: NamespaceRecord, namespaceId: number, sink: SocketSink): NamespaceReading {
    const rows = sink.sockets.length;
    const familyRows = sink.familySockets.length;
    const tally: TableTally = { linesMalformed: 0, overflowed: 0 };
    const tables = this.#tables(namespaceId, sink, tally);
    const pid = withAnyPid(
      namespace.pids,
      (candidate) => (this.#readThrough(candidate, tables, sink) ? candidate : undefined),
      READ_THROUGH_MAX,
    );
    if (pid === undefined) {
      // Half of a namespace would look as if its other sockets were closed: all or nothing.
      sink.sockets.length = rows;
      sink.familySockets.length = familyRows;
      return {
        read: false,
        linesMalformed: tally.linesMalformed,
        overflowed: 0,
        addresses: [],
        tcpCounters: null,
        unheldRead: false,
      };
    }
    if (this.#options.unixPeers) {
      this.#unixPeers.complete(this.#options.procRoot, namespace.pids, sink.familySockets, familyRows);
    }
    const addresses = this.#addresses.of(namespace.inode, pid, this.#options.nowTicks());
    return {
      read: true,
      ...tally,
      addresses,
      tcpCounters: readTcpCounters(this.#options.procRoot, pid),
      unheldRead: true,
    };
  }

  #tables(namespaceId: number, sink: SocketSink, tally: TableTally): Map<string, TableParser> {
    const { littleEndian, nowTicks } = this.#options;
    const inet = { sockets: sink.sockets, namespaceId, nowTicks: nowTicks(), littleEndian, tally };
    const family = {
      namespaceId,
      tally,
      append: (socket: FamilySocket) => appendFamily(sink, socket, tally),
    };
    const { tables } = this.#options;
    const all: (readonly [string, TableParser])[] = [
      ...inetTables.map((table) => [table.name, netInetParser(table, inet)] as const),
      ["unix", netUnixParser(family)],
      ["netlink", netNetlinkParser(family)],
      ["packet", netPacketParser(family)],
    ];
    return new Map(tables === undefined ? all : all.filter(([name]) => tables.has(name)));
  }

  // Reads the remaining tables through one process and removes those that were read from the map. Returns
  // false if the process did not provide all of them: it is gone, or we may not read it.
  #readThrough(pid: number, tables: Map<string, TableParser>, sink: SocketSink): boolean {
    const directory = `${this.#options.procRoot}/${pid}/net`;
    let absent = 0;
    // Counts and tables of a saved tree may come from different moments; only the running kernel's are
    // trusted.
    if (this.#live && gatedTables.some((name) => tables.has(name))) {
      for (const name of readEmptyTables(directory) ?? []) tables.delete(name);
    }
    for (const [name, parse] of tables) {
      const rows = sink.sockets.length;
      const familyRows = sink.familySockets.length;
      const failure = this.#file.read(`${directory}/${name}`, parse);
      if (failure === null) {
        tables.delete(name);
        continue;
      }
      // Discard what was read before the failure: another process reads the table from its start.
      sink.sockets.length = rows;
      sink.familySockets.length = familyRows;
      if (failure === "denied") return false;
      absent++;
    }
    return absent === 0 || hasEntries(directory);
  }
}

// PROC_SUPER_MAGIC of include/uapi/linux/magic.h: recognizes a mounted /proc under any path.
function isProc(directory: string): boolean {
  try {
    return statfsSync(directory).type === 0x9fa0;
  } catch {
    return false;
  }
}

// A missing table is fine, since kernels lack what they were built without. But if the process is gone all its
// tables are missing; its directory shows which case it is.
function hasEntries(directory: string): boolean {
  try {
    return readdirSync(directory).length > 0;
  } catch {
    return false;
  }
}

function appendFamily(sink: SocketSink, socket: FamilySocket, tally: TableTally): void {
  if (sink.familySockets.length < FAMILY_SOCKETS_MAX) sink.familySockets.push(socket);
  else tally.overflowed++;
}
