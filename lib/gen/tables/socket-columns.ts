// Generated from lib/tables/socket.columns.ts by scripts/generate-tables.ts: do not edit.

import type { TableColumns } from "../../table-codec.ts";

/**
 * Maximum rows of a table: 2^21 sockets on one node; the appending code counts overflows. So many take 224
 * MB.
 */
export const SOCKET_ROWS_MAX = 2097152;

/**
 * Internet sockets (tcp, udp, udplite, raw, icmp), one element per row in each column. A row takes 107 bytes.
 */
export class SocketColumns {
  /** Rows in use. */
  length = 0;
  /** Id assigned by the agent, unique among living sockets of an epoch. */
  id: Uint32Array;
  /** Id of the network namespace. */
  namespace: Uint16Array;
  /** IANA protocol number (6 tcp, 17 udp, 136 udplite, 1 icmp, 58 icmpv6), or 255 for raw sockets. */
  protocol: Uint8Array;
  /** 4 or 6, the family of the addresses (IPv4-mapped ones count as 4). */
  family: Uint8Array;
  /** The socket's state as the kernel numbers it (1 ESTABLISHED … 12). */
  state: Uint8Array;
  /** 8 a row. Local address, remote address. */
  addresses: Uint32Array;
  /** Local port; for a raw socket, the IP protocol that it receives. */
  localPort: Uint16Array;
  /** Remote port. */
  remotePort: Uint16Array;
  /** Inode number; 0 if no file refers to the socket. */
  inode: Uint32Array;
  /** User id of the owner. */
  uid: Uint32Array;
  /** Bytes not yet read; for a listener, connections not yet accepted. */
  recvQueue: Uint32Array;
  /** Bytes not yet acknowledged. */
  sendQueue: Uint32Array;
  /** Which timer runs (0 none, 1 retransmit, 2 keepalive, 3 time-wait, 4 zero-window probe). */
  timer: Uint8Array;
  /** When the timer ends, in ticks of 10 ms since the epoch's start; 0 if none runs. */
  timerDeadline: Uint32Array;
  /** Unanswered retransmissions, at most 255. */
  retransmits: Uint8Array;
  /** Reference count, at most 65535. */
  references: Uint16Array;
  /**
   * Ticks since the epoch's start when the socket was first seen. If absent in a delta: the pass of the
   * report.
   */
  firstSeen: Uint32Array;
  /** Low half of the kernel's cookie of the socket; both halves are 0 if the reader cannot see it. */
  cookieLow: Uint32Array;
  /** High half of the cookie. */
  cookieHigh: Uint32Array;
  /**
   * 1 if the other columns of this group are known (TCP, by readers that can see them); 0 if their zeros mean
   * nothing.
   */
  counted: Uint8Array;
  /** Bytes of payload that the other end acknowledged since the connection began. */
  bytesSent: Float64Array;
  /** Bytes of payload received from the other end since the connection began. */
  bytesReceived: Float64Array;
  /** Smoothed round trip time in microseconds. */
  rttMicros: Uint32Array;
  /** Segments retransmitted since the connection began. */
  totalRetransmits: Uint32Array;
  /**
   * The result of a failed attempt to connect: 1 the other end answered with a reset, 2 no answer; 0 for all
   * others and if it is unknown. The remote port of such a socket may be 0: a blocking connect() that fails
   * clears the port before it can be read.
   */
  attempt: Uint8Array;

  constructor(capacity = 256) {
    this.id = new Uint32Array(capacity);
    this.namespace = new Uint16Array(capacity);
    this.protocol = new Uint8Array(capacity);
    this.family = new Uint8Array(capacity);
    this.state = new Uint8Array(capacity);
    this.addresses = new Uint32Array(capacity * 8);
    this.localPort = new Uint16Array(capacity);
    this.remotePort = new Uint16Array(capacity);
    this.inode = new Uint32Array(capacity);
    this.uid = new Uint32Array(capacity);
    this.recvQueue = new Uint32Array(capacity);
    this.sendQueue = new Uint32Array(capacity);
    this.timer = new Uint8Array(capacity);
    this.timerDeadline = new Uint32Array(capacity);
    this.retransmits = new Uint8Array(capacity);
    this.references = new Uint16Array(capacity);
    this.firstSeen = new Uint32Array(capacity);
    this.cookieLow = new Uint32Array(capacity);
    this.cookieHigh = new Uint32Array(capacity);
    this.counted = new Uint8Array(capacity);
    this.bytesSent = new Float64Array(capacity);
    this.bytesReceived = new Float64Array(capacity);
    this.rttMicros = new Uint32Array(capacity);
    this.totalRetransmits = new Uint32Array(capacity);
    this.attempt = new Uint8Array(capacity);
  }

