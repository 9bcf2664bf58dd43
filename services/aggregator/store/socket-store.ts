// Every socket of every node, living ones and those of connections that ended lately: 99 bytes each, no object and no
// string per row. What joining asks of a socket lies together in one record, since the other end of a conversation is
// somewhere else in memory: one cache line is fetched for it, and not one for each column. The rest is in columns.

import { protocolWord } from "../../../lib/words.ts";
import { columnInPlace, FIRST_ROWS, grownColumn, growInPlace, nextCapacity } from "./capacity.ts";

/** Sockets at most: both ends of 2^21 connections, and 2^18 listeners. */
export const SOCKETS_MAX = 2 ** 22 + 2 ** 18;

/** What a slot holds. */
export const SocketKind = { free: 0, idle: 1, listener: 2, end: 3 } as const;

/** Families beside the internet's, in the protocol column (IANA has not assigned these numbers). */
export const Family = { unix: 250, netlink: 251, packet: 252 } as const;

/** Whether a protocol number stands for one of the families beside the internet's. */
export function isFamily(protocol: number): boolean {
  return protocol >= Family.unix && protocol <= Family.packet;
}

/** The word for a number of the protocol column. */
export function storeProtocolWord(protocol: number): string {
  switch (protocol) {
    case Family.unix:
      return "unix";
    case Family.netlink:
      return "netlink";
    case Family.packet:
      return "packet";
    default:
      return protocolWord(protocol);
  }
}

/** Bits of the flags column. */
export const SocketFlag = {
  /** The socket is no more: what is kept is what was last known. */
  gone: 1,
  /** Its other end could be one of several. */
  ambiguous: 2,
  /** It was seen in SYN_SENT: it opened the connection. */
  opening: 4,
  /** It was seen in SYN_RECV: it was opened by the other end. */
  accepting: 8,
  /** It is in the index of one-sided ends, as a client of a service. */
  serviceClient: 16,
  /** It is in the index of one-sided ends, as a server. */
  loneServer: 32,
  /** A listener that connections have as their server: its change concerns them. */
  shared: 64,
} as const;

// A record has eight words of 32 bits, which this numbers; the fifth is four bytes.
const WORDS = 8;
const Word = {
  localAddress: 0,
  remoteAddress: 1,
  namespace: 2,
  connection: 3,
  inode: 5,
  holders: 6,
  ports: 7,
} as const;
const Byte = { protocol: 16, state: 17, kind: 18, flags: 19 } as const;

