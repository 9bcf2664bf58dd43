// A conversation and its traces in the kernels of a cluster: its witnesses. Times are in milliseconds since
// the start of the history.

import type { Address, Node, Place } from "./cluster.ts";
import type { Talk } from "./scenario.ts";

/** An address and a port. */
export interface Spot {
  readonly address: Address;
  readonly port: number;
}

/** A socket. */
export interface Socket {
  readonly place: Place;
  readonly protocol: "tcp" | "udp";
  readonly family: 4 | 6;
  readonly kind: "end" | "listener";
  readonly local: Spot;
  readonly remote: Spot;
  readonly inode: number;
  readonly cookie: number;
  /** Whether a reader requested its cookie while it existed. */
  wasAsked: boolean;
  readonly bornMs: number;
  /** When it is accepted; before, no file refers to it. */
  readonly acceptedMs: number;
  /** When the other end has closed. */
  readonly halfClosedMs: number;
  readonly destroyedMs: number;
  /**
   * The entry that the kernel keeps after the socket: FIN_WAIT2 until `timeWaitMs`, TIME_WAIT until `untilMs`.
   */
  entry: { readonly timeWaitMs: number; untilMs: number } | null;
  /**
   * Whether it has lost its remote port and its counters when it is destroyed, because it was reset locally.
   */
  readonly losesPort: boolean;
  readonly sent: number;
  readonly received: number;
}

/**
 * A conntrack entry of a node's own namespace: the tuples of its two directions, each a source and a
 * destination.
 */
export interface Flow {
  readonly node: Node;
  readonly protocol: "tcp" | "udp";
  readonly family: 4 | 6;
  readonly original: readonly [Spot, Spot];
  readonly reply: readonly [Spot, Spot];
  readonly bornMs: number;
  /** When its conversation ends. */
  endMs: number;
  goneMs: number;
  readonly reset: boolean;
}

/** A conversation and its witnesses. */
export interface Conversation {
  readonly number: number;
  readonly talk: Talk;
  readonly startMs: number;
  readonly endMs: number;
  /** Null outside the cluster. */
  readonly clientPlace: Place | null;
  readonly serverPlace: Place | null;
  readonly client: Spot;
  readonly dialled: Spot;
  readonly server: Spot;
  /** The client's address and port as the server sees them. */
  readonly seenAs: Spot;
  readonly clientSocket: Socket | null;
  /** Null for datagrams, which a listener receives. */
  readonly serverSocket: Socket | null;
  /** One per node on the path, in order. */
  readonly flows: readonly Flow[];
}

/** Everything that happens. */
export interface History {
  readonly sockets: readonly Socket[];
  readonly flows: readonly Flow[];
  readonly conversations: readonly Conversation[];
}

/** The bytes of a conversation: unique figures, so that none can be mistaken for another's. */
export function bytesOf(number: number): { readonly toServer: number; readonly toClient: number } {
  return { toServer: 100 + number * 2, toClient: 10_000 + number * 2 };
}

/** Whether a client sends without connecting its socket. */
export function isUnconnected({ protocol, connects }: Talk): boolean {
  return protocol === "udp" && !connects;
}

/** Whether two are the same address and port. */
export function isSpot(a: Spot, b: Spot): boolean {
  return a.port === b.port && a.address.text === b.address.text;
}

/** Whether two pairs of source and destination are the same. */
export function isPair(a: readonly [Spot, Spot], b: readonly [Spot, Spot]): boolean {
  return isSpot(a[0], b[0]) && isSpot(a[1], b[1]);
}

/** Whether two programs are in the same network namespace. */
export function shareNamespace(a: Place, b: Place): boolean {
  return a.node === b.node && a.namespace === b.namespace;
}

/** Whether a flow translates an address or a port. */
export function isTranslation({ original, reply }: Flow): boolean {
  return !isSpot(original[0], reply[1]) || !isSpot(original[1], reply[0]);
}
