// What a socket's columns say of its part in a conversation: pure functions of protocol, state and inode.

import { Protocol, SocketState } from "../../../lib/words.ts";
import { SocketKind } from "../store/socket-store.ts";

/** Ports that Linux gives to clients unless told otherwise (net.ipv4.ip_local_port_range). */
const EPHEMERAL_FIRST = 32_768;
const EPHEMERAL_LAST = 60_999;

/**
 * Whether an internet socket listens, is one end of a conversation, or neither (a TCP socket bound or closed without a
 * remote address). Unconnected datagram and raw sockets accept from anyone: they listen.
 */
export function kindOf(protocol: number, state: number, remoteWildcard: boolean, remotePort: number): number {
  if (protocol === Protocol.tcp && state === SocketState.LISTEN) return SocketKind.listener;
  if (!remoteWildcard || remotePort !== 0) return SocketKind.end;
  return protocol === Protocol.tcp ? SocketKind.idle : SocketKind.listener;
}

/** Whether a TCP state comes after this end has said goodbye: nothing leads from it back to a state that is not. */
export function isFinal(state: number): boolean {
  switch (state) {
    case SocketState.FIN_WAIT1:
    case SocketState.FIN_WAIT2:
    case SocketState.TIME_WAIT:
    case SocketState.CLOSE:
    case SocketState.LAST_ACK:
    case SocketState.CLOSING:
      return true;
    default:
      return false;
  }
}

/** Whether a TCP end in this state counts as open: what remains in TIME_WAIT or CLOSE only waits to be forgotten. */
export function isOpen(protocol: number, state: number): boolean {
  if (protocol !== Protocol.tcp) return true;
  return state !== SocketState.TIME_WAIT && state !== SocketState.CLOSE;
}

/** Whether a TCP end in this state has not yet heard from the other one. */
export function isPending(protocol: number, state: number): boolean {
  if (protocol !== Protocol.tcp) return false;
  return state === SocketState.SYN_SENT || isSynReceived(state);
}

export function isSynReceived(state: number): boolean {
  return state === SocketState.SYN_RECV || state === SocketState.NEW_SYN_RECV;
}

/**
 * Whether a socket is the same end of the same conversation as one with the same tuple in the same namespace before.
 * A connection not yet accepted has inode 0 and gets one by accept(); close() takes the inode away and the orphan goes
 * on through FIN_WAIT and TIME_WAIT. No TCP state leads from those back to an open one: that is the port used again.
 */
export function continues(
  protocol: number,
  stateBefore: number,
  inodeBefore: number,
  stateNow: number,
  inodeNow: number,
): boolean {
  if (protocol !== Protocol.tcp) return inodeBefore === inodeNow;
  if (isFinal(stateBefore) && !isFinal(stateNow)) return false;
  if (inodeBefore === inodeNow) return true;
  if (inodeBefore === 0) return !isFinal(stateBefore);
  return inodeNow === 0 && isFinal(stateNow);
}

/** Whether a port is of those that clients get by themselves. */
export function isEphemeral(port: number): boolean {
  return port >= EPHEMERAL_FIRST && port <= EPHEMERAL_LAST;
}

/** The port that tells raw sockets apart: they have none, what stands for it is the IP protocol, on both sides. */
export function pairedRemotePort(protocol: number, localPort: number, remotePort: number): number {
  return protocol === Protocol.raw && remotePort === 0 ? localPort : remotePort;
}
