// Parses /proc/<pid>/net/netlink (net/netlink/af_netlink.c netlink_native_seq_show): the netlink sockets of a
// network namespace, including the kernel's own (port id 0).
//
//   sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
//
// Kernels have Drops since 2.6.32 and Inode since 3.10; before 3.10 Dump is a pointer. The table lacks type
// and state: the type is left 0, and the state is that of an unconnected socket, as in `ss`.

import { SocketFamily } from "../../../lib/gen/whotalks/v1/report.ts";
import type { FamilySocket } from "../../../lib/gen/whotalks/v1/report.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import { emptyFamilySocket } from "./family-socket.ts";
import type { FamilyTarget } from "./family-socket.ts";
import { FieldCursor, isHeader, parseLines } from "./table-lines.ts";
import type { TableParser } from "./table-lines.ts";

/** Creates a parser that appends a socket for each well-formed line. */
export function netNetlinkParser(target: FamilyTarget): TableParser {
  const cursor = new FieldCursor();
  return (bytes, start, end, atEnd) =>
    parseLines(bytes, start, end, atEnd, target.tally, (line, lineStart, lineEnd) => {
      if (isHeader(line, lineStart, "sk")) return true;
      cursor.begin(line, lineStart, lineEnd);
      const socket = parseLine(cursor);
      if (!cursor.ok) return false;
      target.append({ ...socket, namespace: target.namespaceId });
      return true;
    });
}

function parseLine(cursor: FieldCursor): FamilySocket {
  cursor.pointer();
  const number = cursor.decimal32();
  const portId = cursor.wrapped32();
  const groups = cursor.hex32();
  const recvQueue = cursor.decimal32();
  const sendQueue = cursor.decimal32();
  cursor.pointer();
  const references = cursor.decimal32();
  const drops = cursor.atEnd() ? 0 : cursor.decimal32();
  const inode = cursor.atEnd() ? 0 : cursor.decimal32();
  // Protocols are below MAX_LINKS of include/uapi/linux/netlink.h.
  if (!cursor.atEnd() || number >= 32) cursor.ok = false;
  return {
    ...emptyFamilySocket(SocketFamily.SOCKET_FAMILY_NETLINK),
    state: SocketState.CLOSE,
    inode,
    number,
    portId,
    groups,
    references,
    recvQueue,
    sendQueue,
    drops,
  };
}
