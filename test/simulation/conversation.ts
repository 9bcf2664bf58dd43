// A conversation and what it leaves in the kernels of a cluster: its witnesses. Times are in milliseconds
// since the beginning of the history.

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
  /** Whether a reader has asked for its cookie while it lived. */
  wasAsked: boolean;
  readonly bornMs: number;
  /** When it is accepted; before that no file refers to it. */
  readonly acceptedMs: number;
  /** When the other end has said goodbye. */
  readonly halfClosedMs: number;
  readonly destroyedMs: number;
  /** What the kernel keeps after the socket: FIN_WAIT2 until one time, TIME_WAIT until another. */
  entry: { readonly timeWaitMs: number; untilMs: number } | null;
  /** Whether it has lost its remote port and its counters when it is destroyed, by a reset of its own. */
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
  /** When the conversation in it is over. */
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
  /** One for each node on the way, in the order of the way. */
  readonly flows: readonly Flow[];
}

/** All that happens. */
export interface History {
  readonly sockets: readonly Socket[];
  readonly flows: readonly Flow[];
  readonly conversations: readonly Conversation[];
}

/** What a conversation carries: figures of its own, so that none is taken for another's. */
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

/** Whether two programs are in one network namespace. */
export function shareNamespace(a: Place, b: Place): boolean {
  return a.node === b.node && a.namespace === b.namespace;
}

/** Whether a flow translates an address or a port. */
export function isTranslation({ original, reply }: Flow): boolean {
  return !isSpot(original[0], reply[1]) || !isSpot(original[1], reply[0]);
}