/** Sockets; slots are used again. */
export class SocketStore {
  /** Slots in use. */
  size = 0;
  /** The agent's id. */
  readonly id = columnInPlace(Uint32Array, SOCKETS_MAX);
  readonly uid = columnInPlace(Uint32Array, SOCKETS_MAX);
  readonly recvQueue = columnInPlace(Uint32Array, SOCKETS_MAX);
  readonly sendQueue = columnInPlace(Uint32Array, SOCKETS_MAX);
  readonly timer = columnInPlace(Uint8Array, SOCKETS_MAX);
  /** Ticks since the agent's start. */
  readonly timerDeadline = columnInPlace(Uint32Array, SOCKETS_MAX);
  readonly retransmits = columnInPlace(Uint8Array, SOCKETS_MAX);
  readonly references = columnInPlace(Uint16Array, SOCKETS_MAX);
  /** How an attempt to connect went that never became a connection (lib/words.ts Attempt). */
  readonly attempt = columnInPlace(Uint8Array, SOCKETS_MAX);
  /** 1 where the agent's reader tells the four columns below, 0 where their zeros say nothing. */
  readonly counted = columnInPlace(Uint8Array, SOCKETS_MAX);
  /** Bytes of payload acknowledged by the other end, and come from it. */
  readonly bytesSent = columnInPlace(Float64Array, SOCKETS_MAX);
  readonly bytesReceived = columnInPlace(Float64Array, SOCKETS_MAX);
  readonly rttMicros = columnInPlace(Uint32Array, SOCKETS_MAX);
  readonly totalRetransmits = columnInPlace(Uint32Array, SOCKETS_MAX);
  /** The kernel's cookie; both halves 0 where it is not known. */
  readonly cookieLow = columnInPlace(Uint32Array, SOCKETS_MAX);
  readonly cookieHigh = columnInPlace(Uint32Array, SOCKETS_MAX);
  /** When it was first seen, in milliseconds since 1970 by the stream's clock; once gone, when it was last there. */
  readonly sinceMs = columnInPlace(Float64Array, SOCKETS_MAX);
  /** Number of the keyframe that last named it, modulo 256. */
  readonly keyframe = columnInPlace(Uint8Array, SOCKETS_MAX);
  /** Paths and abstract names of unix sockets. */
  readonly paths = new Map<number, string>();
  readonly #columns = [
    this.id,
    this.uid,
    this.recvQueue,
    this.sendQueue,
    this.timer,
    this.timerDeadline,
    this.retransmits,
    this.references,
    this.attempt,
    this.counted,
    this.bytesSent,
    this.bytesReceived,
    this.rttMicros,
    this.totalRetransmits,
    this.cookieLow,
    this.cookieHigh,
    this.sinceMs,
    this.keyframe,
  ];
  // The records, as words, as halves of words and as bytes.
  #words = new Uint32Array(FIRST_ROWS * WORDS);
  #halves = new Uint16Array(this.#words.buffer);
  #bytes = new Uint8Array(this.#words.buffer);
  #used = 0;
  #free: number[] = [];

  /** Slots up to this one were in use at some time. */
  get used(): number {
    return this.#used;
  }

  /** A cleared slot, or -1 where SOCKETS_MAX is reached. */
  allocate(): number {
    const slot = this.#free.pop() ?? this.#allocateNew();
    if (slot < 0) return -1;
    this.size++;
    this.#bytes[slot * WORDS * 4 + Byte.flags] = 0;
    this.setHolders(slot, 0);
    this.setConnection(slot, 0);
    this.counted[slot] = 0;
    this.cookieLow[slot] = 0;
    this.cookieHigh[slot] = 0;
    return slot;
  }

  /** Gives a slot back; what it refers to must have been released. */
  free(slot: number): void {
    this.setKind(slot, SocketKind.free);
    this.paths.delete(slot);
    this.size--;
    this.#free.push(slot);
  }

  /** What it is, as SocketKind. */
  kind(slot: number): number {
    return this.#bytes[slot * WORDS * 4 + Byte.kind]!;
  }

  setKind(slot: number, kind: number): void {
    this.#bytes[slot * WORDS * 4 + Byte.kind] = kind;
  }

  protocol(slot: number): number {
    return this.#bytes[slot * WORDS * 4 + Byte.protocol]!;
  }

  setProtocol(slot: number, protocol: number): void {
    this.#bytes[slot * WORDS * 4 + Byte.protocol] = protocol;
  }

  state(slot: number): number {
    return this.#bytes[slot * WORDS * 4 + Byte.state]!;
  }

  setState(slot: number, state: number): void {
    this.#bytes[slot * WORDS * 4 + Byte.state] = state;
  }

  /** Number of the network namespace. */
  namespace(slot: number): number {
    return this.#words[slot * WORDS + Word.namespace]!;
  }

  setNamespace(slot: number, namespace: number): void {
    this.#words[slot * WORDS + Word.namespace] = namespace;
  }

  /** Number of the address. Unix: own inode. Netlink: port id. Packet: interface index. */
  localAddress(slot: number): number {
    return this.#words[slot * WORDS + Word.localAddress]!;
  }

  setLocalAddress(slot: number, address: number): void {
    this.#words[slot * WORDS + Word.localAddress] = address;
  }

  /** Number of the address. Unix: the peer's inode. */
  remoteAddress(slot: number): number {
    return this.#words[slot * WORDS + Word.remoteAddress]!;
  }

  setRemoteAddress(slot: number, address: number): void {
    this.#words[slot * WORDS + Word.remoteAddress] = address;
  }

  localPort(slot: number): number {
    return this.#halves[(slot * WORDS + Word.ports) * 2]!;
  }

  setLocalPort(slot: number, port: number): void {
    this.#halves[(slot * WORDS + Word.ports) * 2] = port;
  }

  remotePort(slot: number): number {
    return this.#halves[(slot * WORDS + Word.ports) * 2 + 1]!;
  }

  setRemotePort(slot: number, port: number): void {
    this.#halves[(slot * WORDS + Word.ports) * 2 + 1] = port;
  }

  inode(slot: number): number {
    return this.#words[slot * WORDS + Word.inode]!;
  }

  setInode(slot: number, inode: number): void {
    this.#words[slot * WORDS + Word.inode] = inode;
  }

  /** Ends: slot of the connection. Listeners: how many connections share them as their server. */
  connection(slot: number): number {
    return this.#words[slot * WORDS + Word.connection]!;
  }

  setConnection(slot: number, connection: number): void {
    this.#words[slot * WORDS + Word.connection] = connection;
  }

  /** Head of the chain of holders. */
  holders(slot: number): number {
    return this.#words[slot * WORDS + Word.holders]!;
  }

  setHolders(slot: number, head: number): void {
    this.#words[slot * WORDS + Word.holders] = head;
  }

  /** Whether it has one of the flags (SocketFlag). */
  has(slot: number, flags: number): boolean {
    return (this.#bytes[slot * WORDS * 4 + Byte.flags]! & flags) !== 0;
  }

  set(slot: number, flags: number): void {
    this.#bytes[slot * WORDS * 4 + Byte.flags]! |= flags;
  }

  clear(slot: number, flags: number): void {
    this.#bytes[slot * WORDS * 4 + Byte.flags]! &= ~flags;
  }

  /** Whether a slot holds a socket that is there now. */
  isLive(slot: number): boolean {
    return slot >= 0 && !this.has(slot, SocketFlag.gone);
  }

  #allocateNew(): number {
    if (this.#used >= SOCKETS_MAX) return -1;
    if (this.#used === this.id.length) growInPlace(this.#columns, SOCKETS_MAX);
    if (this.#used * WORDS === this.#words.length) this.#growRecords();
    return this.#used++;
  }

  #growRecords(): void {
    this.#words = grownColumn(this.#words, nextCapacity(this.#used, SOCKETS_MAX) * WORDS);
    this.#halves = new Uint16Array(this.#words.buffer);
    this.#bytes = new Uint8Array(this.#words.buffer);
  }
}
