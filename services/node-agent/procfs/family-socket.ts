// Shared by the parsers of /proc/<pid>/net/{unix,netlink,packet}: an empty row, and the target of rows.

import type { FamilySocket, SocketFamily } from "../../../lib/gen/whotalks/v1/report.ts";
import type { TableTally } from "./table-lines.ts";

/** The target of these families' sockets and what the sockets have in common. */
export interface FamilyTarget {
  readonly namespaceId: number;
  readonly tally: TableTally;
  /** Adds one socket; its id and firstSeen are 0. */
  append(socket: FamilySocket): void;
}

/** Returns a socket of which only the family is known. */
export function emptyFamilySocket(family: SocketFamily): FamilySocket {
  return {
    id: 0,
    namespace: 0,
    family,
    type: 0,
    state: 0,
    inode: 0,
    peerInode: 0,
    path: "",
    number: 0,
    portId: 0,
    groups: 0,
    interfaceIndex: 0,
    uid: 0,
    references: 0,
    recvQueue: 0,
    sendQueue: 0,
    drops: 0,
    firstSeen: 0,
  };
}