  /** Rows that fit before the columns must grow. */
  get capacity(): number {
    return this.id.length;
  }

  /** Makes room for one more row, which is not cleared; returns its index, or -1 if SOCKET_ROWS_MAX is reached. */
  append(): number {
    if (this.length === this.capacity) {
      if (this.length >= SOCKET_ROWS_MAX) return -1;
      this.#grow();
    }
    return this.length++;
  }

  /** Appends a copy of another table's row; returns its index, or -1 if the table is full. */
  appendRow(from: SocketColumns, fromRow: number): number {
    const row = this.append();
    if (row >= 0) this.copyRow(row, from, fromRow);
    return row;
  }

  /** Appends rows [from, to) of another table, at a tenth of the cost of row by row; returns how many fitted. */
  appendRows(other: SocketColumns, from: number, to: number): number {
    const count = Math.min(to - from, SOCKET_ROWS_MAX - this.length);
    while (this.length + count > this.capacity) this.#grow();
    this.id.set(other.id.subarray(from, from + count), this.length);
    this.namespace.set(other.namespace.subarray(from, from + count), this.length);
    this.protocol.set(other.protocol.subarray(from, from + count), this.length);
    this.family.set(other.family.subarray(from, from + count), this.length);
    this.state.set(other.state.subarray(from, from + count), this.length);
    this.addresses.set(other.addresses.subarray(from * 8, (from + count) * 8), this.length * 8);
    this.localPort.set(other.localPort.subarray(from, from + count), this.length);
    this.remotePort.set(other.remotePort.subarray(from, from + count), this.length);
    this.inode.set(other.inode.subarray(from, from + count), this.length);
    this.uid.set(other.uid.subarray(from, from + count), this.length);
    this.recvQueue.set(other.recvQueue.subarray(from, from + count), this.length);
    this.sendQueue.set(other.sendQueue.subarray(from, from + count), this.length);
    this.timer.set(other.timer.subarray(from, from + count), this.length);
    this.timerDeadline.set(other.timerDeadline.subarray(from, from + count), this.length);
    this.retransmits.set(other.retransmits.subarray(from, from + count), this.length);
    this.references.set(other.references.subarray(from, from + count), this.length);
    this.firstSeen.set(other.firstSeen.subarray(from, from + count), this.length);
    this.cookieLow.set(other.cookieLow.subarray(from, from + count), this.length);
    this.cookieHigh.set(other.cookieHigh.subarray(from, from + count), this.length);
    this.counted.set(other.counted.subarray(from, from + count), this.length);
    this.bytesSent.set(other.bytesSent.subarray(from, from + count), this.length);
    this.bytesReceived.set(other.bytesReceived.subarray(from, from + count), this.length);
    this.rttMicros.set(other.rttMicros.subarray(from, from + count), this.length);
    this.totalRetransmits.set(other.totalRetransmits.subarray(from, from + count), this.length);
    this.attempt.set(other.attempt.subarray(from, from + count), this.length);
    this.length += count;
    return count;
  }

  /** Copies one row of another table over a row of this one. */
  copyRow(row: number, from: SocketColumns, fromRow: number): void {
    this.id[row] = from.id[fromRow]!;
    this.namespace[row] = from.namespace[fromRow]!;
    this.protocol[row] = from.protocol[fromRow]!;
    this.family[row] = from.family[fromRow]!;
    this.state[row] = from.state[fromRow]!;
    for (let i = 0; i < 8; i++) this.addresses[row * 8 + i] = from.addresses[fromRow * 8 + i]!;
    this.localPort[row] = from.localPort[fromRow]!;
    this.remotePort[row] = from.remotePort[fromRow]!;
    this.inode[row] = from.inode[fromRow]!;
    this.uid[row] = from.uid[fromRow]!;
    this.recvQueue[row] = from.recvQueue[fromRow]!;
    this.sendQueue[row] = from.sendQueue[fromRow]!;
    this.timer[row] = from.timer[fromRow]!;
    this.timerDeadline[row] = from.timerDeadline[fromRow]!;
    this.retransmits[row] = from.retransmits[fromRow]!;
    this.references[row] = from.references[fromRow]!;
    this.firstSeen[row] = from.firstSeen[fromRow]!;
    this.cookieLow[row] = from.cookieLow[fromRow]!;
    this.cookieHigh[row] = from.cookieHigh[fromRow]!;
    this.counted[row] = from.counted[fromRow]!;
    this.bytesSent[row] = from.bytesSent[fromRow]!;
    this.bytesReceived[row] = from.bytesReceived[fromRow]!;
    this.rttMicros[row] = from.rttMicros[fromRow]!;
    this.totalRetransmits[row] = from.totalRetransmits[fromRow]!;
    this.attempt[row] = from.attempt[fromRow]!;
  }

