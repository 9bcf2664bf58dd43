// Records of the program on inet_sock_set_state as rows of a socket table, and as callers. Pure functions of
// the bytes.

import { TIME_WAIT_TICKS, Timer } from "../../../lib/vocabulary/timers.ts";
import { familyOfWide } from "../../../lib/address.ts";
import type { SocketTable } from "../../../lib/socket-table.ts";
import { TICK_NS } from "../../../lib/ticks.ts";
import { Attempt } from "../../../lib/vocabulary/outcomes.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import type { Caller } from "../attribute/callers.ts";
import { hostIsLittleEndian, uint64 } from "../kernel/byte-order.ts";
import { NAME_BYTES, SOCK_DONE, TcpStateRecord as Record } from "../kernel/bpf/trace/tcp-state-record.ts";
import { AF_INET, ECONNREFUSED, ECONNRESET } from "../kernel/constants.ts";
import { payloadSent } from "../kernel/netlink/tcp-info.ts";

/** The socket's cookie as a number: the kernel counts cookies up from 1, so they stay far below 2^53. */
export function cookieOf(view: DataView, at: number): number {
  return uint64(view, at + Record.cookie, hostIsLittleEndian);
}

/** When the socket changed its state, in nanoseconds of CLOCK_MONOTONIC. */
export function timeOf(view: DataView, at: number): number {
  return uint64(view, at + Record.time, hostIsLittleEndian);
}

/** Fills a row with the tuple of a record that has one, and clears everything else. */
export function writeSocket(view: DataView, at: number, sockets: SocketTable, row: number): void {
  sockets.protocol[row] = Protocol.tcp;
  sockets.state[row] = view.getUint8(at + Record.newState);
  sockets.localPort[row] = view.getUint16(at + Record.localPort, hostIsLittleEndian);
  sockets.remotePort[row] = view.getUint16(at + Record.remotePort);
  sockets.family[row] = writeAddresses(view, at, sockets, row);
  sockets.inode[row] = view.getUint32(at + Record.inode, hostIsLittleEndian);
  sockets.uid[row] = view.getUint32(at + Record.uid, hostIsLittleEndian);
  sockets.recvQueue[row] = 0;
  sockets.sendQueue[row] = 0;
  sockets.timer[row] = 0;
  sockets.timerDeadline[row] = 0;
  sockets.retransmits[row] = 0;
  sockets.references[row] = 0;
  sockets.clearCounters(row);
  writeCookie(view, at, sockets, row);
}

/** Writes the cookie of a record into a row. */
export function writeCookie(view: DataView, at: number, sockets: SocketTable, row: number): void {
  const [low, high] = hostIsLittleEndian ? [0, 4] : [4, 0];
  sockets.cookieLow[row] = view.getUint32(at + Record.cookie + low, hostIsLittleEndian);
  sockets.cookieHigh[row] = view.getUint32(at + Record.cookie + high, hostIsLittleEndian);
}

function writeAddresses(view: DataView, at: number, { addresses }: SocketTable, row: number): number {
  const first = row * 8;
  if (view.getUint16(at + Record.family, hostIsLittleEndian) === AF_INET) {
    addresses[first] = addresses[first + 1] = addresses[first + 4] = addresses[first + 5] = 0;
    addresses[first + 2] = addresses[first + 6] = 0xffff;
    addresses[first + 3] = view.getUint32(at + Record.local);
    addresses[first + 7] = view.getUint32(at + Record.remote);
    return 4;
  }
  for (let i = 0; i < 4; i++) {
    addresses[first + i] = view.getUint32(at + Record.local + 4 * i);
    addresses[first + 4 + i] = view.getUint32(at + Record.remote + 4 * i);
  }
  return familyOfWide(addresses, first);
}

/** Whether a row's remote address is that of a record. */
export function hasRemoteAddress(
  view: DataView,
  at: number,
  { addresses }: SocketTable,
  row: number,
): boolean {
  if (view.getUint16(at + Record.family, hostIsLittleEndian) === AF_INET)
    return addresses[row * 8 + 7] === view.getUint32(at + Record.remote);
  for (let i = 0; i < 4; i++)
    if (addresses[row * 8 + 4 + i] !== view.getUint32(at + Record.remote + 4 * i)) return false;
  return true;
}

