// sock_diag's messages about netlink and packet sockets (include/uapi/linux/{netlink,packet}_diag.h). There
// are few of them, so each becomes an object.

import { SocketFamily } from "../../../../lib/gen/whotalks/v1/report.ts";
import type { FamilySocket } from "../../../../lib/gen/whotalks/v1/report.ts";
import { SocketState } from "../../../../lib/vocabulary/states.ts";
import { emptyFamilySocket } from "../../procfs/family-socket.ts";
import { AF_NETLINK, AF_PACKET, SK_MEMINFO_DROPS, SOCK_DIAG_BY_FAMILY } from "../constants.ts";
import { dumpRequest } from "./netlink.ts";

/** struct netlink_diag_req and struct packet_diag_req have the same layout. */
const REQUEST_BYTES = 20;
const NETLINK_MESSAGE_BYTES = 28;
const PACKET_MESSAGE_BYTES = 16;

const NDIAG_PROTO_ALL = 255;
const NDIAG_SHOW_MEMINFO = 1;
const NDIAG_SHOW_GROUPS = 2;
const NETLINK_DIAG_MEMINFO = 0;
const NETLINK_DIAG_GROUPS = 1;

const PACKET_SHOW_INFO = 1;
const PACKET_SHOW_MEMINFO = 16;
const PACKET_DIAG_INFO = 0;
const PACKET_DIAG_UID = 5;
const PACKET_DIAG_MEMINFO = 6;

// Indexes into the words of *_DIAG_MEMINFO (include/uapi/linux/sock_diag.h).
const SK_MEMINFO_RMEM_ALLOC = 0;
const SK_MEMINFO_WMEM_ALLOC = 2;
const MEMINFO_BYTES = 36;

/** Builds the request for every netlink socket of a namespace. */
export function netlinkDiagRequest(littleEndian: boolean): Uint8Array {
  return request(AF_NETLINK, NDIAG_PROTO_ALL, NDIAG_SHOW_MEMINFO | NDIAG_SHOW_GROUPS, littleEndian);
}

/** Builds the request for every packet socket of a namespace. */
export function packetDiagRequest(littleEndian: boolean): Uint8Array {
  return request(AF_PACKET, 0, PACKET_SHOW_INFO | PACKET_SHOW_MEMINFO, littleEndian);
}

function request(family: number, protocol: number, show: number, littleEndian: boolean): Uint8Array {
  const payload = new Uint8Array(REQUEST_BYTES);
  const view = new DataView(payload.buffer);
  view.setUint8(0, family);
  view.setUint8(1, protocol);
  view.setUint32(8, show, littleEndian);
  return dumpRequest(SOCK_DIAG_BY_FAMILY, payload, littleEndian);
}

/**
 * Parses a netlink socket from a message's payload, bytes [start, end) of the view; null if it is malformed.
 * The state is that of an unconnected socket and the type 0, as in /proc/net/netlink. Safe for any bytes.
 */
export function parseNetlinkDiag(
  view: DataView,
  start: number,
  end: number,
  littleEndian: boolean,
): FamilySocket | null {
  if (start + NETLINK_MESSAGE_BYTES > end || end > view.byteLength || view.getUint8(start) !== AF_NETLINK)
    return null;
  const socket: FamilySocket = {
    ...emptyFamilySocket(SocketFamily.SOCKET_FAMILY_NETLINK),
    state: SocketState.CLOSE,
    number: view.getUint8(start + 2),
    portId: view.getUint32(start + 4, littleEndian),
    inode: view.getUint32(start + 16, littleEndian),
  };
  const sound = forEachAttribute(
    view,
    start + NETLINK_MESSAGE_BYTES,
    end,
    littleEndian,
    (type, at, bytes) => {
      if (type === NETLINK_DIAG_GROUPS && bytes >= 4) socket.groups = view.getUint32(at, littleEndian);
      else if (type === NETLINK_DIAG_MEMINFO && bytes >= MEMINFO_BYTES)
        readMemory(view, at, littleEndian, socket);
    },
  );
  return sound ? socket : null;
}

/**
 * Parses a packet socket from a message's payload, bytes [start, end) of the view; null if it is malformed.
 */
export function parsePacketDiag(
  view: DataView,
  start: number,
  end: number,
  littleEndian: boolean,
): FamilySocket | null {
  if (start + PACKET_MESSAGE_BYTES > end || end > view.byteLength || view.getUint8(start) !== AF_PACKET)
    return null;
  const socket: FamilySocket = {
    ...emptyFamilySocket(SocketFamily.SOCKET_FAMILY_PACKET),
    state: SocketState.CLOSE,
    type: view.getUint8(start + 1),
    number: view.getUint16(start + 2, littleEndian),
    inode: view.getUint32(start + 4, littleEndian),
  };
  const sound = forEachAttribute(view, start + PACKET_MESSAGE_BYTES, end, littleEndian, (type, at, bytes) => {
    if (type === PACKET_DIAG_INFO && bytes >= 4) socket.interfaceIndex = view.getUint32(at, littleEndian);
    else if (type === PACKET_DIAG_UID && bytes >= 4) socket.uid = view.getUint32(at, littleEndian);
    else if (type === PACKET_DIAG_MEMINFO && bytes >= MEMINFO_BYTES) {
      readMemory(view, at, littleEndian, socket);
      // /proc/net/packet has no columns for these: a socket must not look changed when another reader reads
      // it.
      socket.sendQueue = 0;
      socket.drops = 0;
    }
  });
  return sound ? socket : null;
}

function readMemory(view: DataView, at: number, littleEndian: boolean, socket: FamilySocket): void {
  socket.recvQueue = view.getUint32(at + 4 * SK_MEMINFO_RMEM_ALLOC, littleEndian);
  socket.sendQueue = view.getUint32(at + 4 * SK_MEMINFO_WMEM_ALLOC, littleEndian);
  socket.drops = view.getUint32(at + 4 * SK_MEMINFO_DROPS, littleEndian);
}

// struct nlattr: length and type, two bytes each; attributes are aligned to four bytes. Returns false if one
// does not fit.
function forEachAttribute(
  view: DataView,
  from: number,
  end: number,
  littleEndian: boolean,
  take: (type: number, at: number, bytes: number) => void,
): boolean {
  let position = from;
  while (position + 4 <= end) {
    const bytes = view.getUint16(position, littleEndian);
    if (bytes < 4 || position + bytes > end) return false;
    take(view.getUint16(position + 2, littleEndian), position + 4, bytes - 4);
    position = (position + bytes + 3) & ~3;
  }
  return true;
}
