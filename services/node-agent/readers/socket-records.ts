// Turns the BPF iterator's records into rows: one for each socket (a descriptor that was inherited or sent
// makes several records), indexed by network namespace, with marks that show whether a namespace's sockets are
// the same as in the previous reading. A hot path: no objects per record.

import { Timer } from "../../../lib/vocabulary/timers.ts";
import { familyOfWide } from "../../../lib/address.ts";
import { hashOfThree, slotOf } from "../../../lib/hash.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import { TICK_NS } from "../../../lib/ticks.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import { hostIsLittleEndian } from "../kernel/byte-order.ts";
import { AF_INET, AF_INET6, AF_UNIX, IPPROTO_MPTCP, SOCK_STREAM } from "../kernel/constants.ts";
import type { SocketRecords } from "../kernel/bpf/socket-iterator.ts";
import { SocketRecord } from "../kernel/bpf/socket-record.ts";
import { payloadReceived, payloadSent } from "../kernel/netlink/tcp-info.ts";
import type { HeldSockets } from "../observation.ts";

const RECORD_WORDS = SocketRecord.bytes / 4;
const PID = SocketRecord.pid / 4;
const FD = SocketRecord.fd / 4;
const NAMESPACE = SocketRecord.namespace / 4;
const INODE = SocketRecord.inode / 4;
const PEER = SocketRecord.peerInode / 4;

// Timers of include/net/inet_connection_sock.h.
const ICSK_TIME_RETRANS = 1;
const ICSK_TIME_PROBE0 = 3;
const ICSK_TIME_LOSS_PROBE = 5;
const ICSK_TIME_REO_TIMEOUT = 6;

/** Index of one namespace's records. */
interface NamespaceRecords {
  /** Its first TCP record, or -1. */
  first: number;
  tcpCount: number;
  /**
   * Sums over the TCP sockets and over the others; they stay the same while the sockets and their states do.
   */
  tcpSum: number;
  restSum: number;
  /** Its first row among the cached rows, or -1. */
  firstRow: number;
}

const NO_RECORDS: NamespaceRecords = { first: -1, tcpCount: 0, tcpSum: 0, restSum: 0, firstRow: -1 };

/**
 * Maximum rows that are cached for repeated reports (4 MB), and the minimum rows of a namespace for which
 * copying columns is cheaper than filling them from records.
 */
const ROWS_KEPT_MAX = 2 ** 15;
const ROWS_KEPT_MIN = 16;

/**
 * Indexes the records of one reading by namespace and by inode. Each reading refills it in the same memory.
 */
export class RecordIndex {
  #records: SocketRecords | null = null;
  #bytes = new Uint8Array(0);
  #halves = new Uint16Array(0);
  readonly #namespaces = new Map<number, NamespaceRecords>();
  // For each TCP record the next one of the same namespace, or -1.
  #next = new Int32Array(0);
  readonly #inodes = new InodeSet();
  readonly #peers = new Map<number, number>();
  #held: HeldSockets = NOBODY;
  readonly #rows = new SocketTable(1);
  readonly #ticksPerJiffy: number;

  /** `jiffyNs` is the length of a kernel jiffy in nanoseconds. */
  constructor(jiffyNs: number) {
    this.#ticksPerJiffy = jiffyNs / TICK_NS;
  }

  /** Indexes the records of a reading; they stay valid until the next one. */
  fill(records: SocketRecords): void {
    const { view, words, count } = records;
    this.#records = records;
    this.#bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    this.#halves = new Uint16Array(view.buffer, view.byteOffset, view.byteLength / 2);
    if (this.#next.length < count) this.#next = new Int32Array(Math.ceil(count * 1.25));
    this.#namespaces.clear();
    this.#inodes.reset(count);
    this.#peers.clear();
    this.#rows.clear();
    this.#held = holdersOf(words, count);
    let inode = 0;
    let of: NamespaceRecords = { ...NO_RECORDS };
    for (let record = count - 1; record >= 0; record--) {
      const word = record * RECORD_WORDS;
      if (!this.#inodes.add(words[word + INODE]!)) continue;
      // Records of one namespace are mostly adjacent.
      if (words[word + NAMESPACE] !== inode || inode === 0) {
        inode = words[word + NAMESPACE]!;
        of = this.#namespaces.get(inode) ?? { ...NO_RECORDS };
        this.#namespaces.set(inode, of);
      }
      this.#take(record, of);
    }
  }

  // Adds to the sums everything in a record that must not change while a namespace counts as unmoved.
  #take(record: number, of: NamespaceRecords): void {
    const { words } = this.#records!;
    const word = record * RECORD_WORDS;
    const state = this.#bytes[record * SocketRecord.bytes + SocketRecord.state]!;
    // Hashes the inode, then family and state, then protocol and local port.
    const mark = hashOfThree(words[word + INODE]!, words[word + INODE + 1]!, words[word + INODE + 2]!);
    if (this.#isTcp(record)) {
      // A socket that is neither connected nor listening is in no kernel table, nor is one while connect()
      // chooses its port: SYN_SENT already, but not yet counted as opened, and never if all ports are taken
      // (tcp_v4_connect()).
      if (state === SocketState.CLOSE) return;
      const localPort = this.#halves[word * 2 + SocketRecord.localPort / 2];
      if (state === SocketState.SYN_SENT && localPort === 0) return;
      this.#next[record] = of.first;
      of.first = record;
      of.tcpCount++;
      of.tcpSum = (of.tcpSum + mark) | 0;
      return;
    }
    if (this.#halves[word * 2 + SocketRecord.family / 2] === AF_UNIX) {
      const peer = words[word + PEER]!;
      if (peer !== 0) this.#peers.set(words[word + INODE]!, peer);
      of.restSum = (of.restSum + hashOfThree(mark, peer, 0)) | 0;
      return;
    }
    of.restSum = (of.restSum + hashOfThree(mark, words[word + INODE + 3]!, 0)) | 0;
  }

  #isTcp(record: number): boolean {
    const half = (record * SocketRecord.bytes) / 2;
    const halves = this.#halves;
    const family = halves[half + SocketRecord.family / 2]!;
    if ((family !== AF_INET && family !== AF_INET6) || halves[half + SocketRecord.type / 2] !== SOCK_STREAM)
      return false;
    const protocol = halves[half + SocketRecord.protocol / 2];
    return protocol === Protocol.tcp || protocol === IPPROTO_MPTCP;
  }

