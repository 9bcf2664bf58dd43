// The one writer of sockets. Each method is one kind of change.

import type { FamilySocket } from "../../../../lib/gen/whotalks/v1/report.ts";
import type { SocketTable as ReportSockets } from "../../../../lib/socket-table.ts";
import { grownColumn, nextCapacity } from "../storage/capacity.ts";
import { SOCKETS_MAX } from "../../gen/socket-columns.ts";
import {
  RECORD_BYTES,
  RECORD_WORDS,
  RecordByte,
  RecordWord,
  SocketFlag,
  SocketKind,
  SocketRows,
} from "./socket-rows.ts";

/** The immutable fields of a socket, as numbers. */
export interface SocketIdentity {
  /** The agent's id. */
  readonly id: number;
  /** Slot of the network namespace. */
  readonly namespace: number;
  readonly protocol: number;
  /** Address numbers. */
  readonly localAddress: number;
  readonly remoteAddress: number;
  readonly localPort: number;
  readonly remotePort: number;
  /** As SocketKind. */
  readonly kind: number;
  /** When it was first seen, in milliseconds since 1970 by the stream's clock. */
  readonly sinceMs: number;
}

/** What update() changed, as bits. */
export const SocketChange = { state: 1, bytes: 2 } as const;

/** The role of a one-sided end in the index of Service conversations, as bits of SocketFlag. */
export type ServiceRole = typeof SocketFlag.serviceClient | typeof SocketFlag.loneServer;

/** Writable sockets. */
export class SocketTable extends SocketRows {
  readonly #free: number[] = [];

  /**
   * Adds a socket, which was created after a time at which its node did not have it; the caller writes its
   * other columns. Returns its slot, or -1 if SOCKETS_MAX is reached.
   */
  add(socket: SocketIdentity, bornAfterMs: number, keyframe: number): number {
    const slot = this.#free.pop() ?? this.#extend();
    if (slot < 0) return -1;
    this.slotsInUse++;
    const word = slot * RECORD_WORDS;
    const byte = slot * RECORD_BYTES;
    this.words[word + RecordWord.localAddress] = socket.localAddress;
    this.words[word + RecordWord.remoteAddress] = socket.remoteAddress;
    this.words[word + RecordWord.namespace] = socket.namespace;
    this.words[word + RecordWord.connection] = 0;
    this.words[word + RecordWord.holders] = 0;
    this.halves[(word + RecordWord.ports) * 2] = socket.localPort;
    this.halves[(word + RecordWord.ports) * 2 + 1] = socket.remotePort;
    this.bytes[byte + RecordByte.protocol] = socket.protocol;
    this.bytes[byte + RecordByte.kind] = socket.kind;
    this.bytes[byte + RecordByte.flags] = 0;
    this._id[slot] = socket.id;
    this._sinceMs[slot] = socket.sinceMs;
    this._bornAfterMs[slot] = bornAfterMs;
    this._keyframe[slot] = keyframe;
    this._counted[slot] = 0;
    this.clearCookie(slot);
    return slot;
  }

  /** Frees a slot; the caller must have released what the socket refers to. */
  remove(slot: number): void {
    this.setAmbiguous(slot, false);
    this.bytes[slot * RECORD_BYTES + RecordByte.kind] = SocketKind.free;
    this.pathsBySlot.delete(slot);
    this.slotsInUse--;
    this.#free.push(slot);
  }

  /**
   * Copies the changeable columns of an internet socket from a report's row; returns what changed, as bits of
   * SocketChange.
   */
  update(slot: number, table: ReportSockets, row: number): number {
    const byte = slot * RECORD_BYTES + RecordByte.state;
    const state = table.state[row]!;
    let changed = this.bytes[byte] === state ? 0 : SocketChange.state;
    this.bytes[byte] = state;
    this.words[slot * RECORD_WORDS + RecordWord.inode] = table.inode[row]!;
    this.copyReported(slot, table, row);
    if (table.cookieLow[row] !== 0 || table.cookieHigh[row] !== 0) this.copyCookie(slot, table, row);
    // TIME_WAIT entries and readers that cannot see counters report none: keep the last values.
    if (table.counted[row] === 0) return changed;
    if (
      this._counted[slot] === 0 ||
      this._bytesSent[slot] !== table.bytesSent[row] ||
      this._bytesReceived[slot] !== table.bytesReceived[row]
    ) {
      changed |= SocketChange.bytes;
    }
    this.copyCounters(slot, table, row);
    return changed;
  }

