// Dumps what sock_diag knows about a network namespace's unix sockets beyond /proc/net/unix: the peer's inode,
// queues, owner and exact name (include/uapi/linux/unix_diag.h).

import { hostIsLittleEndian } from "../byte-order.ts";
import { AF_UNIX, EBADMSG, NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY } from "../constants.ts";
import { dump, dumpRequest, openNetlink } from "./netlink.ts";
import { inNetworkNamespace } from "../network-namespace.ts";
import { SyscallError, syscalls } from "../syscalls.ts";

const ALL_STATES = 0xffffffff;
const UDIAG_SHOW_NAME = 1;
const UDIAG_SHOW_PEER = 4;
const UDIAG_SHOW_RQLEN = 16;
const UDIAG_SHOW_UID = 64;

const UNIX_DIAG_NAME = 0;
const UNIX_DIAG_PEER = 2;
const UNIX_DIAG_RQLEN = 4;
const UNIX_DIAG_UID = 7;

const REQUEST_BYTES = 24;
/** struct unix_diag_msg. */
const MESSAGE_BYTES = 16;

/** Maximum unix sockets of one namespace: 2^20 of about 150 bytes; a larger dump is abandoned. */
const UNIX_DIAG_ROWS_MAX = 2 ** 20;

/** One unix socket as sock_diag reports it; what the kernel omits is 0 or null. */
export interface UnixDiagSocket {
  readonly inode: number;
  readonly type: number;
  readonly state: number;
  readonly peerInode: number;
  /** Unread bytes; for a listener, connections not yet accepted. */
  readonly recvQueue: number;
  readonly sendQueue: number;
  readonly uid: number;
  /** Path, or abstract name with '@' for each NUL as in /proc/net/unix; null if the socket has no name. */
  readonly name: string | null;
}

/** Parses a message's payload, bytes [start, end) of the view; null if it is malformed. Safe for any bytes. */
export function parseUnixDiag(
  view: DataView,
  start: number,
  end: number,
  littleEndian: boolean,
): UnixDiagSocket | null {
  if (start + MESSAGE_BYTES > end || end > view.byteLength || view.getUint8(start) !== AF_UNIX) return null;
  let peerInode = 0;
  let recvQueue = 0;
  let sendQueue = 0;
  let uid = 0;
  let name: string | null = null;
  // struct nlattr: length and type, two bytes each; attributes are aligned to four bytes.
  let position = start + MESSAGE_BYTES;
  while (position + 4 <= end) {
    const attributeBytes = view.getUint16(position, littleEndian);
    const type = view.getUint16(position + 2, littleEndian);
    const value = position + 4;
    const valueEnd = position + attributeBytes;
    if (attributeBytes < 4 || valueEnd > end) return null;
    const words = (valueEnd - value) >> 2;
    if (type === UNIX_DIAG_PEER && words >= 1) peerInode = view.getUint32(value, littleEndian);
    else if (type === UNIX_DIAG_UID && words >= 1) uid = view.getUint32(value, littleEndian);
    else if (type === UNIX_DIAG_NAME) name = decodeName(view, value, valueEnd);
    else if (type === UNIX_DIAG_RQLEN && words >= 2) {
      recvQueue = view.getUint32(value, littleEndian);
      sendQueue = view.getUint32(value + 4, littleEndian);
    }
    position = (valueEnd + 3) & ~3;
  }
  return {
    inode: view.getUint32(start + 4, littleEndian),
    type: view.getUint8(start + 1),
    state: view.getUint8(start + 2),
    peerInode,
    recvQueue,
    sendQueue,
    uid,
    name,
  };
}

const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

function decodeName(view: DataView, start: number, end: number): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + start, end - start);
  // An abstract name begins with NUL and all its bytes count; a path ends at its first NUL.
  if (bytes[0] === 0) return decoder.decode(bytes.map((byte) => (byte === 0 ? AT_SIGN : byte)));
  const terminator = bytes.indexOf(0);
  return decoder.decode(terminator < 0 ? bytes : bytes.subarray(0, terminator));
}

const AT_SIGN = 64;

/** Builds the request for every unix socket of a namespace. */
function unixDiagRequest(littleEndian: boolean): Uint8Array {
  const payload = new Uint8Array(REQUEST_BYTES);
  const view = new DataView(payload.buffer);
  view.setUint8(0, AF_UNIX);
  view.setUint32(4, ALL_STATES, littleEndian);
  view.setUint32(12, UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_UID, littleEndian);
  return dumpRequest(SOCK_DIAG_BY_FAMILY, payload, littleEndian);
}

/**
 * Dumps the unix sockets of the network namespace of a path like /proc/<pid>/ns/net, by inode. The netlink
 * socket is closed before this returns: an open one would keep the namespace alive. Throws the error of
 * opening the path, SyscallError if setns, the socket or the dump is refused, or RangeError past
 * UNIX_DIAG_ROWS_MAX.
 */
export function dumpUnixSockets(namespacePath: string): ReadonlyMap<number, UnixDiagSocket> {
  const sockets = new Map<number, UnixDiagSocket>();
  const descriptor = inNetworkNamespace(namespacePath, () => openNetlink(NETLINK_SOCK_DIAG));
  try {
    forEachUnixSocket(descriptor, (socket) => {
      if (sockets.size >= UNIX_DIAG_ROWS_MAX) throw new RangeError(`more than ${UNIX_DIAG_ROWS_MAX} of them`);
      sockets.set(socket.inode, socket);
    });
  } finally {
    syscalls().close(descriptor);
  }
  return sockets;
}

/** Dumps the unix sockets of a netlink socket's namespace. Throws SyscallError if the dump fails. */
export function forEachUnixSocket(descriptor: number, take: (socket: UnixDiagSocket) => void): void {
  dump(descriptor, unixDiagRequest(hostIsLittleEndian), (view, start, end) => {
    const socket = parseUnixDiag(view, start, end, hostIsLittleEndian);
    // In a dump with holes, existing sockets would seem to be missing.
    if (socket === null) throw new SyscallError("netlink dump", EBADMSG);
    take(socket);
  });
}
