// The part of a tuple that distinguishes flows of one protocol between the same two addresses.

import { Protocol } from "../vocabulary/protocols.ts";

/** What distinguishes flows of one protocol besides their addresses. */
export const TupleKind = { none: 0, ports: 1, icmp: 2, greKeys: 3 } as const;

/** Returns what a protocol's tuples contain besides addresses. */
export function tupleKind(protocol: number): number {
  switch (protocol) {
    case Protocol.tcp:
    case Protocol.udp:
    case Protocol.udplite:
    case Protocol.sctp:
    case Protocol.dccp:
      return TupleKind.ports;
    case Protocol.icmp:
    case Protocol.icmpv6:
      return TupleKind.icmp;
    case Protocol.gre:
      return TupleKind.greKeys;
    default:
      return TupleKind.none;
  }
}
