// A datagram server that never connects has one socket for all its clients: the clients' connected sockets join with it.
// Which one it is follows from where the client's datagrams go: in which namespace the address is local, and who is
// bound to the port there.

import { Protocol } from "../../../lib/words.ts";
import { Family } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";
import type { EndpointKeys } from "./endpoint-keys.ts";
import type { FamilyListeners } from "./family-listeners.ts";
import type { ListenerIndex } from "./listener-index.ts";
import { NO_LISTENER, SEVERAL_LISTENERS } from "./listener-index.ts";

/** What is asked to find a datagram's receiver. */
export interface DatagramParts {
  readonly tables: Tables;
  readonly listeners: ListenerIndex;
  readonly familyListeners: FamilyListeners;
  readonly keys: EndpointKeys;
}

/** Whether conversations of this protocol may have a listener as their server's end. */
export function isDatagram(protocol: number): boolean {
  return protocol === Protocol.udp || protocol === Protocol.udplite || protocol === Family.unix;
}

/** Where datagrams go: an address by number, and a port. */
export interface DatagramTarget {
  readonly address: number;
  readonly port: number;
}

/**
 * The listener that gets what an end sends; NO_LISTENER where none is known, SEVERAL_LISTENERS where more than one.
 * `translatedTo` is where it really goes, where a flow tells that this is not where the end sends it.
 */
export function findDatagramServer(
  parts: DatagramParts,
  slot: number,
  translatedTo: DatagramTarget | null = null,
): number {
  const { tables, familyListeners } = parts;
  const { sockets, namespaces } = tables;
  const namespace = sockets.namespace(slot);
  const target = translatedTo ?? { address: sockets.remoteAddress(slot), port: sockets.remotePort(slot) };
  const remote = target.address;
  if (sockets.protocol(slot) === Family.unix)
    return familyListeners.find(namespaces.nodeOf(namespace), remote);
  const inScope = tables.addresses.isLoopback(remote) || remote === sockets.localAddress(slot);
  const timeMs = tables.connections.firstSeenMs[sockets.connection(slot)]!;
  const sender = { protocol: sockets.protocol(slot), namespace, timeMs };
  if (inScope) return listenerIn(parts, sender.protocol, namespace, target);
  return findListenerAt(parts, sender, target);
}

/** Who sends datagrams: in which namespace, when. */
export interface DatagramSender {
  readonly protocol: number;
  readonly namespace: number;
  readonly timeMs: number;
}

/** The listener that gets datagrams at a place; NO_LISTENER where none is known, SEVERAL_LISTENERS where more than one. */
export function findListenerAt(parts: DatagramParts, sender: DatagramSender, target: DatagramTarget): number {
  const { protocol, namespace, timeMs } = sender;
  const { tables } = parts;
  if (tables.addresses.isLoopback(target.address)) return listenerIn(parts, protocol, namespace, target);
  let found = NO_LISTENER;
  for (const owner of ownersOf(tables, target.address, timeMs)) {
    const listener = listenerIn(parts, protocol, owner, target);
    if (listener === NO_LISTENER) continue;
    if (owner === namespace) return listener;
    if (found !== NO_LISTENER) return SEVERAL_LISTENERS;
    found = listener;
  }
  return found;
}

function listenerIn(
  { listeners, keys }: DatagramParts,
  protocol: number,
  namespace: number,
  { address, port }: DatagramTarget,
): number {
  return listeners.find(namespace, protocol, address, port, (a, b) => keys.areAlike(a, b));
}

/** The network namespaces that an address belongs to, as far as they are known. */
export function ownersOf(tables: Tables, address: number, timeMs: number): number[] {
  const { localAddresses, addresses, namespaces, identity } = tables;
  const known = localAddresses.namespacesOf(address);
  if (known.length > 0) return known;
  const owner = identity.addressOwner(addresses.text(address), timeMs);
  let namespace = -1;
  if (owner.kind === "pod" && !owner.pod.hostNetwork) namespace = namespaces.ofPod(owner.pod.uid);
  if (owner.kind === "node") namespace = namespaces.ofNode(tables.node(owner.node)?.index ?? -1);
  return namespace < 0 ? [] : [namespace];
}
