// Parses /proc/<pid>/net/unix (net/unix/af_unix.c unix_seq_show): the unix sockets of a network namespace.
//
//   Num: RefCount Protocol Flags Type St Inode Path
//
// The table lacks peers, queues and owners; kernel/netlink/unix-diag.ts has them. A path may contain any byte
// but NUL, including newlines, and extends to the end of the line; the rest of a path after a newline is
// counted as a malformed line.

import { SocketFamily } from "../../../lib/gen/whotalks/v1/report.ts";
import type { FamilySocket } from "../../../lib/gen/whotalks/v1/report.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import { emptyFamilySocket } from "./family-socket.ts";
import type { FamilyTarget } from "./family-socket.ts";
import { BLANK, FieldCursor, isHeader, NEWLINE, parseLines } from "./table-lines.ts";
import type { TableParser } from "./table-lines.ts";

/** SO_ACCEPTCON of include/uapi/linux/net.h: the socket listens. */
const FLAG_LISTENS = 0x10000;

// include/uapi/linux/net.h socket_state: an end that is connected but not yet accepted is "connecting".
const CONNECTING = 2;
const CONNECTED = 3;
const DISCONNECTING = 4;

const COLON = 58;

/** Creates a parser that appends a socket for each well-formed line; peerInode, uid and queues are 0. */
export function netUnixParser(target: FamilyTarget): TableParser {
  const cursor = new FieldCursor();
  return (bytes, start, end, atEnd) =>
    parseLines(bytes, start, end, atEnd, target.tally, (line, lineStart, lineEnd) => {
      if (isHeader(line, lineStart, "Num")) return true;
      const socket = parseLine(cursor, line, lineStart, lineEnd);
      if (socket === null) return false;
      target.append({ ...socket, namespace: target.namespaceId });
      return true;
    });
}

function parseLine(cursor: FieldCursor, line: Uint8Array, start: number, end: number): FamilySocket | null {
  cursor.begin(line, start, end);
  cursor.pointer();
  cursor.expect(COLON);
  const references = cursor.hex32();
  cursor.hex32();
  const flags = cursor.hex32();
  const type = cursor.hex32();
  const state = cursor.hex32();
  const inode = cursor.decimal();
  const complete = line[end] === NEWLINE;
  // Types are 1 to 10 (include/linux/net.h); inode numbers of sockets have 32 bits.
  if (!cursor.ok || type < 1 || type > 10 || state > DISCONNECTING || inode > 0xffffffff) return null;
  if (!complete && cursor.at < end) return null;
  const path = cursor.at < end && line[cursor.at] === BLANK ? decode(line, cursor.at + 1, end) : "";
  return {
    ...emptyFamilySocket(SocketFamily.SOCKET_FAMILY_UNIX),
    type,
    state: stateOf(flags, state),
    inode,
    path,
    references,
  };
}

// Converts the table's flag and state, which uses another numbering, to sock_diag's state number.
function stateOf(flags: number, state: number): number {
  if ((flags & FLAG_LISTENS) !== 0) return SocketState.LISTEN;
  return state === CONNECTED || state === CONNECTING ? SocketState.ESTABLISHED : SocketState.CLOSE;
}

const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

function decode(bytes: Uint8Array, start: number, end: number): string {
  return decoder.decode(bytes.subarray(start, end));
}
