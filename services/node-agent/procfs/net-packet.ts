// Parses /proc/<pid>/net/packet (net/packet/af_packet.c packet_seq_show): the packet sockets of a network
// namespace, which see the frames of one interface or of all.
//
//   sk RefCnt Type Proto Iface R Rmem User Inode
//
// The table lacks the state: it is set to that of an unconnected socket, as in `ss`.

import { SocketFamily } from "../../../lib/gen/whotalks/v1/report.ts";
import type { FamilySocket } from "../../../lib/gen/whotalks/v1/report.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import { emptyFamilySocket } from "./family-socket.ts";
import type { FamilyTarget } from "./family-socket.ts";
import { FieldCursor, isHeader, parseLines } from "./table-lines.ts";
import type { TableParser } from "./table-lines.ts";

/** Creates a parser that appends a socket for each well-formed line. */
export function netPacketParser(target: FamilyTarget): TableParser {
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
  const references = cursor.decimal32();
  const type = cursor.decimal32();
  const number = cursor.hex32();
  const interfaceIndex = cursor.decimal32();
  cursor.decimal32();
  const recvQueue = cursor.decimal32();
  const uid = cursor.wrapped32();
  const inode = cursor.decimal32();
  // Types are 1 to 10 (include/linux/net.h); ethertypes have 16 bits.
  if (!cursor.atEnd() || type < 1 || type > 10 || number > 0xffff) cursor.ok = false;
  return {
    ...emptyFamilySocket(SocketFamily.SOCKET_FAMILY_PACKET),
    type,
    state: SocketState.CLOSE,
    inode,
    number,
    interfaceIndex,
    uid,
    references,
    recvQueue,
  };
}
