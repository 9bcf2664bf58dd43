// The words for protocols, socket states and timers, and the kernel's numbers behind them.

import { flowProtocols } from "./conntrack/flow-words.ts";

/** IANA protocol numbers of the sockets that the tables hold, and 255 for raw sockets, which carry any protocol. */
export const Protocol = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132, udplite: 136, raw: 255 } as const;

const protocolWords = new Map<number, string>(
  Object.entries({ ...flowProtocols, ...Protocol }).map(([word, number]) => [number, word]),
);

/** Every word that protocolWord() gives. */
export const allProtocolWords: readonly string[] = [...protocolWords.values()];

/** The word for a protocol number; the number itself where there is none. */
export function protocolWord(number: number): string {
  return protocolWords.get(number) ?? String(number);
}

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

/** How an attempt to connect went that never became a connection. */
export const Attempt = {
  /** It is no such attempt, or that is not known. */
  none: 0,
  /** The other end answered with a reset. */
  refused: 1,
  /** Nobody answered. */
  unanswered: 2,
} as const;

const stateWords = new Map<number, string>(
  Object.entries(SocketState).map(([word, number]) => [number, word]),
);

/** The word for a socket state; UNKNOWN_<n> where the kernel has a newer one. NEW_SYN_RECV is shown as SYN_RECV. */
export function stateWord(state: number): string {
  if (state === SocketState.NEW_SYN_RECV) return "SYN_RECV";
  return stateWords.get(state) ?? `UNKNOWN_${state}`;
}

/** Every word that stateWord() gives for known states: what a filter may ask for. */
export const allStateWords: readonly string[] = Object.keys(SocketState).filter(
  (word) => word !== "NEW_SYN_RECV",
);

const timerWords = ["", "retransmit", "keepalive", "time-wait", "probe"] as const;

/** The word for a timer number of /proc/net/tcp's `tr` column; empty where none runs. */
export function timerWord(timer: number): string {
  return timerWords[timer] ?? "";
}
