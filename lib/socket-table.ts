// Internet sockets in columns: the form in which readers fill them, observations keep them and reports carry them.
// One row costs 119 bytes and no object, so that a node with a million sockets needs 118 MB and no garbage collection.

/** Rows that a table holds at most: 2^21 sockets on one node (250 MB); what overflows is counted by who appends. */
export const SOCKET_ROWS_MAX = 2 ** 21;

/** Internet sockets (tcp, udp, udplite, raw, icmp), one element per row in each column. */
export class SocketTable {
  /** Rows in use. */
  length = 0;
  /** Ids of the agent's choosing, unique among living sockets of an epoch; 0 before one was given. */
  id!: Uint32Array;
  /** Ids of network namespaces. */
  namespace!: Uint16Array;
  /** Protocol numbers (lib/vocabulary/protocols.ts). */
  protocol!: Uint8Array;
  /** 4 or 6; IPv4-mapped IPv6 addresses count as 4. */
  family!: Uint8Array;
  /** Socket states (lib/vocabulary/states.ts). */
  state!: Uint8Array;
  /** Eight words a row in network order: local address, remote address, each IPv4-mapped where family is 4. */
  addresses!: Uint32Array;
  localPort!: Uint16Array;
  remotePort!: Uint16Array;
  /** Inode numbers; 0 where no file refers to the socket. */
  inode!: Uint32Array;
  uid!: Uint32Array;
  /** Bytes not yet read; of a listener, connections not yet accepted. */
  recvQueue!: Uint32Array;
  /** Bytes not yet acknowledged. */
  sendQueue!: Uint32Array;
  /** Timers as /proc/net/tcp's `tr` column numbers them. */
  timer!: Uint8Array;
  /** When the timer ends, in ticks of 10 ms since the epoch's start; 0 where none runs. */
  timerDeadline!: Uint32Array;
  /** Unanswered retransmissions, at most 255. */
  retransmits!: Uint8Array;
  /** Reference counts, at most 65535. */
  references!: Uint16Array;
  /** Datagrams dropped. */
  drops!: Uint32Array;
  /** Ticks since the epoch's start when the socket was first seen. */
  firstSeen!: Uint32Array;
  /** 1 where the socket is an IPv6 one that may speak IPv4 too. */
  dualStack!: Uint8Array;
  /** The kernel's cookie of the socket, its low and its high 32 bits; both 0 where the reader was not told it. */
  cookieLow!: Uint32Array;
  cookieHigh!: Uint32Array;
  /** 1 where the four columns below are known (TCP, by readers that are told them), 0 where their zeros say nothing. */
  counted!: Uint8Array;
  /** Bytes of payload that the other end acknowledged, and that came from it, since the connection began. */
  bytesSent!: Float64Array;
  bytesReceived!: Float64Array;
  /** Smoothed round trip time in microseconds. */
  rttMicros!: Uint32Array;
  /** Segments sent again since the connection began. */
  totalRetransmits!: Uint32Array;
  /** How an attempt to connect went that never became a connection (Attempt in lib/vocabulary/outcomes.ts); 0 for all others. */
  attempt!: Uint8Array;

  constructor(capacity = 256) {
    this.#allocate(capacity);
  }

  /** Rows that fit before the columns must grow. */
  get capacity(): number {
    return this.id.length;
  }

  /** Makes room for one more row and gives its index, or -1 where SOCKET_ROWS_MAX is reached. */
  append(): number {
    if (this.length === this.capacity) {
      if (this.length >= SOCKET_ROWS_MAX) return -1;
      this.#allocate(Math.min(SOCKET_ROWS_MAX, this.capacity * 2));
    }
    return this.length++;
  }

  /** Zeroes what only some readers are told of a row: cookie, bytes, RTT, retransmissions, how an attempt went. */
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

  /** Copies one row of another table over a row of this one. */
  copyRow(row: number, from: SocketTable, fromRow: number): void {
    for (const name of columnNames) this[name][row] = from[name][fromRow]!;
    for (let i = 0; i < 8; i++) this.addresses[row * 8 + i] = from.addresses[fromRow * 8 + i]!;
  }

  /** Appends a copy of another table's row; gives its index, or -1 where the table is full. */
  appendRow(from: SocketTable, fromRow: number): number {
    const row = this.append();
    if (row >= 0) this.copyRow(row, from, fromRow);
    return row;
  }

  /** Appends rows [from, to) of another table column by column, which costs a tenth of row by row; gives how many fitted. */
  appendRows(other: SocketTable, from: number, to: number): number {
    const count = Math.min(to - from, SOCKET_ROWS_MAX - this.length);
    while (this.length + count > this.capacity) this.#allocate(Math.min(SOCKET_ROWS_MAX, this.capacity * 2));
    for (const name of columnNames) this[name].set(other[name].subarray(from, from + count), this.length);
    this.addresses.set(other.addresses.subarray(from * 8, (from + count) * 8), this.length * 8);
    this.length += count;
    return count;
  }

  /**
   * Whether the rows of another table are equal to this one's in some columns. Compared as memory: 100k rows of every
   * column take a millisecond.
   */
  equals(other: SocketTable, names: readonly (ColumnName | "addresses")[]): boolean {
    if (this.length !== other.length) return false;
    return names.every((name) => {
      const width = name === "addresses" ? 8 : 1;
      const mine = this[name].subarray(0, this.length * width);
      return Buffer.compare(asBytes(mine), asBytes(other[name].subarray(0, this.length * width))) === 0;
    });
  }

  /** Forgets all rows, keeping the memory for the next pass. */
  clear(): void {
    this.length = 0;
  }

  #allocate(capacity: number): void {
    for (const [name, Column] of columns) {
      const grown = new Column(capacity);
      if (this[name]) grown.set(this[name]);
      // Each column's own type is in `columns`; TypeScript cannot follow it through the loop.
      Object.assign(this, { [name]: grown });
    }
    const addresses = new Uint32Array(capacity * 8);
    if (this.addresses) addresses.set(this.addresses);
    this.addresses = addresses;
  }
}

const columns = [
  ["id", Uint32Array],
  ["namespace", Uint16Array],
  ["protocol", Uint8Array],
  ["family", Uint8Array],
  ["state", Uint8Array],
  ["localPort", Uint16Array],
  ["remotePort", Uint16Array],
  ["inode", Uint32Array],
  ["uid", Uint32Array],
  ["recvQueue", Uint32Array],
  ["sendQueue", Uint32Array],
  ["timer", Uint8Array],
  ["timerDeadline", Uint32Array],
  ["retransmits", Uint8Array],
  ["references", Uint16Array],
  ["drops", Uint32Array],
  ["firstSeen", Uint32Array],
  ["dualStack", Uint8Array],
  ["cookieLow", Uint32Array],
  ["cookieHigh", Uint32Array],
  ["counted", Uint8Array],
  ["bytesSent", Float64Array],
  ["bytesReceived", Float64Array],
  ["rttMicros", Uint32Array],
  ["totalRetransmits", Uint32Array],
  ["attempt", Uint8Array],
] as const;

const columnNames = columns.map(([name]) => name);

/** The columns that have one element a row. */
export type ColumnName = (typeof columns)[number][0];

function asBytes(column: Uint8Array | Uint16Array | Uint32Array | Float64Array): Uint8Array {
  return new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
}
