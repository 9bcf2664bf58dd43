// Parses /proc/<pid>/net/{tcp,tcp6,udp,udp6,udplite,udplite6,raw,raw6,icmp,icmp6} into rows of columns. All
// ten tables share one format (net/ipv4/tcp_ipv4.c get_tcp4_sock, net/ipv4/udp.c udp4_format_sock,
// net/ipv6/datagram.c __ip6_dgram_sock_seq_show):
//
//   sl: local:port remote:port st tx_queue:rx_queue tr:when retrnsmt uid timeout inode ref pointer …
//
// This is the hot path: no objects per line. Up to `when` every field is at a fixed distance from the colon
// after `sl`. Kernels differ in what follows the pointer (tcp: timers and windows, nothing in TIME_WAIT lines;
// the others: drops, since 2.6.27) and in the number of a pointer's digits.

import { familyOfWide } from "../../../lib/address.ts";
import type { SocketTable } from "../../../lib/socket-table.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { BLANK, hexDigits, isHeader, isPointerByte, lineWithSentinel, NEWLINE } from "./table-lines.ts";
import type { TableParser, TableTally } from "./table-lines.ts";

/** One of the tables: its name in net/, its protocol, and the width of its addresses. */
interface InetTable {
  readonly name: string;
  readonly protocol: number;
  /** Whether an address has four words (IPv6) or one. */
  readonly wide: boolean;
}

/** All internet tables, in reading order. */
export const inetTables: readonly InetTable[] = [
  { name: "tcp", protocol: Protocol.tcp, wide: false },
  { name: "tcp6", protocol: Protocol.tcp, wide: true },
  { name: "udp", protocol: Protocol.udp, wide: false },
  { name: "udp6", protocol: Protocol.udp, wide: true },
  { name: "udplite", protocol: Protocol.udplite, wide: false },
  { name: "udplite6", protocol: Protocol.udplite, wide: true },
  { name: "raw", protocol: Protocol.raw, wide: false },
  { name: "raw6", protocol: Protocol.raw, wide: true },
  { name: "icmp", protocol: Protocol.icmp, wide: false },
  { name: "icmp6", protocol: Protocol.icmpv6, wide: true },
];

/** The target of rows and what the rows have in common. */
interface InetTarget {
  readonly sockets: SocketTable;
  readonly namespaceId: number;
  /** Ticks of 10 ms since the epoch's start at the time of reading; `when` is relative to it. */
  readonly nowTicks: number;
  /**
   * Whether the kernel that wrote the table is little-endian: it prints the words of addresses as native
   * integers.
   */
  readonly littleEndian: boolean;
  readonly tally: TableTally;
}

/** Creates a parser that appends a row to the target for each well-formed line; ids and firstSeen are 0. */
export function netInetParser(table: InetTable, target: InetTarget): TableParser {
  return (bytes, start, end, atEnd) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // Every line up to the last newline is complete, so no field needs a bounds check: a newline is neither a
    // digit nor a separator, so a line that is too short is malformed.
    let complete = end;
    while (complete > start && bytes[complete - 1] !== NEWLINE) complete--;
    let position = start;
    while (position < complete) position = parseLine(bytes, view, position, complete, table, target);
    if (!atEnd || position >= end) return position;
    const last = lineWithSentinel(bytes, position, end);
    parseLine(last, new DataView(last.buffer), 0, last.length, table, target);
    return end;
  };
}

const COLON = 58;
const MINUS = 45;
const ZERO = 48;

// Values of the current line, in shared arrays to avoid an object per line: the addresses in network order,
// local then remote; the other hexadecimal fields; the decimal fields.
const words = new Uint32Array(8);
const fields = new Int32Array(8);
const LOCAL_PORT = 0;
const REMOTE_PORT = 1;
const STATE = 2;
const SEND_QUEUE = 3;
const RECV_QUEUE = 4;
const TIMER = 5;
const DUE = 6;
const RETRANSMITS = 7;
const decimals = new Uint32Array(4);
const UID = 0;
const PROBES = 1;
const INODE = 2;
const REFERENCES = 3;

// Position after the decimal number that was read last.
let fieldEnd = 0;