  /** Clears the columns that only some readers can see. */
  clearCounters(row: number): void {
    this.cookieLow[row] = 0;
    this.cookieHigh[row] = 0;
    this.counted[row] = 0;
    this.bytesSent[row] = 0;
    this.bytesReceived[row] = 0;
    this.rttMicros[row] = 0;
    this.totalRetransmits[row] = 0;
    this.attempt[row] = 0;
  }

  /** Copies the cookie of another table's row. */
  copyCookie(row: number, from: SocketColumns, fromRow: number): void {
    this.cookieLow[row] = from.cookieLow[fromRow]!;
    this.cookieHigh[row] = from.cookieHigh[fromRow]!;
  }

  /** Copies the counters of another table's row. */
  copyCounters(row: number, from: SocketColumns, fromRow: number): void {
    this.counted[row] = from.counted[fromRow]!;
    this.bytesSent[row] = from.bytesSent[fromRow]!;
    this.bytesReceived[row] = from.bytesReceived[fromRow]!;
    this.rttMicros[row] = from.rttMicros[fromRow]!;
    this.totalRetransmits[row] = from.totalRetransmits[fromRow]!;
  }

  /** Removes all rows, keeping the memory. */
  clear(): void {
    this.length = 0;
  }

  #grow(): void {
    const capacity = Math.min(SOCKET_ROWS_MAX, Math.max(1, this.capacity * 2));
    const id = new Uint32Array(capacity);
    id.set(this.id);
    this.id = id;
    const namespace = new Uint16Array(capacity);
    namespace.set(this.namespace);
    this.namespace = namespace;
    const protocol = new Uint8Array(capacity);
    protocol.set(this.protocol);
    this.protocol = protocol;
    const family = new Uint8Array(capacity);
    family.set(this.family);
    this.family = family;
    const state = new Uint8Array(capacity);
    state.set(this.state);
    this.state = state;
    const addresses = new Uint32Array(capacity * 8);
    addresses.set(this.addresses);
    this.addresses = addresses;
    const localPort = new Uint16Array(capacity);
    localPort.set(this.localPort);
    this.localPort = localPort;
    const remotePort = new Uint16Array(capacity);
    remotePort.set(this.remotePort);
    this.remotePort = remotePort;
    const inode = new Uint32Array(capacity);
    inode.set(this.inode);
    this.inode = inode;
    const uid = new Uint32Array(capacity);
    uid.set(this.uid);
    this.uid = uid;
    const recvQueue = new Uint32Array(capacity);
    recvQueue.set(this.recvQueue);
    this.recvQueue = recvQueue;
    const sendQueue = new Uint32Array(capacity);
    sendQueue.set(this.sendQueue);
    this.sendQueue = sendQueue;
    const timer = new Uint8Array(capacity);
    timer.set(this.timer);
    this.timer = timer;
    const timerDeadline = new Uint32Array(capacity);
    timerDeadline.set(this.timerDeadline);
    this.timerDeadline = timerDeadline;
    const retransmits = new Uint8Array(capacity);
    retransmits.set(this.retransmits);
    this.retransmits = retransmits;
    const references = new Uint16Array(capacity);
    references.set(this.references);
    this.references = references;
    const firstSeen = new Uint32Array(capacity);
    firstSeen.set(this.firstSeen);
    this.firstSeen = firstSeen;
    const cookieLow = new Uint32Array(capacity);
    cookieLow.set(this.cookieLow);
    this.cookieLow = cookieLow;
    const cookieHigh = new Uint32Array(capacity);
    cookieHigh.set(this.cookieHigh);
    this.cookieHigh = cookieHigh;
    const counted = new Uint8Array(capacity);
    counted.set(this.counted);
    this.counted = counted;
    const bytesSent = new Float64Array(capacity);
    bytesSent.set(this.bytesSent);
    this.bytesSent = bytesSent;
    const bytesReceived = new Float64Array(capacity);
    bytesReceived.set(this.bytesReceived);
    this.bytesReceived = bytesReceived;
    const rttMicros = new Uint32Array(capacity);
    rttMicros.set(this.rttMicros);
    this.rttMicros = rttMicros;
    const totalRetransmits = new Uint32Array(capacity);
    totalRetransmits.set(this.totalRetransmits);
    this.totalRetransmits = totalRetransmits;
    const attempt = new Uint8Array(capacity);
    attempt.set(this.attempt);
    this.attempt = attempt;
  }
}

