// States of sockets and of conntrack's flows: the kernel's numbers, words and synonyms, and which states mean
// that a socket is closing or gone.

import { Protocol } from "./protocols.ts";
import { findWord } from "./word-list.ts";

/** Socket states as include/net/tcp_states.h numbers them. */
export const SocketState = {
  ESTABLISHED: 1,
  SYN_SENT: 2,
  SYN_RECV: 3,
  FIN_WAIT1: 4,
  FIN_WAIT2: 5,
  TIME_WAIT: 6,
  CLOSE: 7,
  CLOSE_WAIT: 8,
  LAST_ACK: 9,
  LISTEN: 10,
  CLOSING: 11,
  NEW_SYN_RECV: 12,
} as const;

const socketStateWords: ReadonlyMap<number, string> = new Map(
  Object.entries(SocketState).map(([word, number]) => [number, word]),
);

/**
 * The word for a socket state; UNKNOWN_<n> for a state of a newer kernel. NEW_SYN_RECV is shown as SYN_RECV.
 */
export function stateWord(state: number): string {
  if (state === SocketState.NEW_SYN_RECV) return "SYN_RECV";
  return socketStateWords.get(state) ?? `UNKNOWN_${state}`;
}

/** Whether a socket in this state was closed by its process: FIN_WAIT1 to CLOSE, LAST_ACK and CLOSING. */
export function isClosing(state: number): boolean {
  return (
    (state >= SocketState.FIN_WAIT1 && state <= SocketState.CLOSE) ||
    state === SocketState.LAST_ACK ||
    state === SocketState.CLOSING
  );
}

/** Whether this is the state of a connection request that was answered but not yet confirmed. */
export function isSynReceived(state: number): boolean {
  return state === SocketState.SYN_RECV || state === SocketState.NEW_SYN_RECV;
}

/**
 * Whether a socket is an end of a TCP connection that its kernel has counted as opened, or an attempt at one. A
 * half-open connection is counted once its handshake is over.
 */
export function isTcpEnd(protocol: number, state: number): boolean {
  return protocol === Protocol.tcp && state !== SocketState.LISTEN && !isSynReceived(state);
}

/**
 * Whether an entry in this state outlives its socket: TIME_WAIT, and the FIN_WAIT2 that the kernel keeps as a
 * TIME_WAIT entry.
 */
export function isTimeWaitState(state: number): boolean {
  return state === SocketState.TIME_WAIT || state === SocketState.FIN_WAIT2;
}

// Indexed by the kernel's numbers: enum tcp_conntrack, sctp_conntrack, ct_dccp_states.
const tcpFlowStates = [
  "NONE",
  "SYN_SENT",
  "SYN_RECV",
  "ESTABLISHED",
  "FIN_WAIT",
  "CLOSE_WAIT",
  "LAST_ACK",
  "TIME_WAIT",
  "CLOSE",
  "SYN_SENT2",
] as const;
const sctpFlowStates = [
  "NONE",
  "CLOSED",
  "COOKIE_WAIT",
  "COOKIE_ECHOED",
  "ESTABLISHED",
  "SHUTDOWN_SENT",
  "SHUTDOWN_RECD",
  "SHUTDOWN_ACK_SENT",
  "HEARTBEAT_SENT",
  "HEARTBEAT_ACKED",
] as const;
const dccpFlowStates = [
  "NONE",
  "REQUEST",
  "RESPOND",
  "PARTOPEN",
  "OPEN",
  "CLOSEREQ",
  "CLOSING",
  "TIMEWAIT",
  "IGNORE",
  "INVALID",
] as const;
const noStates: readonly string[] = [];

/** The state words of a protocol's flows, by the kernel's number; empty if its flows have no state. */
export function flowStates(protocol: number): readonly string[] {
  if (protocol === Protocol.tcp) return tcpFlowStates;
  if (protocol === Protocol.sctp) return sctpFlowStates;
  return protocol === Protocol.dccp ? dccpFlowStates : noStates;
}

/**
 * The word for a flow's state; empty if its protocol has no states, UNKNOWN_<n> for a state of a newer kernel.
 */
export function flowStateWord(protocol: number, state: number): string {
  const states = flowStates(protocol);
  return states.length === 0 ? "" : (states[state] ?? `UNKNOWN_${state}`);
}

/** States of TCP flows that affect decisions (include/uapi/linux/netfilter/nf_conntrack_tcp.h). */
export const TcpFlowState = {
  none: 0,
  synSent: 1,
  synReceived: 2,
  established: 3,
  finWait: 4,
  closeWait: 5,
  lastAck: 6,
  timeWait: 7,
  close: 8,
  synSent2: 9,
} as const;

/** The words for all known states of sockets, then of flows: what a filter may name. */
export const stateWords: readonly string[] = [
  ...new Set([
    ...Object.values(SocketState).map(stateWord),
    ...tcpFlowStates,
    ...sctpFlowStates,
    ...dccpFlowStates,
  ]),
];

/** Spellings of ss, netstat, BSD and RFC 9293. */
const synonyms: Readonly<Record<string, string>> = {
  ESTAB: "ESTABLISHED",
  SYN_RCVD: "SYN_RECV",
  SYN_RECEIVED: "SYN_RECV",
  NEW_SYN_RECV: "SYN_RECV",
  FIN_WAIT_1: "FIN_WAIT1",
  FIN_WAIT_2: "FIN_WAIT2",
  LISTENING: "LISTEN",
  UNCONN: "CLOSE",
};

/**
 * The word that answers use for the state that a filter names (`FIN_WAIT1` for `fin-wait-1`); null if unknown.
 */
export function normalizeState(text: string): string | null {
  return findWord(stateWords, text, synonyms);
}
