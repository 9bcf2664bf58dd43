// A reader that reads only namespaces in which something moved (change-gate.ts) and otherwise repeats what was
// read before.

import type { NamespaceReading, NamespaceRecord, SocketReader, SocketSink } from "../../observation.ts";
import { ChangeGate } from "./change-gate.ts";
import { hashAdvice } from "../hash-advice.ts";
import { KeptRows } from "./kept-rows.ts";

/**
 * Ticks of 10 ms for which tables without counters (unix, netlink, packet, IPv6 datagrams) are reused: 3 s.
 */
const REST_TICKS = 300;

/** Options of the reader. */
interface GatedReaderOptions {
  readonly procRoot: string;
  readonly nowTicks: () => number;
  /** Reads only the tables tcp and tcp6; `restReader` reads all other tables. */
  readonly tcpReader: SocketReader;
  readonly restReader: SocketReader;
}

/** Creates a gated reader with the name of its `tcpReader`. */
export function createGatedReader(options: GatedReaderOptions): SocketReader {
  return new GatedReader(options);
}

interface Kept {
  readonly namespaceId: number;
  tcp: KeptRows | null;
  rest: KeptRows | null;
  restTicks: number;
  /** The result of reading the other tables, without what is counted only once. */
  restReading: NamespaceReading;
  pass: number;
}

class GatedReader implements SocketReader {
  readonly #options: GatedReaderOptions;
  readonly #gate: ChangeGate;
  readonly #kept = new Map<number, Kept>();
  #pass = 0;
  // How many TCP tables this pass read and how long that took, and the advice that resulted; given once.
  #tablesRead = 0;
  #tablesMs = 0;
  #advice: string | null = null;

  constructor(options: GatedReaderOptions) {
    this.#options = options;
    this.#gate = new ChangeGate(options.procRoot);
  }

  get name(): string {
    return this.#options.tcpReader.name;
  }

  probe(): string | null {
    return this.#options.tcpReader.probe();
  }

  limits(): readonly string[] {
    const { tcpReader, restReader } = this.#options;
    const advice = this.#advice === null ? [] : [this.#advice];
    return [...new Set([...tcpReader.limits(), ...restReader.limits(), ...advice])];
  }

  begin(): void {
    for (const [inode, { pass }] of this.#kept) if (pass < this.#pass) this.#forget(inode);
    this.#pass++;
    if (this.#tablesRead > 0) {
      const msEach = this.#tablesMs / this.#tablesRead;
      this.#advice ??= hashAdvice(this.#options.procRoot, this.#kept.size, msEach);
    }
    this.#tablesRead = 0;
    this.#tablesMs = 0;
    this.#options.tcpReader.begin?.();
    this.#options.restReader.begin?.();
  }

  read(namespace: NamespaceRecord, namespaceId: number, sink: SocketSink): NamespaceReading {
    const nowTicks = this.#options.nowTicks();
    const { inode } = namespace;
    // The inode number may be reused by another namespace; its id differs then.
    if (this.#kept.get(inode)?.namespaceId !== namespaceId) this.#forget(inode);
    const counts = inode === 0 ? null : this.#gate.look(namespace);
    const movement = this.#gate.movement(namespace, counts, nowTicks);
    const rows = sink.sockets.length;
    const familyRows = sink.familySockets.length;
    const rest = this.#readRest(namespace, namespaceId, sink, movement === "nothing", nowTicks);
    const tcp = rest.read
      ? this.#readTcp(namespace, namespaceId, sink, movement === "sockets" || movement === "due")
      : rest;
    if (!rest.read || !tcp.read) {
      sink.sockets.length = rows;
      sink.familySockets.length = familyRows;
      this.#forget(inode);
      return tcp;
    }
    if (counts === null) this.#forget(inode);
    else if (tcp.addresses !== NOT_READ) this.#gate.settle(namespace, namespaceId, counts, nowTicks);
    return {
      ...rest,
      tcpCounters: counts?.tcpCounters ?? rest.tcpCounters,
      unheldRead: true,
      linesMalformed: rest.linesMalformed + tcp.linesMalformed,
      overflowed: rest.overflowed + tcp.overflowed,
    };
  }

  #readRest(
    namespace: NamespaceRecord,
    namespaceId: number,
    sink: SocketSink,
    nothingMoved: boolean,
    nowTicks: number,
  ): NamespaceReading {
    const kept = this.#kept.get(namespace.inode);
    if (nothingMoved && kept?.rest && nowTicks < kept.restTicks + REST_TICKS)
      return { ...kept.restReading, overflowed: kept.rest.append(sink, namespaceId, null) };
    const rows = sink.sockets.length;
    const familyRows = sink.familySockets.length;
    const reading = this.#options.restReader.read(namespace, namespaceId, sink);
    const rest = reading.read ? KeptRows.of(sink, rows, familyRows) : null;
    const restReading = { ...reading, linesMalformed: 0, overflowed: 0 };
    this.#kept.set(namespace.inode, {
      namespaceId,
      tcp: kept?.tcp ?? null,
      rest,
      restTicks: nowTicks,
      restReading,
      pass: this.#pass,
    });
    return reading;
  }

  #readTcp(
    namespace: NamespaceRecord,
    namespaceId: number,
    sink: SocketSink,
    moved: boolean,
  ): NamespaceReading {
    const kept = this.#kept.get(namespace.inode)!;
    kept.pass = this.#pass;
    if (!moved && kept.tcp !== null && !kept.tcp.waitsForAccept)
      return { ...ALREADY_READ, overflowed: kept.tcp.append(sink, namespaceId, null) };
    const rows = sink.sockets.length;
    const startMs = performance.now();
    const reading = this.#options.tcpReader.read(namespace, namespaceId, sink);
    this.#tablesRead++;
    this.#tablesMs += performance.now() - startMs;
    kept.tcp = reading.read ? KeptRows.of(sink, rows, sink.familySockets.length) : null;
    return reading;
  }

  #forget(inode: number): void {
    this.#kept.delete(inode);
    this.#gate.forget(inode);
  }
}

// Addresses come with the other tables; this value marks a result that repeats an earlier reading.
const NOT_READ: readonly Uint8Array[] = [];

const ALREADY_READ: NamespaceReading = {
  read: true,
  linesMalformed: 0,
  overflowed: 0,
  addresses: NOT_READ,
  tcpCounters: null,
  unheldRead: false,
};