// Minimum bytes of a line from `when` on: eight digits each for `when` and `retrnsmt`, then one per field.
const BYTES_FROM_WHEN_MIN = 28;

// Parses the line at `start`, which is complete before `limit`, and returns the position after it. The
// functions that it calls are large for speed: V8 inlines their callees, but only up to a limit per function.
// oxlint-disable-next-line max-params -- hot: no object for each line
function parseLine(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  limit: number,
  table: InetTable,
  target: InetTarget,
): number {
  const digits = table.wide ? 32 : 8;
  const slot = afterBlanks(bytes, start);
  const slotEnd = afterDigits(bytes, slot);
  const local = slotEnd + 2;
  const state = local + 2 * digits + 12;
  if (slotEnd === slot || !hasSeparators(bytes, slotEnd, digits)) {
    return isHeader(bytes, start, "sl") ? afterLine(bytes, start) : refuse(bytes, start, target.tally);
  }
  const end =
    readAddresses(view, local, table.wide, target.littleEndian) < 0 || readFields(bytes, view, state) < 0
      ? -1
      : readDecimals(
          bytes,
          view,
          table.protocol === Protocol.tcp,
          start + TCP_LINE_BYTES > limit ? -1 : start + TCP_LINE_BYTES - 1,
        );
  if (end < 0) return refuse(bytes, start, target.tally);
  appendRow(table, target);
  return end + 1;
}

function appendRow(table: InetTable, target: InetTarget): void {
  const sockets = target.sockets;
  const row = sockets.append();
  if (row < 0) {
    target.tally.overflowed++;
    return;
  }
  sockets.id[row] = 0;
  sockets.namespace[row] = target.namespaceId;
  sockets.protocol[row] = table.protocol;
  sockets.family[row] = table.wide ? familyOfWide(words, 0) : 4;
  sockets.state[row] = fields[STATE]!;
  const addresses = sockets.addresses;
  for (let i = 0; i < 8; i++) addresses[row * 8 + i] = words[i]!;
  sockets.localPort[row] = fields[LOCAL_PORT]!;
  sockets.remotePort[row] = fields[REMOTE_PORT]!;
  sockets.inode[row] = decimals[INODE]!;
  sockets.uid[row] = decimals[UID]!;
  sockets.recvQueue[row] = fields[RECV_QUEUE]!;
  sockets.sendQueue[row] = fields[SEND_QUEUE]!;
  const timer = fields[TIMER]!;
  sockets.timer[row] = timer;
  sockets.timerDeadline[row] = timer === 0 ? 0 : target.nowTicks + fields[DUE]!;
  sockets.retransmits[row] = fields[RETRANSMITS]!;
  const references = decimals[REFERENCES]!;
  sockets.references[row] = references > 65_535 ? 65_535 : references;
  sockets.firstSeen[row] = 0;
  sockets.clearCounters(row);
}

// Whether colons and blanks are where they must be, up to the colon before `when`, and the buffer is long
// enough for the rest of the line.
function hasSeparators(bytes: Uint8Array, slotEnd: number, digits: number): boolean {
  const remote = slotEnd + digits + 8;
  const state = remote + digits + 6;
  return (
    bytes[slotEnd] === COLON &&
    bytes[slotEnd + 1] === BLANK &&
    bytes[remote - 6] === COLON &&
    bytes[remote - 1] === BLANK &&
    bytes[state - 6] === COLON &&
    bytes[state - 1] === BLANK &&
    bytes[state + 2] === BLANK &&
    bytes[state + 11] === COLON &&
    bytes[state + 20] === BLANK &&
    bytes[state + 23] === COLON &&
    state + 24 + BYTES_FROM_WHEN_MIN <= bytes.length
  );
}

// Reads the addresses and ports; returns a negative number if a digit is invalid.
function readAddresses(view: DataView, local: number, wide: boolean, littleEndian: boolean): number {
  const digits = wide ? 32 : 8;
  const remote = local + digits + 6;
  const localPort = hex4(view, local + digits + 1);
  const remotePort = hex4(view, remote + digits + 1);
  fields[LOCAL_PORT] = localPort;
  fields[REMOTE_PORT] = remotePort;
  let odd = localPort | remotePort;
  if (wide) {
    for (let i = 0; i < 4; i++) {
      odd |=
        readWord(view, local + 8 * i, i, littleEndian) | readWord(view, remote + 8 * i, 4 + i, littleEndian);
    }
  } else {
    words[0] = words[1] = words[4] = words[5] = 0;
    words[2] = words[6] = 0xffff;
    odd |= readWord(view, local, 3, littleEndian) | readWord(view, remote, 7, littleEndian);
  }
  return odd;
}

