// Chooses the reader: the best one whose probe succeeds, or the one that was asked for. If the chosen reader
// fails at run time, the next one replaces it, for one namespace or permanently; coverage names the reader in
// use and why no better one works.

import { endianness } from "node:os";

import type {
  HeldSockets,
  NamespaceReading,
  NamespaceRecord,
  ReadingHints,
  SocketReader,
  SocketSink,
} from "../observation.ts";
import { isLiveProc } from "./live-proc.ts";
import { createBpfIterReader } from "./bpf-iter.ts";
import { createProcfsReader, procfsTables } from "./procfs.ts";
import { createGatedReader } from "./freshness/gated-reader.ts";
import { readerNames } from "../../../lib/vocabulary/reader-names.ts";
import type { ReaderChoice, ReaderName } from "../../../lib/vocabulary/reader-names.ts";
import { createSockDiagReader } from "./sock-diag.ts";

/**
 * After this many passes in a row in which the first reader reads nothing and another one does, the next
 * reader replaces it permanently.
 */
const FAILED_PASSES_MAX = 3;

/** Options of the readers. */
interface ReaderOptions {
  /** "/proc", "/host/proc", or a saved tree of <pid>/net tables. */
  readonly procRoot: string;
  /** Byte order of the kernel that wrote the tables; by default this machine's. */
  readonly littleEndian?: boolean;
  /** Ticks of 10 ms since the epoch's start. */
  readonly nowTicks: () => number;
}

/**
 * Returns the reader that was asked for, or a chain of all that work. The reader's probe() returns why the
 * requested one cannot work here, or why none can.
 */
export function chooseReader(choice: ReaderChoice, options: ReaderOptions): SocketReader {
  if (choice !== "auto") return createReader(choice, options);
  // A saved tree has only the tables; that is not a limitation of this machine to report.
  if (!isLiveProc(options.procRoot)) return createReader("procfs", options);
  return chainReaders(readerNames.map((name) => createReader(name, options)));
}

function createReader(name: ReaderName, options: ReaderOptions, tables?: ReadonlySet<string>): SocketReader {
  const { procRoot, nowTicks } = options;
  switch (name) {
    case "bpf-iter": {
      const within = createReader("sock-diag", options, tcpTables).probe() === null ? "sock-diag" : "procfs";
      const tcpReader = createReader(within, options, tcpTables);
      const restReader = createReader(within, options, otherTables);
      return createBpfIterReader({ procRoot, nowTicks, tcpReader, restReader });
    }
    case "sock-diag":
      if (tables === undefined) return createGated(name, options);
      return createSockDiagReader({ procRoot, nowTicks, tables });
    case "procfs":
      // A saved tree's counters and tables may come from different moments.
      if (tables === undefined && isLiveProc(procRoot)) return createGated(name, options);
      return createProcfsReader({
        procRoot,
        nowTicks,
        littleEndian: options.littleEndian ?? endianness() === "LE",
        unixPeers: isLiveProc(procRoot),
        ...(tables === undefined ? {} : { tables }),
      });
  }
}

function createGated(name: ReaderName, options: ReaderOptions): SocketReader {
  const tcpReader = createReader(name, options, tcpTables);
  const restReader = createReader(name, options, otherTables);
  return createGatedReader({ procRoot: options.procRoot, nowTicks: options.nowTicks, tcpReader, restReader });
}

const tcpTables: ReadonlySet<string> = new Set(["tcp", "tcp6"]);
const otherTables: ReadonlySet<string> = new Set(procfsTables.filter((name) => !tcpTables.has(name)));

/** Combines several readers, best first, into one; leaves out those whose probe reports an obstacle. */
export function chainReaders(readers: readonly SocketReader[]): SocketReader {
  return new ReaderChain(readers);
}

class ReaderChain implements SocketReader {
  readonly #reasons: string[] = [];
  readonly #working: SocketReader[] = [];
  readonly #obstacle: string | null;
  // In the current pass: namespaces that the first reader read, and those that another one read in its place.
  #read = 0;
  #handedOver = 0;
  #handedOverBefore = 0;
  #failedPasses = 0;

  constructor(readers: readonly SocketReader[]) {
    for (const reader of readers) {
      const obstacle = reader.probe();
      if (obstacle === null) this.#working.push(reader);
      // Obstacles of readers below the one that works do not matter.
      else if (this.#working.length === 0)
        this.#reasons.push(`The reader ${reader.name} cannot work here: ${obstacle}`);
    }
    this.#obstacle = this.#working.length > 0 ? null : this.#reasons.join("; ");
    this.#working.push(...(this.#working.length > 0 ? [] : readers.slice(-1)));
  }

  get name(): string {
    return this.#first.name;
  }

  get #first(): SocketReader {
    return this.#working[0]!;
  }

  probe(): string | null {
    return this.#obstacle;
  }

  isStill(): boolean {
    return this.#handedOver === 0 && this.#read > 0 && this.#first.isStill?.() === true;
  }

  begin(hints?: ReadingHints): void {
    this.#failedPasses = this.#read === 0 && this.#handedOver > 0 ? this.#failedPasses + 1 : 0;
    if (this.#failedPasses >= FAILED_PASSES_MAX) {
      const [failed] = this.#working.splice(0, 1);
      const why = failed!.limits().join("; ");
      this.#reasons.push(`The reader ${failed!.name} works no longer${why === "" ? "" : `: ${why}`}`);
      this.#failedPasses = 0;
      this.#handedOver = 0;
    }
    this.#handedOverBefore = this.#handedOver;
    this.#read = 0;
    this.#handedOver = 0;
    this.#first.begin?.(hints);
  }

  read(namespace: NamespaceRecord, namespaceId: number, sink: SocketSink): NamespaceReading {
    const reading = this.#first.read(namespace, namespaceId, sink);
    if (reading.read) {
      this.#read++;
      return reading;
    }
    for (const next of this.#working.slice(1)) {
      const instead = next.read(namespace, namespaceId, sink);
      if (!instead.read) continue;
      this.#handedOver++;
      return instead;
    }
    return reading;
  }

  held(): HeldSockets | null {
    return this.#first.held?.() ?? null;
  }

  limits(): readonly string[] {
    const handedOver = Math.max(this.#handedOver, this.#handedOverBefore);
    return [
      ...this.#reasons,
      ...this.#first.limits(),
      ...(handedOver === 0
        ? []
        : [
            `${handedOver} network namespaces were read by another reader, since ${this.name} could not read them`,
          ]),
    ];
  }
}
