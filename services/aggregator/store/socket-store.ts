// Every socket of every node in columns, living ones and those of connections that ended lately: 110 bytes each, no
// object and no string per row.

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

/** Sockets in columns; slots are used again. */
export class SocketStore {
  /** Slots in use. */
  size = 0;
  kind = new Uint8Array(256);
  flags = new Uint8Array(256);
  /** Number of the network namespace. */
  namespace = new Uint32Array(256);
  /** The agent's id. */
  id = new Uint32Array(256);
  protocol = new Uint8Array(256);
  state = new Uint8Array(256);
  /** Numbers of addresses. Unix: own and peer's inode. Netlink: port id. Packet: interface index. */
  localAddress = new Uint32Array(256);
  remoteAddress = new Uint32Array(256);
  localPort = new Uint16Array(256);
  remotePort = new Uint16Array(256);
  inode = new Uint32Array(256);
  uid = new Uint32Array(256);
  recvQueue = new Uint32Array(256);
  sendQueue = new Uint32Array(256);
  timer = new Uint8Array(256);
  /** Ticks since the agent's start. */
  timerDeadline = new Uint32Array(256);
  retransmits = new Uint8Array(256);
  references = new Uint16Array(256);
  drops = new Uint32Array(256);
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
  /** Ends: slot of the connection. Listeners: how many connections share them as their server. */
  connection = new Int32Array(256);
  /** Head of the chain of holders. */
  holders = new Uint32Array(256);
  /** Number of the keyframe that last named it, modulo 256. */
  keyframe = new Uint8Array(256);
  /** Paths and abstract names of unix sockets. */
  readonly paths = new Map<number, string>();
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
    this.flags[slot] = 0;
    this.holders[slot] = 0;
    this.connection[slot] = 0;
    this.counted[slot] = 0;
    this.cookieLow[slot] = 0;
    this.cookieHigh[slot] = 0;
    return slot;
  }

  /** Gives a slot back; what it refers to must have been released. */
  free(slot: number): void {
    this.kind[slot] = SocketKind.free;
    this.paths.delete(slot);
    this.size--;
    this.#free.push(slot);
  }

  has(slot: number, flag: number): boolean {
    return (this.flags[slot]! & flag) !== 0;
  }

  set(slot: number, flag: number): void {
    this.flags[slot]! |= flag;
  }

  clear(slot: number, flag: number): void {
    this.flags[slot]! &= ~flag;
  }

  /** Whether a slot holds a socket that is there now. */
  isLive(slot: number): boolean {
    return slot >= 0 && (this.flags[slot]! & SocketFlag.gone) === 0;
  }

  #allocateNew(): number {
    if (this.#used === this.kind.length) {
      if (this.#used >= SOCKETS_MAX) return -1;
      this.#grow(nextCapacity(this.#used, SOCKETS_MAX));
    }
    return this.#used++;
  }

  #grow(capacity: number): void {
    this.kind = grownColumn(this.kind, capacity);
    this.flags = grownColumn(this.flags, capacity);
    this.namespace = grownColumn(this.namespace, capacity);
    this.id = grownColumn(this.id, capacity);
    this.protocol = grownColumn(this.protocol, capacity);
    this.state = grownColumn(this.state, capacity);
    this.localAddress = grownColumn(this.localAddress, capacity);
    this.remoteAddress = grownColumn(this.remoteAddress, capacity);
    this.localPort = grownColumn(this.localPort, capacity);
    this.remotePort = grownColumn(this.remotePort, capacity);
    this.inode = grownColumn(this.inode, capacity);
    this.uid = grownColumn(this.uid, capacity);
    this.recvQueue = grownColumn(this.recvQueue, capacity);
    this.sendQueue = grownColumn(this.sendQueue, capacity);
    this.timer = grownColumn(this.timer, capacity);
    this.timerDeadline = grownColumn(this.timerDeadline, capacity);
    this.retransmits = grownColumn(this.retransmits, capacity);
    this.references = grownColumn(this.references, capacity);
    this.drops = grownColumn(this.drops, capacity);
    this.attempt = grownColumn(this.attempt, capacity);
    this.counted = grownColumn(this.counted, capacity);
    this.bytesSent = grownColumn(this.bytesSent, capacity);
    this.bytesReceived = grownColumn(this.bytesReceived, capacity);
    this.rttMicros = grownColumn(this.rttMicros, capacity);
    this.totalRetransmits = grownColumn(this.totalRetransmits, capacity);
    this.cookieLow = grownColumn(this.cookieLow, capacity);
    this.cookieHigh = grownColumn(this.cookieHigh, capacity);
    this.sinceMs = grownColumn(this.sinceMs, capacity);
    this.connection = grownColumn(this.connection, capacity);
    this.holders = grownColumn(this.holders, capacity);
    this.keyframe = grownColumn(this.keyframe, capacity);
  }
}
