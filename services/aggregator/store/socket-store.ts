// Every socket of every node, living ones and those of connections that ended lately: 98 bytes each, no object and no
// string per row. What joining asks of a socket lies together in one record, since the other end of a conversation is
// somewhere else in memory: one cache line is fetched for it, and not one for each column. The rest is in columns.

import { protocolWord } from "../../../lib/words.ts";
import { grownColumn, nextCapacity } from "./capacity.ts";

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
  id = new Uint32Array(256);
  uid = new Uint32Array(256);
  recvQueue = new Uint32Array(256);
  sendQueue = new Uint32Array(256);
  timer = new Uint8Array(256);
  /** Ticks since the agent's start. */
  timerDeadline = new Uint32Array(256);
  retransmits = new Uint8Array(256);
  references = new Uint16Array(256);
  /** How an attempt to connect went that never became a connection (lib/words.ts Attempt). */
  attempt = new Uint8Array(256);
  /** 1 where the agent's reader tells the four columns below, 0 where their zeros say nothing. */
  counted = new Uint8Array(256);
  /** Bytes of payload acknowledged by the other end, and come from it. */
  bytesSent = new Float64Array(256);
  bytesReceived = new Float64Array(256);
  rttMicros = new Uint32Array(256);
  totalRetransmits = new Uint32Array(256);
  /** The kernel's cookie; both halves 0 where it is not known. */
  cookieLow = new Uint32Array(256);
  cookieHigh = new Uint32Array(256);
  /** When it was first seen, in milliseconds since 1970 by the stream's clock; once gone, when it was last there. */
  sinceMs = new Float64Array(256);
  /** Number of the keyframe that last named it, modulo 256. */
  keyframe = new Uint8Array(256);
  /** Paths and abstract names of unix sockets. */
  readonly paths = new Map<number, string>();
  // The records, as words, as halves of words and as bytes.
  #words = new Uint32Array(256 * WORDS);
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
    if (this.#used === this.id.length) {
      if (this.#used >= SOCKETS_MAX) return -1;
      this.#grow(nextCapacity(this.#used, SOCKETS_MAX));
    }
    return this.#used++;
  }

  #grow(capacity: number): void {
    this.#words = grownColumn(this.#words, capacity * WORDS);
    this.#halves = new Uint16Array(this.#words.buffer);
    this.#bytes = new Uint8Array(this.#words.buffer);
    this.id = grownColumn(this.id, capacity);
    this.uid = grownColumn(this.uid, capacity);
    this.recvQueue = grownColumn(this.recvQueue, capacity);
    this.sendQueue = grownColumn(this.sendQueue, capacity);
    this.timer = grownColumn(this.timer, capacity);
    this.timerDeadline = grownColumn(this.timerDeadline, capacity);
    this.retransmits = grownColumn(this.retransmits, capacity);
    this.references = grownColumn(this.references, capacity);
    this.attempt = grownColumn(this.attempt, capacity);
    this.counted = grownColumn(this.counted, capacity);
    this.bytesSent = grownColumn(this.bytesSent, capacity);
    this.bytesReceived = grownColumn(this.bytesReceived, capacity);
    this.rttMicros = grownColumn(this.rttMicros, capacity);
    this.totalRetransmits = grownColumn(this.totalRetransmits, capacity);
    this.cookieLow = grownColumn(this.cookieLow, capacity);
    this.cookieHigh = grownColumn(this.cookieHigh, capacity);
    this.sinceMs = grownColumn(this.sinceMs, capacity);
    this.keyframe = grownColumn(this.keyframe, capacity);
  }
}