/** Bytes of a row on the wire at most: every column, IPv6 addresses. */
export const SOCKET_WIRE_BYTES = 107;

/** Maps columns to the fields of SocketColumns (report.proto). */
export const socketColumns: TableColumns<SocketColumns> = {
  key: [2, "id"],
  columns: [
    [3, "namespace"],
    [4, "protocol"],
    [5, "family"],
    [6, "state"],
    [8, "localPort"],
    [9, "remotePort"],
    [10, "inode"],
    [11, "uid"],
    [12, "recvQueue"],
    [13, "sendQueue"],
    [14, "timer"],
    [15, "timerDeadline"],
    [16, "retransmits"],
    [17, "references"],
    [19, "firstSeen"],
    [21, "cookieLow"],
    [22, "cookieHigh"],
    [23, "counted"],
    [24, "bytesSent"],
    [25, "bytesReceived"],
    [26, "rttMicros"],
    [27, "totalRetransmits"],
    [28, "attempt"],
  ],
  addresses: [7, 2],
};

/** Bytes of a change on the wire at most. */
export const SOCKET_CHANGE_WIRE_BYTES = 63;

/** Maps columns to the fields of SocketChangeColumns (report.proto). */
export const socketChangeColumns: TableColumns<SocketColumns> = {
  key: [2, "id"],
  columns: [
    [3, "state"],
    [4, "inode"],
    [5, "uid"],
    [6, "recvQueue"],
    [7, "sendQueue"],
    [8, "timer"],
    [9, "timerDeadline"],
    [10, "retransmits"],
    [11, "references"],
    [13, "counted"],
    [14, "bytesSent"],
    [15, "bytesReceived"],
    [16, "rttMicros"],
    [17, "totalRetransmits"],
    [18, "cookieLow"],
    [19, "cookieHigh"],
    [20, "attempt"],
  ],
};

/** The columns that change during a row's life. */
export const changingSocketColumns = [
  "state",
  "inode",
  "uid",
  "recvQueue",
  "sendQueue",
  "timer",
  "timerDeadline",
  "retransmits",
  "references",
  "cookieLow",
  "cookieHigh",
  "counted",
  "bytesSent",
  "bytesReceived",
  "rttMicros",
  "totalRetransmits",
  "attempt",
] as const;

/** Whether two rows differ in a column that changes during a row's life. */
export function socketDiffers(a: SocketColumns, rowA: number, b: SocketColumns, rowB: number): boolean {
  return (
    a.state[rowA] !== b.state[rowB] ||
    a.inode[rowA] !== b.inode[rowB] ||
    a.uid[rowA] !== b.uid[rowB] ||
    a.recvQueue[rowA] !== b.recvQueue[rowB] ||
    a.sendQueue[rowA] !== b.sendQueue[rowB] ||
    a.timer[rowA] !== b.timer[rowB] ||
    a.timerDeadline[rowA] !== b.timerDeadline[rowB] ||
    a.retransmits[rowA] !== b.retransmits[rowB] ||
    a.references[rowA] !== b.references[rowB] ||
    a.cookieLow[rowA] !== b.cookieLow[rowB] ||
    a.cookieHigh[rowA] !== b.cookieHigh[rowB] ||
    a.counted[rowA] !== b.counted[rowB] ||
    a.bytesSent[rowA] !== b.bytesSent[rowB] ||
    a.bytesReceived[rowA] !== b.bytesReceived[rowB] ||
    a.rttMicros[rowA] !== b.rttMicros[rowB] ||
    a.totalRetransmits[rowA] !== b.totalRetransmits[rowB] ||
    a.attempt[rowA] !== b.attempt[rowB]
  );
}