// Reads the fields from `st` to `retrnsmt` and sets fieldEnd; returns a negative number if one is malformed.
function readFields(bytes: Uint8Array, view: DataView, from: number): number {
  const state = hex2(view, from);
  const timer = hex2(view, from + 21);
  const sendHigh = hex4(view, from + 3);
  const sendLow = hex4(view, from + 7);
  const recvHigh = hex4(view, from + 12);
  const recvLow = hex4(view, from + 16);
  const dueHigh = hex4(view, from + 24);
  const dueLow = hex4(view, from + 28);
  // Old kernels print a time that has passed as a negative long, with sixteen digits on 64-bit hosts.
  const dueEnd = bytes[from + 32] === BLANK ? from + 32 : afterHexDigits(bytes, from + 32);
  if (bytes[dueEnd] !== BLANK || (dueEnd !== from + 32 && dueEnd !== from + 40)) return -1;
  const retransmitsHigh = hex4(view, dueEnd + 1);
  const retransmitsLow = hex4(view, dueEnd + 5);
  fields[STATE] = state;
  fields[SEND_QUEUE] = (sendHigh << 16) | sendLow;
  fields[RECV_QUEUE] = (recvHigh << 16) | recvLow;
  fields[TIMER] = timer;
  fields[DUE] = dueEnd !== from + 32 || dueHigh > 0x7fff ? 0 : (dueHigh << 16) | dueLow;
  fields[RETRANSMITS] = retransmitsHigh > 0 || retransmitsLow > 255 ? 255 : retransmitsLow;
  fieldEnd = dueEnd + 9;
  // States and timers have four bits in the kernel, and state 0 is invalid.
  if (state < 1 || state > 15 || timer > 15) return -1;
  return (
    timer | sendHigh | sendLow | recvHigh | recvLow | dueHigh | dueLow | retransmitsHigh | retransmitsLow
  );
}

// Reads the fields from `uid` on and returns the end of the line, or -1 if one of them is malformed. `padded`
// is where a padded tcp line ends; -1 if the chunk ends earlier.
function readDecimals(bytes: Uint8Array, view: DataView, tcp: boolean, padded: number): number {
  const uid = readDecimal(bytes, fieldEnd);
  const probes = readDecimal(bytes, fieldEnd);
  const inode = readDecimal(bytes, fieldEnd);
  const references = readDecimal(bytes, fieldEnd);
  if (uid < 0 || probes < 0 || inode < 0 || references < 0) return -1;
  decimals[UID] = uid;
  decimals[PROBES] = probes;
  decimals[INODE] = inode;
  decimals[REFERENCES] = references;
  const pointer = afterBlanks(bytes, fieldEnd);
  const pointerEnd = afterPointer(bytes, pointer);
  if (pointer === fieldEnd || pointerEnd === pointer) return -1;
  return tcp ? endOfTcp(bytes, view, pointerEnd, padded) : endOfDatagrams(bytes, pointerEnd);
}

function refuse(bytes: Uint8Array, start: number, tally: TableTally): number {
  tally.linesMalformed++;
  return afterLine(bytes, start);
}

function afterLine(bytes: Uint8Array, start: number): number {
  const newline = bytes.indexOf(NEWLINE, start);
  return newline < 0 ? bytes.length : newline + 1;
}

// Reads a word of an address, which the kernel printed as a native integer, into network order.
function readWord(view: DataView, from: number, word: number, littleEndian: boolean): number {
  const high = hex4(view, from);
  const low = hex4(view, from + 4);
  words[word] = littleEndian
    ? ((low & 255) << 24) | ((low & 0xff00) << 8) | ((high & 255) << 8) | (high >>> 8)
    : (high << 16) | low;
  return high | low;
}

// Read hexadecimal numbers of a fixed width. They look up two digits at once and test for four zeros first,
// which most lines have many of.
function hex2(view: DataView, from: number): number {
  return hexPairs[view.getUint16(from, true)]!;
}