/** Writes the last figures of a socket into its row. Payload only: neither SYN nor FIN counts. */
export function writeFigures(view: DataView, at: number, sockets: SocketTable, row: number): void {
  if (view.getUint16(at + Record.counted, hostIsLittleEndian) === 0) return;
  const figure = (field: number): number => uint64(view, at + field, hostIsLittleEndian);
  const finReceived = (view.getUint32(at + Record.flags, hostIsLittleEndian) & SOCK_DONE) !== 0 ? 1 : 0;
  const sentOnce = figure(Record.bytesSent) - figure(Record.bytesRetrans);
  sockets.counted[row] = 1;
  sockets.bytesSent[row] = payloadSent(figure(Record.bytesAcked), sentOnce);
  sockets.bytesReceived[row] = Math.max(0, figure(Record.bytesReceived) - finReceived);
  sockets.rttMicros[row] = view.getUint32(at + Record.srtt, hostIsLittleEndian) >>> 3;
  sockets.totalRetransmits[row] = view.getUint32(at + Record.totalRetrans, hostIsLittleEndian);
}

/** The local port of a record of CLOSE, 0 where the socket never had one. */
export function sourcePortOf(view: DataView, at: number): number {
  return view.getUint16(at + Record.sourcePort);
}

/** How a connection attempt that ended in SYN_SENT went, as Attempt has it. */
export function attemptOf(view: DataView, at: number): number {
  const error = view.getUint32(at + Record.error, hostIsLittleEndian);
  const refused = error === ECONNREFUSED || error === ECONNRESET;
  return refused || view.getUint32(at + Record.segsIn, hostIsLittleEndian) > 0
    ? Attempt.refused
    : Attempt.unanswered;
}

/**
 * Turns a row into the entry that the kernel keeps after a socket that closed first (tcp_time_wait() of
 * net/ipv4/tcp_minisocks.c); returns false where it keeps none. `ticks` is when the socket closed.
 */
export function leaveTimeWait(
  view: DataView,
  at: number,
  sockets: SocketTable,
  row: number,
  ticks: number,
): boolean {
  const before = view.getUint8(at + Record.oldState);
  if (before !== SocketState.FIN_WAIT2 && before !== SocketState.CLOSING) return false;
  if (view.getUint32(at + Record.error, hostIsLittleEndian) !== 0) return false;
  const finReceived = (view.getUint32(at + Record.flags, hostIsLittleEndian) & SOCK_DONE) !== 0;
  sockets.state[row] = finReceived ? SocketState.TIME_WAIT : SocketState.FIN_WAIT2;
  sockets.inode[row] = 0;
  sockets.timer[row] = Timer.timeWait;
  // The default of tcp_fin_timeout is the same time.
  sockets.timerDeadline[row] = ticks + TIME_WAIT_TICKS;
  return true;
}

/** The process that called connect() or listen(); null where this pid namespace does not number it. */
export function callerOf(view: DataView, at: number): Caller | null {
  const word = (field: number): number => view.getUint32(at + field, hostIsLittleEndian);
  const pid = word(Record.pid);
  if (pid === 0) return null;
  return {
    pid,
    startTicks: startTicksOf(view, at),
    parentPid: word(Record.parentPid),
    name: nameOf(view, at + Record.name),
    uid: word(Record.processUid),
    namespaceInode: word(Record.processNamespace),
    cgroup: uint64(view, at + Record.cgroup, hostIsLittleEndian),
    mountNamespace: word(Record.mountNamespace),
  };
}

/** Whether a record's caller is a known one, running the same program. */
export function isCaller(view: DataView, at: number, known: Caller): boolean {
  return (
    view.getUint32(at + Record.pid, hostIsLittleEndian) === known.pid &&
    startTicksOf(view, at) === known.startTicks &&
    view.getUint32(at + Record.mountNamespace, hostIsLittleEndian) === known.mountNamespace &&
    isNamed(view, at + Record.name, known.name)
  );
}

// Clock ticks since boot, as /proc/<pid>/stat has them.
function startTicksOf(view: DataView, at: number): number {
  return Math.floor(uint64(view, at + Record.start, hostIsLittleEndian) / TICK_NS);
}

function isNamed(view: DataView, at: number, name: string): boolean {
  for (let i = 0; i < NAME_BYTES; i++) {
    const code = view.getUint8(at + i);
    if (code === 0) return i === name.length;
    if (code !== name.charCodeAt(i)) return false;
  }
  return name.length === NAME_BYTES;
}

const names = new TextDecoder();

// comm ends with a zero byte; any other byte may be in it.
function nameOf(view: DataView, at: number): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at, NAME_BYTES);
  const end = bytes.indexOf(0);
  return names.decode(bytes.slice(0, end < 0 ? NAME_BYTES : end));
}