  /** Returns whether a file refers to the socket with this inode. */
  has(inode: number): boolean {
    return this.#inodes.has(inode);
  }

  /** Returns a mark that changes whenever a TCP socket of the namespace is opened, closed or changes state. */
  tcpMark(namespace: number): string {
    const { tcpCount, tcpSum } = this.#namespaces.get(namespace) ?? NO_RECORDS;
    return `${tcpCount} ${tcpSum}`;
  }

  /** Returns how many TCP sockets of the namespace a file refers to. */
  tcpCount(namespace: number): number {
    return (this.#namespaces.get(namespace) ?? NO_RECORDS).tcpCount;
  }

  /** Returns the same kind of mark as tcpMark for the namespace's other sockets. */
  restMark(namespace: number): number {
    return (this.#namespaces.get(namespace) ?? NO_RECORDS).restSum;
  }

  /** Returns the inode of a unix socket's peer; 0 if it has none or the peer is unknown. */
  peer(inode: number): number {
    return this.#peers.get(inode) ?? 0;
  }

  /** Every descriptor of a socket, by process in ascending order of pid. */
  get held(): HeldSockets {
    return this.#held;
  }

  /**
   * Appends the TCP sockets of a namespace to `sockets` and returns how many did not fit. `nowTicks` is when
   * the records were read.
   */
  append(namespace: number, namespaceId: number, nowTicks: number, sockets: SocketTable): number {
    const of = this.#namespaces.get(namespace) ?? NO_RECORDS;
    const { tcpCount } = of;
    if (tcpCount < ROWS_KEPT_MIN) return this.#fillAll(of.first, namespaceId, nowTicks, sockets);
    if (of.firstRow < 0) {
      const firstRow = this.#rows.length;
      if (firstRow + tcpCount > ROWS_KEPT_MAX) return this.#fillAll(of.first, namespaceId, nowTicks, sockets);
      this.#fillAll(of.first, namespaceId, nowTicks, this.#rows);
      of.firstRow = firstRow;
    }
    const row = sockets.length;
    const fitted = sockets.appendRows(this.#rows, of.firstRow, of.firstRow + tcpCount);
    sockets.namespace.fill(namespaceId, row, row + fitted);
    return tcpCount - fitted;
  }

  #fillAll(first: number, namespaceId: number, nowTicks: number, sockets: SocketTable): number {
    let overflowed = 0;
    for (let record = first; record >= 0; record = this.#next[record]!) {
      const row = sockets.append();
      if (row < 0) overflowed++;
      else this.#fill(record * SocketRecord.bytes, sockets, row, namespaceId, nowTicks);
    }
    return overflowed;
  }

  #fill(at: number, sockets: SocketTable, row: number, namespaceId: number, nowTicks: number): void {
    const { view, words } = this.#records!;
    const first = at / 4;
    const bytes = this.#bytes;
    const word = (field: number): number => words[first + field / 4]!;
    const state = bytes[at + SocketRecord.state]!;
    const listens = state === SocketState.LISTEN;
    const wide = this.#halves[(at + SocketRecord.family) / 2] !== AF_INET;
    sockets.id[row] = 0;
    sockets.firstSeen[row] = 0;
    sockets.namespace[row] = namespaceId;
    // MPTCP sockets too: they carry TCP.
    sockets.protocol[row] = Protocol.tcp;
    sockets.state[row] = state;
    sockets.localPort[row] = this.#halves[(at + SocketRecord.localPort) / 2]!;
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
    sockets.retransmits[row] = bytes[at + SocketRecord.retransmits]!;
    sockets.references[row] = Math.min(0xffff, word(SocketRecord.references));
    sockets.clearCounters(row);
    const [low, high] = hostIsLittleEndian ? [0, 4] : [4, 0];
    sockets.cookieLow[row] = word(SocketRecord.cookie + low);
    sockets.cookieHigh[row] = word(SocketRecord.cookie + high);
    if (listens || bytes[at + SocketRecord.counted] === 0) return;
    this.#fillTimer(at, sockets, row, nowTicks);
    sockets.counted[row] = 1;
    const sent = this.#uint64(at + SocketRecord.bytesSent) - this.#uint64(at + SocketRecord.bytesRetrans);
    sockets.bytesSent[row] = payloadSent(this.#uint64(at + SocketRecord.bytesAcked), sent);
    sockets.bytesReceived[row] = payloadReceived(this.#uint64(at + SocketRecord.bytesReceived), state);
    sockets.rttMicros[row] = word(SocketRecord.srtt) >>> 3;
    sockets.totalRetransmits[row] = word(SocketRecord.totalRetrans);
  }

  // Chooses one of several timers as get_tcp4_sock() of net/ipv4/tcp_ipv4.c does.
  #fillTimer(at: number, sockets: SocketTable, row: number, nowTicks: number): void {
    const { words } = this.#records!;
    let timer = this.#bytes[at + SocketRecord.keepalive] === 1 ? Timer.keepalive : 0;
    switch (this.#bytes[at + SocketRecord.pending]!) {
      case ICSK_TIME_RETRANS:
      case ICSK_TIME_LOSS_PROBE:
      case ICSK_TIME_REO_TIMEOUT:
        timer = Timer.retransmit;
        break;
      case ICSK_TIME_PROBE0:
        timer = Timer.probe;
        break;
      default:
    }
    if (timer === 0) return;
    const field = timer === Timer.keepalive ? SocketRecord.keepaliveTimeout : SocketRecord.timeout;
    const jiffies = (words[(at + field) / 4]! - words[(at + SocketRecord.jiffies) / 4]!) | 0;
    sockets.timer[row] = timer;
    sockets.timerDeadline[row] = nowTicks + Math.floor(Math.max(0, jiffies) * this.#ticksPerJiffy);
  }

  #fillNarrow(at: number, { addresses }: SocketTable, row: number): number {
    const first = row * 8;
    addresses[first] = addresses[first + 1] = addresses[first + 4] = addresses[first + 5] = 0;
    addresses[first + 2] = addresses[first + 6] = 0xffff;
    addresses[first + 3] = this.#records!.view.getUint32(at + SocketRecord.local);
    addresses[first + 7] = this.#records!.view.getUint32(at + SocketRecord.remote);
    return 4;
  }

  #fillWide(at: number, { addresses }: SocketTable, row: number): number {
    for (let i = 0; i < 4; i++) {
      addresses[row * 8 + i] = this.#records!.view.getUint32(at + SocketRecord.local + 4 * i);
      addresses[row * 8 + 4 + i] = this.#records!.view.getUint32(at + SocketRecord.remote + 4 * i);
    }
    return familyOfWide(addresses, row * 8);
  }

  // Exact up to 2^53 bytes; no connection transfers that many.
  #uint64(at: number): number {
    const { words } = this.#records!;
    const [low, high] = hostIsLittleEndian ? [at, at + 4] : [at + 4, at];
    return words[high / 4]! * 2 ** 32 + words[low / 4]!;
  }
}

