// Maps unix, netlink and packet sockets to columns of the socket table.

import type { FamilySocket } from "../../../../lib/gen/whotalks/v1/report.ts";
import { SocketFamily } from "../../../../lib/gen/whotalks/v1/report.ts";
import { SocketState } from "../../../../lib/vocabulary/states.ts";
import { Family } from "../../../../lib/vocabulary/protocols.ts";
import { SocketKind } from "./socket-rows.ts";

/** The number of a family in the protocol column. */
export function familyProtocol(family: SocketFamily): number {
  switch (family) {
    case SocketFamily.SOCKET_FAMILY_UNIX:
      return Family.unix;
    case SocketFamily.SOCKET_FAMILY_NETLINK:
      return Family.netlink;
    case SocketFamily.SOCKET_FAMILY_PACKET:
    case SocketFamily.SOCKET_FAMILY_UNSPECIFIED:
      return Family.packet;
  }
}

/**
 * The value of the local address column: a unix socket's inode, a netlink socket's port id, a packet socket's
 * interface.
 */
export function familyNumber(socket: FamilySocket): number {
  const protocol = familyProtocol(socket.family);
  if (protocol === Family.unix) return socket.inode >>> 0;
  return (protocol === Family.netlink ? socket.portId : socket.interfaceIndex) >>> 0;
}

/**
 * Netlink and packet sockets accept from anyone, so they are listeners. A unix socket is a listener if it
 * listens, or if others can send to its name without a connection; it is an end if it has a peer or is
 * ESTABLISHED; otherwise it is idle.
 */
export function familyKind(socket: FamilySocket): number {
  if (socket.family !== SocketFamily.SOCKET_FAMILY_UNIX) return SocketKind.listener;
  if (socket.state === SocketState.LISTEN) return SocketKind.listener;
  if (socket.peerInode !== 0) return SocketKind.end;
  if (socket.state === SocketState.ESTABLISHED) return socket.inode === 0 ? SocketKind.idle : SocketKind.end;
  return socket.path === "" ? SocketKind.idle : SocketKind.listener;
}