  /** Copies the changeable columns of a unix, netlink or packet socket. */
  updateFamily(slot: number, socket: FamilySocket): void {
    this.bytes[slot * RECORD_BYTES + RecordByte.state] = socket.state;
    this.words[slot * RECORD_WORDS + RecordWord.inode] = socket.inode;
    this.clearReported(slot);
    this._uid[slot] = socket.uid;
    this._recvQueue[slot] = socket.recvQueue;
    this._sendQueue[slot] = socket.sendQueue;
    this._references[slot] = socket.references;
    if (socket.path !== "") this.pathsBySlot.set(slot, socket.path);
  }

  /** Records the keyframe that names the socket. */
  name(slot: number, keyframe: number): void {
    this._keyframe[slot] = keyframe;
  }

  /** Sets the agent's new id of the socket. */
  rename(slot: number, id: number, keyframe: number): void {
    this._id[slot] = id;
    this._keyframe[slot] = keyframe;
  }

  /**
   * Sets the peer of a unix socket (it is visible once the server accepts). The socket must not be in any
   * index.
   */
  setPeerInode(slot: number, inode: number): void {
    this.words[slot * RECORD_WORDS + RecordWord.remoteAddress] = inode;
  }

  /** Marks the socket as gone; `lastMs` is when it last existed. */
  retire(slot: number, lastMs: number): void {
    this.#set(slot, SocketFlag.gone);
    this._sinceMs[slot] = Math.max(this._sinceMs[slot]!, lastMs);
  }

  /** Marks a socket that was considered gone as live. */
  revive(slot: number, sinceMs: number): void {
    this.#clear(slot, SocketFlag.gone);
    this._sinceMs[slot] = sinceMs;
  }

  /** Attaches the end to a connection. */
  attach(slot: number, connection: number): void {
    this.words[slot * RECORD_WORDS + RecordWord.connection] = connection;
  }

  /** Counts one more connection that has the listener as its server. */
  share(listener: number): void {
    this.words[listener * RECORD_WORDS + RecordWord.connection]!++;
    this.#set(listener, SocketFlag.shared);
  }

  /** Counts one connection less that has the listener as its server; returns how many are left. */
  unshare(listener: number): number {
    const left = --this.words[listener * RECORD_WORDS + RecordWord.connection]!;
    if (left === 0) this.#clear(listener, SocketFlag.shared);
    return left;
  }

  /** Sets the head of the chain of holders. */
  setHolders(slot: number, head: number): void {
    this.words[slot * RECORD_WORDS + RecordWord.holders] = head;
  }

  /** Records that the end was seen in SYN_SENT (opening) or in SYN_RECV (accepting). */
  noteHandshake(slot: number, side: typeof SocketFlag.opening | typeof SocketFlag.accepting): void {
    this.#set(slot, side);
  }

  /** Sets whether several ends could be the end's peer. */
  setAmbiguous(slot: number, ambiguous: boolean): void {
    if (this.has(slot, SocketFlag.ambiguous) === ambiguous) return;
    this.ambiguousSockets += ambiguous ? 1 : -1;
    if (ambiguous) this.#set(slot, SocketFlag.ambiguous);
    else this.#clear(slot, SocketFlag.ambiguous);
  }

  /** Sets the role of the end in the index of one-sided ends; null if it is not in the index. */
  setServiceRole(slot: number, role: ServiceRole | null): void {
    this.#clear(slot, SocketFlag.serviceClient | SocketFlag.loneServer);
    if (role !== null) this.#set(slot, role);
  }

  #set(slot: number, flags: number): void {
    this.bytes[slot * RECORD_BYTES + RecordByte.flags]! |= flags;
  }

  #clear(slot: number, flags: number): void {
    this.bytes[slot * RECORD_BYTES + RecordByte.flags]! &= ~flags;
  }

  #extend(): number {
    if (this.slotsUsed >= SOCKETS_MAX) return -1;
    if (this.slotsUsed === this._id.length) this.growInPlace();
    if (this.slotsUsed * RECORD_WORDS === this.words.length) {
      this.words = grownColumn(this.words, nextCapacity(this.slotsUsed, SOCKETS_MAX) * RECORD_WORDS);
      this.halves = new Uint16Array(this.words.buffer);
      this.bytes = new Uint8Array(this.words.buffer);
    }
    return this.slotsUsed++;
  }
}
