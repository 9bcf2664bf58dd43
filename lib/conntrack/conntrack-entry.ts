// One conntrack entry: readers (netlink, text) fill it and tables copy it. It is reused, so that reading a
// table of a million entries allocates no object per entry.

import { FlowStatus } from "./flow-status.ts";
import { TupleKind } from "./tuple-kind.ts";

/** The optional fields of an entry, as bits: which of them its source reported. */
export const EntryField = {
  family: 1,
  timeout: 1 << 1,
  state: 1 << 2,
  counters: 1 << 3,
  mark: 1 << 4,
  zone: 1 << 5,
  start: 1 << 6,
  stop: 1 << 7,
  age: 1 << 8,
  references: 1 << 9,
  id: 1 << 10,
  greTimeouts: 1 << 11,
  /** Text only: IPv6 addresses were written without "::". */
  longAddresses: 1 << 12,
  /** Text only: the protocol was called "unknown" although other kernels have a name for it. */
  unnamedProtocol: 1 << 13,
} as const;

/** Which direction an entry's zone applies to: both, or one of the two tuples. */
export const ZoneDirection = { both: 0, original: 1, reply: 2 } as const;

/** Indexes into `addresses` (times four words) and `ports`. */
export const Place = {
  originalSource: 0,
  originalDestination: 1,
  replySource: 2,
  replyDestination: 3,
} as const;

/** One conntrack entry; fields whose bit is not set in `has` are meaningless. */
export class ConntrackEntry {
  /** Bits of EntryField. */
  has = 0;
  /** 4 or 6. */
  family = 4;
  /** IANA protocol number. */
  protocol = 0;
  /** TupleKind of the content of `ports`. */
  tuple: number = TupleKind.none;
  /** The kernel's number for the protocol's state. */
  state = 0;
  /** Bits of FlowStatus. */
  status = 0;
  /** Four addresses of four words in network order (IPv4 mapped), by Place. */
  readonly addresses = new Uint32Array(16);
  /**
   * By Place: ports; for gre its keys; for icmp, in each direction, the id as source and type * 256 + code as
   * destination.
   */
  readonly ports = new Uint16Array(4);
  /** Seconds until the entry expires if no packet refreshes it. */
  timeoutSeconds = 0;
  /** Packets and bytes of the original direction, then of the reply's. */
  readonly counters = new Float64Array(4);
  mark = 0;
  zone = 0;
  zoneDirection: number = ZoneDirection.both;
  /** Milliseconds since 1970 by the node's clock. */
  startMs = 0;
  stopMs = 0;
  /** Seconds since the start. */
  ageSeconds = 0;
  references = 0;
  /** The kernel's id of the entry: a hash that stays the same during the entry's life. */
  id = 0;
  greTimeout = 0;
  greStreamTimeout = 0;
  /** Text only; empty if absent. */
  securityContext = "";
  helper = "";
  labels = "";

  /** Clears all fields. */
  clear(): void {
    this.clearNumbers();
    this.addresses.fill(0);
    this.ageSeconds = 0;
    this.greTimeout = 0;
    this.greStreamTimeout = 0;
    this.securityContext = "";
    this.helper = "";
    this.labels = "";
  }

  /**
   * Clears what netlink messages report, except the addresses, which every valid message fills. A reader of
   * netlink messages needs no more, and clearing four arrays would cost as much as the parsing.
   */
  clearNumbers(): void {
    const { ports, counters } = this;
    if ((this.has & EntryField.counters) !== 0) counters[0] = counters[1] = counters[2] = counters[3] = 0;
    ports[0] = ports[1] = ports[2] = ports[3] = 0;
    this.has = 0;
    this.family = 4;
    this.protocol = 0;
    this.tuple = TupleKind.none;
    this.state = 0;
    this.status = 0;
    this.timeoutSeconds = 0;
    this.mark = 0;
    this.zone = 0;
    this.zoneDirection = ZoneDirection.both;
    this.startMs = 0;
    this.stopMs = 0;
    this.references = 0;
    this.id = 0;
  }
}

/**
 * The bits of FlowStatus that follow from the two tuples: source or destination was translated. The text forms
 * do not report them.
 */
export function translationOf({ addresses, ports, tuple }: ConntrackEntry): number {
  const withPorts = tuple === TupleKind.ports;
  const source = differ(addresses, ports, Place.originalSource, Place.replyDestination, withPorts);
  const destination = differ(addresses, ports, Place.originalDestination, Place.replySource, withPorts);
  return (source ? FlowStatus.sourceNat : 0) | (destination ? FlowStatus.destinationNat : 0);
}

function differ(
  addresses: Uint32Array,
  ports: Uint16Array,
  a: number,
  b: number,
  withPorts: boolean,
): boolean {
  for (let i = 0; i < 4; i++) if (addresses[a * 4 + i] !== addresses[b * 4 + i]) return true;
  return withPorts && ports[a] !== ports[b];
}
