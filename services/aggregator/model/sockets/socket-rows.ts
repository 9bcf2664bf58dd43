// Sockets as everyone reads them. The fields that matching needs are together in one record of 32 bytes: the
// other end of a conversation is elsewhere in memory, and reading it costs one cache line rather than one per
// column. Other fields are in columns.

import { FIRST_ROWS } from "../storage/capacity.ts";
import { SocketColumns } from "../../gen/socket-columns.ts";

/** What a slot holds. */
export const SocketKind = { free: 0, idle: 1, listener: 2, end: 3 } as const;

/** Bits of the flags byte. */
export const SocketFlag = {
  /** The socket no longer exists: the row keeps its last known state. */
  gone: 1,
  /** Several ends could be its peer. */
  ambiguous: 2,
  /** It was seen in SYN_SENT: it opened the connection. */
  opening: 4,
  /** It was seen in SYN_RECV: the other end opened the connection. */
  accepting: 8,
  /** It is in the index of one-sided ends, as a client of a Service. */
  serviceClient: 16,
  /** It is in the index of one-sided ends, as a server. */
  loneServer: 32,
  /** A listener that is the server of connections: its changes affect them. */
  shared: 64,
} as const;

/** A record has eight 32-bit words, numbered here; the fifth is four bytes. */
export const RECORD_WORDS = 8;
export const RECORD_BYTES = RECORD_WORDS * 4;
export const RecordWord = {
  localAddress: 0,
  remoteAddress: 1,
  namespace: 2,
  connection: 3,
  inode: 5,
  holders: 6,
  ports: 7,
} as const;
export const RecordByte = { protocol: 16, state: 17, kind: 18, flags: 19 } as const;

/** All sockets of all nodes: live ones and those of recently ended connections. Slots are reused. */
export class SocketRows extends SocketColumns {
  // The records, as words, half-words and bytes.
  protected words = new Uint32Array(FIRST_ROWS * RECORD_WORDS);
  protected halves = new Uint16Array(this.words.buffer);
  protected bytes = new Uint8Array(this.words.buffer);
  protected slotsInUse = 0;
  protected slotsUsed = 0;
  protected ambiguousSockets = 0;
  protected readonly pathsBySlot = new Map<number, string>();

  /** Number of slots in use. */
  get size(): number {
    return this.slotsInUse;
  }

  /** Slots below this one were in use at some time. */
  get used(): number {
    return this.slotsUsed;
  }

  /** Number of ends that are ambiguous now. */
  get ambiguous(): number {
    return this.ambiguousSockets;
  }

  /** Paths and abstract names of unix sockets. */
  get paths(): ReadonlyMap<number, string> {
    return this.pathsBySlot;
  }

  /** What the slot holds, as SocketKind. */
  kind(slot: number): number {
    return this.bytes[slot * RECORD_BYTES + RecordByte.kind]!;
  }

  protocol(slot: number): number {
    return this.bytes[slot * RECORD_BYTES + RecordByte.protocol]!;
  }

  state(slot: number): number {
    return this.bytes[slot * RECORD_BYTES + RecordByte.state]!;
  }

  /** Slot of the network namespace. */
  namespace(slot: number): number {
    return this.words[slot * RECORD_WORDS + RecordWord.namespace]!;
  }

  /** Number of the address. Unix: own inode. Netlink: port id. Packet: interface index. */
  localAddress(slot: number): number {
    return this.words[slot * RECORD_WORDS + RecordWord.localAddress]!;
  }

  /** Number of the address. Unix: the peer's inode. */
  remoteAddress(slot: number): number {
    return this.words[slot * RECORD_WORDS + RecordWord.remoteAddress]!;
  }

  localPort(slot: number): number {
    return this.halves[(slot * RECORD_WORDS + RecordWord.ports) * 2]!;
  }

  remotePort(slot: number): number {
    return this.halves[(slot * RECORD_WORDS + RecordWord.ports) * 2 + 1]!;
  }

  inode(slot: number): number {
    return this.words[slot * RECORD_WORDS + RecordWord.inode]!;
  }

  /** Ends: slot of the connection. Listeners: how many connections share them as their server. */
  connection(slot: number): number {
    return this.words[slot * RECORD_WORDS + RecordWord.connection]!;
  }

  /** Head of the chain of holders. */
  holders(slot: number): number {
    return this.words[slot * RECORD_WORDS + RecordWord.holders]!;
  }

  /** Whether the socket has one of the flags (SocketFlag). */
  has(slot: number, flags: number): boolean {
    return (this.bytes[slot * RECORD_BYTES + RecordByte.flags]! & flags) !== 0;
  }

  /** Whether a slot (or -1) holds a socket that exists now. */
  isLive(slot: number): boolean {
    return slot >= 0 && !this.has(slot, SocketFlag.gone);
  }
}
