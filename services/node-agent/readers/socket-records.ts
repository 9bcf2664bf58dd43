// The BPF iterator's records as rows: one record for each socket (a descriptor that was inherited or sent makes several),
// found by network namespace. A hot path: a record makes no object.

import type { SocketTable } from "../../../lib/socket-table.ts";
import { Protocol, SocketState } from "../../../lib/words.ts";
import { familyOfWide } from "../kernel/inet-diag.ts";
import { hostIsLittleEndian } from "../kernel/netlink.ts";
import type { SocketRecords } from "../kernel/socket-iterator.ts";
import { SocketRecord } from "../kernel/socket-iterator.ts";
import { payloadReceived, payloadSent } from "../kernel/tcp-info.ts";

const AF_INET = 2;

/** Records by namespace, for one pass. */
export class RecordIndex {
  readonly #records: SocketRecords;
  // The first record of each namespace, by inode, and behind each record the next of the same; -1 ends.
  readonly #first = new Map<number, number>();
  readonly #next: Int32Array;
  readonly #counts = new Map<number, number>();

  constructor(records: SocketRecords) {
    this.#records = records;
    this.#next = new Int32Array(records.count).fill(-1);
    const taken = new InodeSet(records.count);
    const { view } = records;
    for (let record = records.count - 1; record >= 0; record--) {
      const at = record * SocketRecord.bytes;
      // A socket that is neither connected nor listening is in no table of the kernel's.
      if (view.getUint8(at + SocketRecord.state) === SocketState.CLOSE) continue;
      if (!taken.add(view.getUint32(at + SocketRecord.inode, hostIsLittleEndian))) continue;
      const namespace = view.getUint32(at + SocketRecord.namespace, hostIsLittleEndian);
      this.#next[record] = this.#first.get(namespace) ?? -1;
      this.#first.set(namespace, record);
      this.#counts.set(namespace, this.count(namespace) + 1);
    }
  }

  /** How many sockets a namespace has. */
  count(namespace: number): number {
    return this.#counts.get(namespace) ?? 0;
  }

  /** Appends the sockets of a namespace; gives how many found no place. Timers and references are 0. */
  append(namespace: number, namespaceId: number, sockets: SocketTable): number {
    let overflowed = 0;
    for (let record = this.#first.get(namespace) ?? -1; record >= 0; record = this.#next[record]!) {
      const row = sockets.append();
      if (row < 0) overflowed++;
      else this.#fill(record * SocketRecord.bytes, sockets, row, namespaceId);
    }
    return overflowed;
  }

  #fill(at: number, sockets: SocketTable, row: number, namespaceId: number): void {
    const { view, v6onlyMask } = this.#records;
    const word = (field: number): number => view.getUint32(at + field, hostIsLittleEndian);
    const state = view.getUint8(at + SocketRecord.state);
    const listens = state === SocketState.LISTEN;
    const wide = view.getUint16(at + SocketRecord.family, hostIsLittleEndian) !== AF_INET;
    sockets.id[row] = 0;
    sockets.firstSeen[row] = 0;
    sockets.namespace[row] = namespaceId;
    // MPTCP sockets too: what they carry is TCP.
    sockets.protocol[row] = Protocol.tcp;
    sockets.state[row] = state;
    sockets.localPort[row] = view.getUint16(at + SocketRecord.localPort, hostIsLittleEndian);
    sockets.remotePort[row] = view.getUint16(at + SocketRecord.remotePort);
    sockets.family[row] = wide ? this.#fillWide(at, sockets, row) : this.#fillNarrow(at, sockets, row);
    sockets.inode[row] = word(SocketRecord.inode);
    sockets.uid[row] = word(SocketRecord.uid);
    sockets.recvQueue[row] = listens
      ? word(SocketRecord.ackBacklog)
      : Math.max(0, (word(SocketRecord.rcvNxt) - word(SocketRecord.copiedSeq)) | 0);
    sockets.sendQueue[row] = listens
      ? 0
      : Math.max(0, (word(SocketRecord.writeSeq) - word(SocketRecord.sndUna)) | 0);
    sockets.timer[row] = 0;
    sockets.timerDeadline[row] = 0;
    sockets.retransmits[row] = view.getUint8(at + SocketRecord.retransmits);
    sockets.references[row] = 0;
    sockets.drops[row] = 0;
    const dual = listens && wide && (view.getUint8(at + SocketRecord.flags) & v6onlyMask) === 0;
    sockets.dualStack[row] = dual && isUnset(sockets.addresses, row * 8) ? 1 : 0;
    sockets.clearCounters(row);
    const [low, high] = hostIsLittleEndian ? [0, 4] : [4, 0];
    sockets.cookieLow[row] = word(SocketRecord.cookie + low);
    sockets.cookieHigh[row] = word(SocketRecord.cookie + high);
    if (listens || view.getUint8(at + SocketRecord.counted) === 0) return;
    sockets.counted[row] = 1;
    const sent = this.#uint64(at + SocketRecord.bytesSent) - this.#uint64(at + SocketRecord.bytesRetrans);
    sockets.bytesSent[row] = payloadSent(this.#uint64(at + SocketRecord.bytesAcked), sent);
    sockets.bytesReceived[row] = payloadReceived(this.#uint64(at + SocketRecord.bytesReceived), state);
    sockets.rttMicros[row] = word(SocketRecord.srtt) >>> 3;
    sockets.totalRetransmits[row] = word(SocketRecord.totalRetrans);
  }

  #fillNarrow(at: number, { addresses }: SocketTable, row: number): number {
    const first = row * 8;
    addresses[first] = addresses[first + 1] = addresses[first + 4] = addresses[first + 5] = 0;
    addresses[first + 2] = addresses[first + 6] = 0xffff;
    addresses[first + 3] = this.#records.view.getUint32(at + SocketRecord.local);
    addresses[first + 7] = this.#records.view.getUint32(at + SocketRecord.remote);
    return 4;
  }

  #fillWide(at: number, { addresses }: SocketTable, row: number): number {
    for (let i = 0; i < 4; i++) {
      addresses[row * 8 + i] = this.#records.view.getUint32(at + SocketRecord.local + 4 * i);
      addresses[row * 8 + 4 + i] = this.#records.view.getUint32(at + SocketRecord.remote + 4 * i);
    }
    return familyOfWide(addresses, row * 8);
  }

  // Exact up to 2^53 bytes, which no connection reaches.
  #uint64(at: number): number {
    const { view } = this.#records;
    const [low, high] = hostIsLittleEndian ? [at, at + 4] : [at + 4, at];
    return view.getUint32(high, hostIsLittleEndian) * 2 ** 32 + view.getUint32(low, hostIsLittleEndian);
  }
}

function isUnset(words: Uint32Array, at: number): boolean {
  return words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0 && words[at + 3] === 0;
}

// Inode numbers in an open hash: a Set of 100,000 numbers costs ten times as much.
class InodeSet {
  readonly #slots: Uint32Array;
  readonly #mask: number;

  constructor(count: number) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(16, count * 2)));
    this.#slots = new Uint32Array(size);
    this.#mask = size - 1;
  }

  /** False where it was there already; 0 is no inode number and never is. */
  add(inode: number): boolean {
    if (inode === 0) return true;
    let slot = (Math.imul(inode, 0x9e3779b1) >>> 7) & this.#mask;
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & this.#mask)
      if (this.#slots[slot] === inode) return false;
    this.#slots[slot] = inode;
    return true;
  }
}
