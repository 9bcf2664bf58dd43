// /proc/<pid>/net/{tcp,tcp6,udp,udp6,udplite,udplite6,raw,raw6,icmp,icmp6}: the first stage of the data's way
// for internet sockets, from the kernel's text to rows of columns. All ten tables share one format
// (net/ipv4/tcp_ipv4.c get_tcp4_sock, net/ipv4/udp.c udp4_format_sock, net/ipv6/datagram.c
// __ip6_dgram_sock_seq_show):
//
//   sl: local:port remote:port st tx_queue:rx_queue tr:when retrnsmt uid timeout inode ref pointer …
//
// This is the hot path: a line makes no object. Up to `when` every field stands at a fixed distance from the
// colon behind `sl`. Kernels differ in what follows the pointer (tcp: timers and windows, none in TIME_WAIT
// lines; the others: drops, since 2.6.27) and in how many digits a pointer has.

import { familyOfWide } from "../../../lib/address.ts";
import type { SocketTable } from "../../../lib/socket-table.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { BLANK, hexDigits, isHeader, isPointerByte, lineWithSentinel, NEWLINE } from "./table-lines.ts";
import type { TableParser, TableTally } from "./table-lines.ts";

/** One of the tables: its name below net/, what it holds, and how wide its addresses are. */
interface InetTable {
  readonly name: string;
  readonly protocol: number;
  /** Whether an address is four words (IPv6) or one. */
  readonly wide: boolean;
}

/** Every internet table there is, in the order in which they are read. */
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

/** Where rows go and what they have in common. */
interface InetTarget {
  readonly sockets: SocketTable;
  readonly namespaceId: number;
  /** Ticks of 10 ms since the epoch's start at the time of the reading: what `when` counts from. */
  readonly nowTicks: number;
  /**
   * Whether the kernel that wrote the table is little-endian: it prints the words of addresses as its own
   * integers.
   */
  readonly littleEndian: boolean;
  readonly tally: TableTally;
}

/** A parser that appends a row to the target for each line that makes sense; ids and firstSeen are 0. */
export function netInetParser(table: InetTable, target: InetTarget): TableParser {
  return (bytes, start, end, atEnd) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // Every line up to the last newline is complete, so that no field needs to be checked against the end: a
    // newline is no digit and no separator, which makes a line that is too short malformed.
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

// What the line that is parsed says. Kept here rather than handed over, so that no object is made per line:
// the addresses in network order, local, then remote; the other hexadecimal fields; the decimal ones.
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

// The position behind the decimal number that was read last.
let fieldEnd = 0;

// Bytes that the shortest line has from `when` on: eight digits each of `when` and `retrnsmt`, one of each
// field then.
const BYTES_FROM_WHEN_MIN = 28;

// Parses the line at `start`, complete before `limit`, and gives the position behind it. The functions that it
// calls are as large as they are for speed: V8 inlines what they call, but only so much into one function.
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

// Whether colons and blanks stand where they must, up to the colon before `when`, and the line can go on
// behind it.
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

// Reads the addresses and ports; gives a number below zero where a digit is none.
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

// Reads the fields from `st` to `retrnsmt` and sets fieldEnd; gives a number below zero where one makes no
// sense.
function readFields(bytes: Uint8Array, view: DataView, from: number): number {
  const state = hex2(view, from);
  const timer = hex2(view, from + 21);
  const sendHigh = hex4(view, from + 3);
  const sendLow = hex4(view, from + 7);
  const recvHigh = hex4(view, from + 12);
  const recvLow = hex4(view, from + 16);
  const dueHigh = hex4(view, from + 24);
  const dueLow = hex4(view, from + 28);
  // A time that has passed is a negative long to old kernels, with sixteen digits on 64-bit hosts.
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
  // States and timers have four bits in the kernel, and state 0 is none.
  if (state < 1 || state > 15 || timer > 15) return -1;
  return (
    timer | sendHigh | sendLow | recvHigh | recvLow | dueHigh | dueLow | retransmitsHigh | retransmitsLow
  );
}

// Reads the fields from `uid` on and gives the end of the line, -1 where one of them makes no sense. `padded`
// is where a tcp line ends if it is padded; -1 where the chunk ends before.
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

// Reads a word of an address, which the kernel printed as an integer of its own, in network order.
function readWord(view: DataView, from: number, word: number, littleEndian: boolean): number {
  const high = hex4(view, from);
  const low = hex4(view, from + 4);
  words[word] = littleEndian
    ? ((low & 255) << 24) | ((low & 0xff00) << 8) | ((high & 255) << 8) | (high >>> 8)
    : (high << 16) | low;
  return high | low;
}

// Hexadecimal numbers of a fixed width. Two digits are looked up at once; four zeros, which most lines have
// many of, are seen at a glance.
function hex2(view: DataView, from: number): number {
  return hexPairs[view.getUint16(from, true)]!;
}

function hex4(view: DataView, from: number): number {
  if (view.getInt32(from, true) === FOUR_ZEROS) return 0;
  return (hexPairs[view.getUint16(from, true)]! << 8) | hexPairs[view.getUint16(from + 2, true)]!;
}

const FOUR_ZEROS = 0x30303030;
const FOUR_BLANKS = 0x20202020;

// Values of two digits by their bytes as a little-endian number; -1 where one of them is no digit.
const hexPairs = new Int16Array(65_536);
for (let pair = 0; pair < 65_536; pair++) {
  const high = hexDigits[pair & 255]!;
  const low = hexDigits[pair >>> 8]!;
  hexPairs[pair] = high < 0 || low < 0 ? -1 : (high << 4) | low;
}

// Positions behind what stands at `from`. The conditions are such that a position beyond the buffer, where
// there is undefined, ends the loop.
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

// A decimal number below 2^32 behind at least one blank; -1 where there is none. Some kernels print uids,
// probes and drops as signed numbers: these are given modulo 2^32.
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

// The width of a line of `tcp`, to which the kernel pads it: TMPSZ of net/ipv4/tcp_ipv4.c.
const TCP_LINE_BYTES = 150;

// The end of a tcp line whose pointer ends at `from`, -1 where it makes no sense. What stands between is not
// kept: timeouts, window and slow start threshold, none of them in lines of TIME_WAIT and SYN_RECV, and
// padding.
function endOfTcp(bytes: Uint8Array, view: DataView, from: number, padded: number): number {
  if (bytes[from] !== BLANK && bytes[from] !== NEWLINE) return -1;
  // Nearly all lines end in padding: it is looked for where it must be before anything is searched.
  if (from + 4 < padded && bytes[padded] === NEWLINE && view.getInt32(padded - 4, true) === FOUR_BLANKS)
    return padded;
  let at = from;
  while (bytes[at] === BLANK || bytes[at] === MINUS || hexDigits[bytes[at]!]! >= 0) at++;
  return isLineEnd(bytes, at) ? at : -1;
}

// The end of any other line whose pointer ends at `from`, -1 where it makes no sense. Drops follow, but for
// kernels before 2.6.27, and padding.
function endOfDatagrams(bytes: Uint8Array, from: number): number {
  const first = afterBlanks(bytes, from);
  if (bytes[first] === NEWLINE) return first;
  const drops = readDecimal(bytes, from);
  if (drops < 0 || (bytes[fieldEnd] !== BLANK && bytes[fieldEnd] !== NEWLINE)) return -1;
  const end = afterBlanks(bytes, fieldEnd);
  return isLineEnd(bytes, end) ? end : -1;
}

// A line ends at its newline, or at the zero byte behind a last line that has none.
function isLineEnd(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === NEWLINE || bytes[at] === 0;
}
