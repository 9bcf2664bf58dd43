// Reads the counters of a TCP connection from struct tcp_info (include/uapi/linux/tcp.h), as bytes of payload.
// The kernel's counters of acknowledged and received bytes count sequence numbers, of which SYN and FIN use
// one each.

import type { SocketTable } from "../../../../lib/socket-table.ts";
import { SocketState } from "../../../../lib/vocabulary/states.ts";
import { uint64 } from "../byte-order.ts";

/** Offsets of its members. */
export const TcpInfo = {
  retransmits: 2,
  rtt: 68,
  totalRetrans: 100,
  bytesAcked: 120,
  bytesReceived: 128,
  segsIn: 140,
  dataSegsIn: 152,
  bytesSent: 200,
  bytesRetrans: 208,
} as const;

/** Bytes up to and including bytes_received (kernel 4.2), and bytes_retrans (4.19). */
const COUNTED_BYTES = TcpInfo.bytesReceived + 8;
const SENT_BYTES = TcpInfo.bytesRetrans + 8;

/** Returns whether a tcp_info of this many bytes has the counters. */
export function hasTcpInfo(bytes: number): boolean {
  return bytes >= COUNTED_BYTES;
}

/** Fills a row's counters from a tcp_info at byte `at` of the view; hasTcpInfo(bytes) must hold. */
// oxlint-disable-next-line max-params -- hot: no object for each socket
export function writeTcpInfo(
  view: DataView,
  at: number,
  bytes: number,
  littleEndian: boolean,
  sockets: SocketTable,
  row: number,
): void {
  const acked = uint64(view, at + TcpInfo.bytesAcked, littleEndian);
  const sent =
    bytes >= SENT_BYTES
      ? uint64(view, at + TcpInfo.bytesSent, littleEndian) -
        uint64(view, at + TcpInfo.bytesRetrans, littleEndian)
      : null;
  const received = uint64(view, at + TcpInfo.bytesReceived, littleEndian);
  sockets.counted[row] = 1;
  sockets.bytesSent[row] = payloadSent(acked, sent);
  sockets.bytesReceived[row] = payloadReceived(received, sockets.state[row]!);
  sockets.rttMicros[row] = view.getUint32(at + TcpInfo.rtt, littleEndian);
  sockets.totalRetransmits[row] = view.getUint32(at + TcpInfo.totalRetrans, littleEndian);
  sockets.retransmits[row] = view.getUint8(at + TcpInfo.retransmits);
}

/**
 * Returns the acknowledged payload bytes: the acknowledged sequence numbers, but at most the payload that was
 * sent for the first time, which excludes SYN and FIN. `sentOnce` is null if the kernel does not report it.
 */
export function payloadSent(acked: number, sentOnce: number | null): number {
  return sentOnce === null ? acked : Math.max(0, Math.min(acked, sentOnce));
}

/**
 * Returns the received payload bytes: the received sequence numbers less the FIN, if the state implies one.
 */
export function payloadReceived(received: number, state: number): number {
  const finished =
    state === SocketState.CLOSE_WAIT || state === SocketState.LAST_ACK || state === SocketState.CLOSING;
  return finished && received > 0 ? received - 1 : received;
}