function hex4(view: DataView, from: number): number {
  if (view.getInt32(from, true) === FOUR_ZEROS) return 0;
  return (hexPairs[view.getUint16(from, true)]! << 8) | hexPairs[view.getUint16(from + 2, true)]!;
}

const FOUR_ZEROS = 0x30303030;
const FOUR_BLANKS = 0x20202020;

// Values of two digits by their bytes as a little-endian number; -1 if one of them is not a digit.
const hexPairs = new Int16Array(65_536);
for (let pair = 0; pair < 65_536; pair++) {
  const high = hexDigits[pair & 255]!;
  const low = hexDigits[pair >>> 8]!;
  hexPairs[pair] = high < 0 || low < 0 ? -1 : (high << 4) | low;
}

// Return the position after a run of bytes at `from`. Past the end of the buffer a byte is undefined, for
// which each condition is false, so the loops end.
function afterBlanks(bytes: Uint8Array, from: number): number {
  let at = from;
  while (bytes[at] === BLANK) at++;
  return at;
}

function afterDigits(bytes: Uint8Array, from: number): number {
  let at = from;
  while (bytes[at]! >= ZERO && bytes[at]! <= ZERO + 9) at++;
  return at;
}

function afterHexDigits(bytes: Uint8Array, from: number): number {
  let at = from;
  while (hexDigits[bytes[at]!]! >= 0) at++;
  return at;
}

// Reads a decimal number below 2^32 after at least one blank; returns -1 if there is none. Some kernels print
// uids, probes and drops as signed numbers; these are returned modulo 2^32.
function readDecimal(bytes: Uint8Array, from: number): number {
  if (bytes[from] !== BLANK) return -1;
  let at = from + 1;
  while (bytes[at] === BLANK) at++;
  const negative = bytes[at] === MINUS;
  if (negative) at++;
  const first = at;
  let value = 0;
  for (;;) {
    const digit = bytes[at]! - ZERO;
    if (!(digit >= 0 && digit <= 9)) break;
    value = value * 10 + digit;
    at++;
  }
  fieldEnd = at;
  if (at === first || at - first > 10 || value > 0xffffffff) return -1;
  return negative ? -value >>> 0 : value;
}

function afterPointer(bytes: Uint8Array, from: number): number {
  let at = from;
  while (isPointerByte(bytes[at]!)) at++;
  return at;
}

// The width to which the kernel pads a line of `tcp`: TMPSZ of net/ipv4/tcp_ipv4.c.
const TCP_LINE_BYTES = 150;

// Returns the end of a tcp line whose pointer ends at `from`, -1 if it is malformed. Skips what follows the
// pointer: timeouts, window and slow start threshold (absent in lines of TIME_WAIT and SYN_RECV), and padding.
function endOfTcp(bytes: Uint8Array, view: DataView, from: number, padded: number): number {
  if (bytes[from] !== BLANK && bytes[from] !== NEWLINE) return -1;
  // Nearly all lines end in padding: test for it at its fixed position before searching.
  if (from + 4 < padded && bytes[padded] === NEWLINE && view.getInt32(padded - 4, true) === FOUR_BLANKS)
    return padded;
  let at = from;
  while (bytes[at] === BLANK || bytes[at] === MINUS || hexDigits[bytes[at]!]! >= 0) at++;
  return isLineEnd(bytes, at) ? at : -1;
}

// Returns the end of any other line whose pointer ends at `from`, -1 if it is malformed. The pointer is
// followed by drops, except on kernels before 2.6.27, and padding.
function endOfDatagrams(bytes: Uint8Array, from: number): number {
  const first = afterBlanks(bytes, from);
  if (bytes[first] === NEWLINE) return first;
  const drops = readDecimal(bytes, from);
  if (drops < 0 || (bytes[fieldEnd] !== BLANK && bytes[fieldEnd] !== NEWLINE)) return -1;
  const end = afterBlanks(bytes, fieldEnd);
  return isLineEnd(bytes, end) ? end : -1;
}

// A line ends at its newline, or at the zero byte after a last line without one.
function isLineEnd(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === NEWLINE || bytes[at] === 0;
}
