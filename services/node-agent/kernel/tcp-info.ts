// struct tcp_info (include/uapi/linux/tcp.h): the counters of a TCP connection, as bytes of payload. The kernel's own
// counters of acknowledged and received bytes are of sequence numbers, of which a SYN and a FIN take one each.

import type { SocketTable } from "../../../lib/socket-table.ts";
import { SocketState } from "../../../lib/words.ts";

const RETRANSMITS = 2;
const RTT = 68;
const TOTAL_RETRANS = 100;
const BYTES_ACKED = 120;
const BYTES_RECEIVED = 128;
const BYTES_SENT = 200;
const BYTES_RETRANS = 208;

/** Bytes up to bytes_received (kernel 4.2) and up to bytes_retrans (4.19). */
const COUNTED_BYTES = BYTES_RECEIVED + 8;
const SENT_BYTES = BYTES_RETRANS + 8;

/** Whether a tcp_info of so many bytes has the counters. */
export function hasTcpInfo(bytes: number): boolean {
  return bytes >= COUNTED_BYTES;
}

/** Fills a row's counters from a tcp_info at view byte `at`, of at least as many bytes as hasTcpInfo() asks for. */
export function writeTcpInfo(
  view: DataView,
  at: number,
  bytes: number,
  littleEndian: boolean,
  sockets: SocketTable,
  row: number,
): void {
  const acked = uint64(view, at + BYTES_ACKED, littleEndian);
  const sent =
    bytes >= SENT_BYTES
      ? uint64(view, at + BYTES_SENT, littleEndian) - uint64(view, at + BYTES_RETRANS, littleEndian)
      : null;
  const received = uint64(view, at + BYTES_RECEIVED, littleEndian);
  sockets.counted[row] = 1;
  sockets.bytesSent[row] = payloadSent(acked, sent);
  sockets.bytesReceived[row] = payloadReceived(received, sockets.state[row]!);
  sockets.rttMicros[row] = view.getUint32(at + RTT, littleEndian);
  sockets.totalRetransmits[row] = view.getUint32(at + TOTAL_RETRANS, littleEndian);
  sockets.retransmits[row] = view.getUint8(at + RETRANSMITS);
}

/**
 * Payload that was acknowledged: of the acknowledged sequence numbers never more than the payload that was sent for the
 * first time, which leaves SYN and FIN out. Null where the kernel does not tell what it sent.
 */
export function payloadSent(acked: number, sentOnce: number | null): number {
  return sentOnce === null ? acked : Math.max(0, Math.min(acked, sentOnce));
}

/** Payload that came: the received sequence numbers less the FIN where it has come, as the state tells. */
export function payloadReceived(received: number, state: number): number {
  const finished =
    state === SocketState.CLOSE_WAIT || state === SocketState.LAST_ACK || state === SocketState.CLOSING;
  return finished && received > 0 ? received - 1 : received;
}

/** A counter of 64 bits at view byte `at`: exact up to 2^53 bytes, which no connection reaches. */
export function uint64(view: DataView, at: number, littleEndian: boolean): number {
  const first = view.getUint32(at, littleEndian);
  const second = view.getUint32(at + 4, littleEndian);
  return littleEndian ? second * 2 ** 32 + first : first * 2 ** 32 + second;
}
