// The words for what conntrack tells of a flow, and the kernel's numbers behind them: protocols, states, status bits.

/** Protocols that conntrack has a name for (net/netfilter/nf_conntrack_standalone.c l4proto_name). */
export const flowProtocols = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  dccp: 33,
  gre: 47,
  icmpv6: 58,
  sctp: 132,
  udplite: 136,
} as const;

const protocolWords = new Map<number, string>(
  Object.entries(flowProtocols).map(([word, number]) => [number, word]),
);

/** The word that conntrack's tables have for a protocol; "unknown" where they have none. */
export function flowProtocolWord(protocol: number): string {
  return protocolWords.get(protocol) ?? "unknown";
}

// Indexes are the kernel's numbers: enum tcp_conntrack, sctp_conntrack, ct_dccp_states.
const tcpStates = [
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
const sctpStates = [
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
const dccpStates = [
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

/** The state words of a protocol, by the kernel's number; empty where its flows have no state. */
export function flowStates(protocol: number): readonly string[] {
  if (protocol === flowProtocols.tcp) return tcpStates;
  if (protocol === flowProtocols.sctp) return sctpStates;
  return protocol === flowProtocols.dccp ? dccpStates : noStates;
}

/** Every word that flowStateWord() gives for known states: what a filter may ask for. */
export const allFlowStateWords: readonly string[] = [
  ...new Set([...tcpStates, ...sctpStates, ...dccpStates]),
];

/** The word for a flow's state; empty where its protocol has none, UNKNOWN_<n> where the kernel has a newer one. */
export function flowStateWord(protocol: number, state: number): string {
  const states = flowStates(protocol);
  return states.length === 0 ? "" : (states[state] ?? `UNKNOWN_${state}`);
}

/** States of TCP flows that decisions rest on (include/uapi/linux/netfilter/nf_conntrack_tcp.h). */
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

/** Bits of a flow's status (include/uapi/linux/netfilter/nf_conntrack_common.h, enum ip_conntrack_status). */
export const FlowStatus = {
  expected: 1,
  seenReply: 1 << 1,
  assured: 1 << 2,
  confirmed: 1 << 3,
  sourceNat: 1 << 4,
  destinationNat: 1 << 5,
  dying: 1 << 9,
  offload: 1 << 14,
  hardwareOffload: 1 << 15,
} as const;

/** What tells one flow of a protocol from another beside its addresses. */
export const TupleKind = { none: 0, ports: 1, icmp: 2, greKeys: 3 } as const;

/** What the tuples of a protocol have beside addresses. */
export function tupleKind(protocol: number): number {
  switch (protocol) {
    case flowProtocols.tcp:
    case flowProtocols.udp:
    case flowProtocols.udplite:
    case flowProtocols.sctp:
    case flowProtocols.dccp:
      return TupleKind.ports;
    case flowProtocols.icmp:
    case flowProtocols.icmpv6:
      return TupleKind.icmp;
    case flowProtocols.gre:
      return TupleKind.greKeys;
    default:
      return TupleKind.none;
  }
}
