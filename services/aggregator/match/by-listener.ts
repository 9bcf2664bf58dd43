// A datagram server that never connects has one socket for all its clients, and the clients' connected sockets
// match it. The destination of the client's datagrams determines which one: the namespace in which the address
// is local, and the socket bound to the port there. A unix datagram server is found by its inode.

import { Family, isFamily, Protocol } from "../../../lib/vocabulary/protocols.ts";
import type { Identity } from "../identity/identity.ts";
import { Trait } from "../model/connections/connection-rows.ts";
import type { Place } from "../model/flows/flow-rows.ts";
import { FlowPlace } from "../model/flows/flow-rows.ts";
import type { ReadModel } from "../model/model.ts";
import { areOfOneProgram } from "../model/nodes/primary-process.ts";
import { NO_LISTENER, SEVERAL_LISTENERS } from "../model/sockets/listener-index.ts";
import type { Answer, OneSided } from "./answer.ts";
import { isClientEnd } from "./by-flow.ts";
import { listensOnOwnPort } from "./listens.ts";

/** A sender of datagrams: protocol, namespace and time. */
export interface DatagramSender {
  readonly protocol: number;
  readonly namespace: number;
  readonly timeMs: number;
}

/** The rule for datagrams of internet protocols. */
export function byDatagramListener(model: ReadModel, oneSided: OneSided, identity: Identity): Answer | null {
  const { connection, end } = oneSided;
  const protocol = model.sockets.protocol(end);
  if (protocol !== Protocol.udp && protocol !== Protocol.udplite) return null;
  const target = translatedTarget(model, oneSided);
  if (keepsListener(model, connection, target) || !maySend(model, connection, end)) return null;
  return answer(model, connection, receiverOf(model, identity, end, target));
}

/** The rule for unix sockets: a connected datagram socket names its server's inode as its peer. */
export function byUnixPeer(model: ReadModel, { connection, end }: OneSided): Answer | null {
  const { sockets, namespaces, unixListeners } = model;
  if (sockets.protocol(end) !== Family.unix) return null;
  if (keepsListener(model, connection, null) || !maySend(model, connection, end)) return null;
  const node = namespaces.nodeOf(sockets.namespace(end));
  return answer(model, connection, unixListeners.find(node, sockets.remoteAddress(end)));
}

/**
 * Whether an end's conversations may have a listener as their server, so that byDatagramListener and
 * byUnixPeer apply.
 */
export function isServedByListeners(protocol: number): boolean {
  return protocol === Protocol.udp || protocol === Protocol.udplite || isFamily(protocol);
}

/**
 * Returns the listener that receives datagrams at a place; NO_LISTENER if none is known, SEVERAL_LISTENERS if
 * it could be several.
 */
export function listenerAt(
  model: ReadModel,
  identity: Identity,
  sender: DatagramSender,
  target: Place,
): number {
  const { protocol, namespace, timeMs } = sender;
  if (model.addresses.isLoopback(target.address)) return listenerIn(model, protocol, namespace, target);
  let found = NO_LISTENER;
  for (const owner of namespacesHaving(model, identity, target.address, timeMs)) {
    const listener = listenerIn(model, protocol, owner, target);
    if (listener === NO_LISTENER) continue;
    if (owner === namespace) return listener;
    if (found !== NO_LISTENER) return SEVERAL_LISTENERS;
    found = listener;
  }
  return found;
}

/** The known network namespaces that have an address. */
export function namespacesHaving(
  model: ReadModel,
  identity: Identity,
  address: number,
  timeMs: number,
): number[] {
  const { localAddresses, addresses, namespaces, nodes } = model;
  const known = localAddresses.namespacesOf(address);
  if (known.length > 0) return known;
  const owner = identity.addressOwner(addresses.text(address), timeMs);
  let namespace = -1;
  if (owner.kind === "pod" && !owner.pod.hostNetwork) namespace = namespaces.ofPod(owner.pod.uid);
  if (owner.kind === "node") namespace = namespaces.ofNode(nodes.named(owner.node)?.index ?? -1);
  return namespace < 0 ? [] : [namespace];
}

// The real destination of the end's datagrams, if a flow translates it.
function translatedTarget(model: ReadModel, { end, flow }: OneSided): Place | null {
  const { flows } = model;
  if (flow < 0 || !flows.isDestinationTranslated(flow) || !isClientEnd(model, flow, end)) return null;
  return flows.at(flows.last(flow), FlowPlace.replySource);
}

// A live listener is kept, unless a flow may name another one.
function keepsListener(
  { connections, sockets }: ReadModel,
  connection: number,
  target: Place | null,
): boolean {
  return (
    connections.has(connection, Trait.sharedServer) &&
    target === null &&
    sockets.isLive(connections.server[connection]!)
  );
}

// A client that came and went between two passes is gone when it is first settled; it may still have sent.
function maySend(model: ReadModel, connection: number, end: number): boolean {
  const { sockets, connections } = model;
  return !listensOnOwnPort(model, end) && (sockets.isLive(end) || !connections.isEnded(connection));
}

function answer({ connections }: ReadModel, connection: number, listener: number): Answer | null {
  if (listener < 0) return null;
  const known =
    connections.has(connection, Trait.sharedServer) && connections.server[connection] === listener;
  return known ? null : { kind: "listener", listener };
}

function receiverOf(model: ReadModel, identity: Identity, end: number, translated: Place | null): number {
  const { sockets, addresses, connections } = model;
  const target = translated ?? { address: sockets.remoteAddress(end), port: sockets.remotePort(end) };
  const protocol = sockets.protocol(end);
  const namespace = sockets.namespace(end);
  if (addresses.isLoopback(target.address) || target.address === sockets.localAddress(end))
    return listenerIn(model, protocol, namespace, target);
  const timeMs = connections.firstSeenMs[sockets.connection(end)]!;
  return listenerAt(model, identity, { protocol, namespace, timeMs }, target);
}

function listenerIn(model: ReadModel, protocol: number, namespace: number, { address, port }: Place): number {
  const place = { namespace, protocol, address, port };
  return model.listeners.find(place, (a, b) => areOfOneProgram(model, a, b));
}
