// A socket's role in a conversation: pure functions of protocol, state and inode.

import { isClosing, isSynReceived, SocketState } from "../../../../lib/vocabulary/states.ts";
import { Protocol } from "../../../../lib/vocabulary/protocols.ts";
import { SocketKind } from "./socket-rows.ts";

/** Linux's default range of ephemeral ports (net.ipv4.ip_local_port_range). */
const EPHEMERAL_FIRST = 32_768;
const EPHEMERAL_LAST = 60_999;

/**
 * Whether an internet socket is a listener, an end of a conversation, or idle (a TCP socket bound or closed
 * without a remote address), as SocketKind. Unconnected datagram and raw sockets accept from anyone, so they
 * are listeners.
 */
export function kindOf(protocol: number, state: number, remoteWildcard: boolean, remotePort: number): number {
  if (protocol === Protocol.tcp && state === SocketState.LISTEN) return SocketKind.listener;
  if (!remoteWildcard || remotePort !== 0) return SocketKind.end;
  return protocol === Protocol.tcp ? SocketKind.idle : SocketKind.listener;
}

/** Whether an end in this state counts as open: TIME_WAIT and CLOSE do not. */
export function isOpen(protocol: number, state: number): boolean {
  if (protocol !== Protocol.tcp) return true;
  return state !== SocketState.TIME_WAIT && state !== SocketState.CLOSE;
}

/** Whether a TCP end in this state has not finished its handshake. */
export function isHandshaking(protocol: number, state: number): boolean {
  if (protocol !== Protocol.tcp) return false;
  return state === SocketState.SYN_SENT || isSynReceived(state);
}

/**
 * Whether a socket is the same end of the same conversation as an earlier one with its tuple in its namespace.
 * A connection not yet accepted has inode 0 and gets one by accept(); close() removes the inode, and the
 * orphan continues through FIN_WAIT and TIME_WAIT. No TCP state leads from those back to an open one, so an
 * open one means that the port was reused.
 */
export function continues(
  protocol: number,
  stateBefore: number,
  inodeBefore: number,
  stateNow: number,
  inodeNow: number,
): boolean {
  if (protocol !== Protocol.tcp) return inodeBefore === inodeNow;
  if (isClosing(stateBefore) && !isClosing(stateNow)) return false;
  if (inodeBefore === inodeNow) return true;
  if (inodeBefore === 0) return !isClosing(stateBefore);
  return inodeNow === 0 && isClosing(stateNow);
}

/** Whether a port is in the default ephemeral range. */
export function isEphemeral(port: number): boolean {
  return port >= EPHEMERAL_FIRST && port <= EPHEMERAL_LAST;
}

/**
 * The port that identifies a raw socket's peer: raw sockets have none, so the IP protocol replaces it on both
 * sides.
 */
export function pairedRemotePort(protocol: number, localPort: number, remotePort: number): number {
  return protocol === Protocol.raw && remotePort === 0 ? localPort : remotePort;
}
