// Parses the kernel's announcement of a socket that it destroys (net/ipv4/inet_diag.c
// inet_diag_handler_get_info): a struct inet_diag_msg with tuple and cookie, the protocol, and for TCP a
// struct tcp_info. A hot path: no object per event.
//
// What the kernel still has of the socket depends on how it ended:
// - Closed in order, or reset by the other end: everything is there; the state is always CLOSE.
// - Closed by its own reset, or by a failed connect() whose caller waited (tcp_disconnect()): remote port,
//   counters and, unless it was bound, the local address are gone. The sequence numbers distinguish the two:
//   write_seq was advanced by the largest window that the other end ever offered, and 2.
// - Never connected: no remote address, or no local port. That is no connection.

import { uint64 } from "../kernel/byte-order.ts";
import {
  AF_INET,
  AF_INET6,
  INET_DIAG_INFO,
  INET_DIAG_MSG_BYTES,
  NLA_TYPE_MASK,
} from "../kernel/constants.ts";
import { writeAddresses } from "../kernel/netlink/inet-diag.ts";
import { payloadSent, TcpInfo } from "../kernel/netlink/tcp-info.ts";
import { Attempt } from "../../../lib/vocabulary/outcomes.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import type { DestroyedTable } from "./destroyed-table.ts";
import { MaybeFin } from "./destroyed-table.ts";

const INET_DIAG_PROTOCOL = 10;

/** Bytes up to bytes_retrans (kernel 4.19); a shorter struct is not counted. */
const TCP_INFO_BYTES = TcpInfo.bytesRetrans + 8;

/**
 * write_seq - snd_una of an attempt: only the SYN is out; and after tcp_disconnect(), if no window was ever
 * offered.
 */
const UNANSWERED_SYN = 1;
const DISCONNECTED_SYN = 3;

/** The result of parsing a message. */
export const EventKind = { appended: 0, noConnection: 1, malformed: 2, overflowed: 3 } as const;

/** The table that events are appended to, and their common values. */
export interface EventTarget {
  table: DestroyedTable;
  readonly littleEndian: boolean;
  /** Ticks of 10 ms since the epoch's start. */
  ticks: number;
  place: number;
  nsid: number;
}

/** Appends the socket that a message's payload, view bytes [start, end), describes. Safe with any bytes. */
export function appendDestroyed(view: DataView, start: number, end: number, target: EventTarget): number {
  if (start + INET_DIAG_MSG_BYTES > end || end > view.byteLength) return EventKind.malformed;
  const { littleEndian, table } = target;
  const family = view.getUint8(start);
  if (family !== AF_INET && family !== AF_INET6) return EventKind.malformed;
  const localPort = view.getUint16(start + 4);
  const remotePort = view.getUint16(start + 6);
  // A listener, a socket that was only bound, or one without a route to its destination.
  if (localPort === 0 || isZero(view, start + 24, family === AF_INET ? 4 : 16)) return EventKind.noConnection;
  let info = 0;
  let protocol = 0;
  for (let at = start + INET_DIAG_MSG_BYTES; at + 4 <= end;) {
    const bytes = view.getUint16(at, littleEndian);
    if (bytes < 4 || at + bytes > end) return EventKind.malformed;
    const type = view.getUint16(at + 2, littleEndian) & NLA_TYPE_MASK;
    if (type === INET_DIAG_PROTOCOL && bytes > 4) protocol = view.getUint8(at + 4);
    else if (type === INET_DIAG_INFO && bytes - 4 >= TCP_INFO_BYTES) info = at + 4;
    at = (at + bytes + 3) & ~3;
  }
  if (protocol === 0) return EventKind.malformed;
  if (protocol !== Protocol.tcp && remotePort === 0) return EventKind.noConnection;
  const row = table.append(target.place, target.nsid);
  if (row < 0) return EventKind.overflowed;
  const { sockets } = table;
  sockets.id[row] = 0;
  sockets.namespace[row] = 0;
  sockets.protocol[row] = protocol;
  sockets.family[row] = writeAddresses(view, start + 8, family === AF_INET6, sockets.addresses, row * 8);
  sockets.localPort[row] = localPort;
  sockets.remotePort[row] = remotePort;
  sockets.inode[row] = 0;
  sockets.uid[row] = 0;
  sockets.recvQueue[row] = 0;
  sockets.sendQueue[row] = 0;
  sockets.timer[row] = 0;
  sockets.timerDeadline[row] = 0;
  sockets.retransmits[row] = 0;
  sockets.references[row] = 0;
  sockets.firstSeen[row] = target.ticks;
  sockets.clearCounters(row);
  sockets.cookieLow[row] = view.getUint32(start + 44, littleEndian);
  sockets.cookieHigh[row] = view.getUint32(start + 48, littleEndian);
  sockets.state[row] = protocol === Protocol.tcp ? SocketState.CLOSE : SocketState.ESTABLISHED;
  if (protocol !== Protocol.tcp) return EventKind.appended;
  const unacknowledged = view.getUint32(start + 60, littleEndian);
  if (remotePort === 0) {
    if (unacknowledged === DISCONNECTED_SYN) failed(table, row, Attempt.refused);
  } else if (info > 0) {
    writeInfo(view, start, info, row, target);
  }
  return EventKind.appended;
}

function writeInfo(view: DataView, start: number, info: number, row: number, target: EventTarget): void {
  const { table, littleEndian } = target;
  const { sockets } = table;
  const acked = uint64(view, info + TcpInfo.bytesAcked, littleEndian);
  const sent =
    uint64(view, info + TcpInfo.bytesSent, littleEndian) -
    uint64(view, info + TcpInfo.bytesRetrans, littleEndian);
  const received = uint64(view, info + TcpInfo.bytesReceived, littleEndian);
  const rtt = view.getUint32(info + TcpInfo.rtt, littleEndian);
  const unread = view.getUint32(start + 56, littleEndian);
  const unacknowledged = view.getUint32(start + 60, littleEndian);
  sockets.counted[row] = 1;
  sockets.totalRetransmits[row] = view.getUint32(info + TcpInfo.totalRetrans, littleEndian);
  if (acked === 0 && sent === 0 && received === 0 && rtt === 0 && unacknowledged === UNANSWERED_SYN) {
    const answered = view.getUint32(info + TcpInfo.segsIn, littleEndian) > 0;
    failed(table, row, answered ? Attempt.refused : Attempt.unanswered);
    return;
  }
  sockets.rttMicros[row] = rtt;
  sockets.bytesSent[row] = payloadSent(acked, sent);
  // Without a segment with data, the received byte is a FIN.
  if (view.getUint32(info + TcpInfo.dataSegsIn, littleEndian) === 0) return;
  // SYN and FIN count as one acknowledged byte each; the SYN of an accepting end does not count. An end that
  // sent a FIN had read all data: an unread byte then is the other's FIN.
  const saidGoodbye = acked > sent;
  const finUnread = saidGoodbye && unread === 1;
  sockets.bytesReceived[row] = finUnread ? received - 1 : received;
  if (unread === 0 && saidGoodbye)
    table.maybeFin[row] = acked - sent === 1 ? MaybeFin.ofServer : MaybeFin.ofAnyone;
}

function failed(table: DestroyedTable, row: number, attempt: number): void {
  table.sockets.attempt[row] = attempt;
  table.sockets.state[row] = SocketState.SYN_SENT;
}

function isZero(view: DataView, at: number, bytes: number): boolean {
  for (let i = 0; i < bytes; i += 4) if (view.getUint32(at + i) !== 0) return false;
  return true;
}