const NOBODY: HeldSockets = {
  count: 0,
  pids: new Uint32Array(0),
  fds: new Uint32Array(0),
  inodes: new Uint32Array(0),
};

function holdersOf(words: Uint32Array, count: number): HeldSockets {
  const pids = new Uint32Array(count);
  const fds = new Uint32Array(count);
  const inodes = new Uint32Array(count);
  for (let record = 0, word = 0; record < count; record++, word += RECORD_WORDS) {
    pids[record] = words[word + PID]!;
    fds[record] = words[word + FD]!;
    inodes[record] = words[word + INODE]!;
  }
  return { count, pids, fds, inodes };
}

// A set of inode numbers with open addressing: a Set of 100,000 numbers costs ten times as much.
class InodeSet {
  #slots = new Uint32Array(16);
  #mask = 15;

  /** Empties the set and makes room for `count` numbers. */
  reset(count: number): void {
    const size = 2 ** Math.ceil(Math.log2(Math.max(16, count * 2)));
    if (size === this.#slots.length) this.#slots.fill(0);
    else this.#slots = new Uint32Array(size);
    this.#mask = size - 1;
  }

  /** Adds an inode; returns false if it was there already. 0 is not an inode number and is never found. */
  add(inode: number): boolean {
    const slot = this.#slotOf(inode);
    if (inode !== 0 && this.#slots[slot] === inode) return false;
    this.#slots[slot] = inode;
    return true;
  }

  has(inode: number): boolean {
    return inode !== 0 && this.#slots[this.#slotOf(inode)] === inode;
  }

  #slotOf(inode: number): number {
    let slot = slotOf(inode, this.#mask);
    while (this.#slots[slot] !== 0 && this.#slots[slot] !== inode) slot = (slot + 1) & this.#mask;
    return slot;
  }
}
