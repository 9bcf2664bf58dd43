// Parses sock_diag's messages about internet sockets (include/uapi/linux/inet_diag.h) from a dump into rows of
// columns. For TCP the old request type covers both families in one walk of the kernel's hash, with the
// counters of tcp_info. This is a hot path: no objects per message.

import { Timer } from "../../../../lib/vocabulary/timers.ts";
import { familyOfWide } from "../../../../lib/address.ts";
import type { SocketTable } from "../../../../lib/socket-table.ts";
import { ticksOf } from "../../../../lib/ticks.ts";
import { Protocol } from "../../../../lib/vocabulary/protocols.ts";
import { SocketState } from "../../../../lib/vocabulary/states.ts";
import {
  AF_INET,
  AF_INET6,
  INET_DIAG_INFO,
  INET_DIAG_MSG_BYTES,
  NLA_TYPE_MASK,
  SOCK_DIAG_BY_FAMILY,
} from "../constants.ts";
import { dumpRequest } from "./netlink.ts";
import { hasTcpInfo, writeTcpInfo } from "./tcp-info.ts";

const TCPDIAG_GETSOCK = 18;

/**
 * TCP states 1 to 12. Bit 13 (bound, neither listening nor connected) would make the kernel walk a second
 * table.
 */
const TCP_STATES = 0x1ffe;
const ALL_STATES = 0xffffffff;

/** Sizes of struct inet_diag_req and struct inet_diag_req_v2. */
const COMPAT_REQUEST_BYTES = 60;
const REQUEST_BYTES = 56;

/** The target of rows and what the rows have in common. */
export interface InetDiagTarget {
  readonly sockets: SocketTable;
  readonly namespaceId: number;
  readonly protocol: number;
  /** Ticks of 10 ms since the epoch's start at the time of the dump; timers are relative to it. */
  readonly nowTicks: number;
  readonly littleEndian: boolean;
  readonly tally: { linesMalformed: number; overflowed: number };
}

/** Builds the request for every TCP socket of both families of a namespace, with tcp_info. */
export function tcpDiagRequest(littleEndian: boolean): Uint8Array {
  const payload = new Uint8Array(COMPAT_REQUEST_BYTES);
  const view = new DataView(payload.buffer);
  view.setUint8(3, 1 << (INET_DIAG_INFO - 1));
  view.setUint32(52, TCP_STATES, littleEndian);
  return dumpRequest(TCPDIAG_GETSOCK, payload, littleEndian);
}

/**
 * Builds the request for every socket of a namespace of one protocol (udp, udplite, raw) and family (4 or 6).
 */
export function inetDiagRequest(protocol: number, family: 4 | 6, littleEndian: boolean): Uint8Array {
  const payload = new Uint8Array(REQUEST_BYTES);
  const view = new DataView(payload.buffer);
  view.setUint8(0, family === 4 ? AF_INET : AF_INET6);
  view.setUint8(1, protocol);
  view.setUint32(4, ALL_STATES, littleEndian);
  return dumpRequest(SOCK_DIAG_BY_FAMILY, payload, littleEndian);
}

/**
 * Appends the row of a message's payload, bytes [start, end) of the view. Ids and firstSeen are 0, as are
 * references, which sock_diag lacks. Malformed messages are counted. Safe for any bytes.
 */
export function appendInetDiag(view: DataView, start: number, end: number, target: InetDiagTarget): void {
  const family = start + INET_DIAG_MSG_BYTES <= end && end <= view.byteLength ? view.getUint8(start) : 0;
  const state = family === 0 ? 0 : view.getUint8(start + 1);
  if (
    (family !== AF_INET && family !== AF_INET6) ||
    state < 1 ||
    state > 15 ||
    !areSound(view, start, end, target)
  ) {
    target.tally.linesMalformed++;
    return;
  }
  const { sockets, littleEndian } = target;
  const row = sockets.append();
  if (row < 0) {
    target.tally.overflowed++;
    return;
  }
  sockets.id[row] = 0;
  sockets.firstSeen[row] = 0;
  sockets.namespace[row] = target.namespaceId;
  sockets.protocol[row] = target.protocol;
  sockets.state[row] = state;
  sockets.localPort[row] = view.getUint16(start + 4);
  sockets.remotePort[row] = view.getUint16(start + 6);
  sockets.family[row] = writeAddresses(view, start + 8, family === AF_INET6, sockets.addresses, row * 8);
  sockets.recvQueue[row] = view.getUint32(start + 56, littleEndian);
  // For a listener the kernel reports not bytes but the length of its accept queue.
  sockets.sendQueue[row] = state === SocketState.LISTEN ? 0 : view.getUint32(start + 60, littleEndian);
  sockets.uid[row] = view.getUint32(start + 64, littleEndian);
  sockets.inode[row] = view.getUint32(start + 68, littleEndian);
  const timer = view.getUint8(start + 2);
  const expiresMs = view.getUint32(start + 52, littleEndian);
  sockets.timer[row] = timer;
  sockets.timerDeadline[row] = timer === 0 ? 0 : target.nowTicks + ticksOf(expiresMs);
  sockets.retransmits[row] = timer === Timer.retransmit ? view.getUint8(start + 3) : 0;
  sockets.references[row] = 0;
  sockets.clearCounters(row);
  sockets.cookieLow[row] = view.getUint32(start + 44, littleEndian);
  sockets.cookieHigh[row] = view.getUint32(start + 48, littleEndian);
  if (target.protocol === Protocol.tcp && state !== SocketState.LISTEN)
    readCounters(view, start + INET_DIAG_MSG_BYTES, end, row, target);
}

// Whether the attributes stay within the message.
function areSound(view: DataView, start: number, end: number, { littleEndian }: InetDiagTarget): boolean {
  let position = start + INET_DIAG_MSG_BYTES;
  while (position + 4 <= end) {
    const bytes = view.getUint16(position, littleEndian);
    if (bytes < 4 || position + bytes > end) return false;
    position = (position + bytes + 3) & ~3;
  }
  return true;
}

function readCounters(view: DataView, from: number, end: number, row: number, target: InetDiagTarget): void {
  const { sockets, littleEndian } = target;
  let position = from;
  while (position + 4 <= end) {
    const bytes = view.getUint16(position, littleEndian);
    const value = position + 4;
    const type = view.getUint16(position + 2, littleEndian) & NLA_TYPE_MASK;
    if (type === INET_DIAG_INFO && hasTcpInfo(bytes - 4))
      writeTcpInfo(view, value, bytes - 4, littleEndian, sockets, row);
    position = (position + bytes + 3) & ~3;
  }
}

/**
 * Writes both addresses of a struct inet_diag_sockid, sixteen bytes each from byte `from` of the view, as
 * eight words at offset `at`; returns their family, 4 or 6. `wide` says that the socket is an IPv6 one.
 */
export function writeAddresses(
  view: DataView,
  from: number,
  wide: boolean,
  words: Uint32Array,
  at: number,
): number {
  if (!wide) {
    words[at] = words[at + 1] = words[at + 4] = words[at + 5] = 0;
    words[at + 2] = words[at + 6] = 0xffff;
    words[at + 3] = view.getUint32(from);
    words[at + 7] = view.getUint32(from + 16);
    return 4;
  }
  for (let i = 0; i < 8; i++) words[at + i] = view.getUint32(from + 4 * i);
  return familyOfWide(words, at);
}
