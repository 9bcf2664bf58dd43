// The last rule: flows without sockets. Forwarded traffic, ICMP and protocols whose sockets are not read,
// datagrams of sockets that never connect, and connections too short to be seen otherwise. A flow is judged
// once its sockets would have been reported; then the flows of one conversation, on all nodes, become one
// connection.

import { TupleKind, tupleKind } from "../../../lib/conntrack/tuple-kind.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import type { Identity } from "../identity/identity.ts";
import { DirectionBy } from "../../../lib/vocabulary/direction.ts";
import { Segment } from "../model/flows/flow-index.ts";
import { FlowFlag, FlowPlace } from "../model/flows/flow-rows.ts";
import type { ReadModel } from "../model/model.ts";
import { isEphemeral } from "../model/sockets/socket-role.ts";
import { hasKnownEnd } from "./by-flow.ts";
import { listenerAt, namespacesHaving } from "./by-listener.ts";
import { firstOfChain, isScopedSegment, siblingsOf } from "./conversation.ts";

/**
 * Ticks (10 ms) from an agent's start within which its first pass ends: flows first seen within them are
 * older.
 */
export const FIRST_LOOK_TICKS = 300;

/** The verdict on a flow without sockets. */
export type FlowVerdict =
  /** Sockets represent the conversation of these flows. */
  | { readonly kind: "explained"; readonly flows: readonly number[] }
  /** Another flow of the conversation is shown; these flows confirm it from other nodes. */
  | { readonly kind: "follow"; readonly flows: readonly number[]; readonly shown: readonly number[] }
  /** The flow needs no connection. */
  | { readonly kind: "ignore"; readonly replaced: readonly number[] }
  /** Show the conversation through the first of these flows, replacing those shown so far. */
  | {
      readonly kind: "show";
      readonly first: number;
      readonly flows: readonly number[];
      readonly replaced: readonly number[];
    };

/** Which side of a flow is the client, and how that was determined. */
export interface FlowDirection {
  readonly reversed: boolean;
  readonly by: number;
  /** Slot of the listener that answers datagrams, or -1. */
  readonly listener: number;
}

/** Judges a flow that has waited for its sockets. */
export function judgeFlow(model: ReadModel, identity: Identity, flow: number): FlowVerdict {
  const { flows } = model;
  const group = [flow, ...siblingsOf(model, flow)];
  if (group.some((each) => flows.has(each, FlowFlag.explained) || hasKnownEnd(model, each)))
    return { kind: "explained", flows: group };
  const shown = group.filter((each) => flows.has(each, FlowFlag.shown));
  const first = firstOfChain(model, group.find((each) => flows.isTranslated(each)) ?? flow);
  if (shown.length > 0) {
    // A translation that is reported late replaces what was shown without it.
    const better = flows.isTranslated(first) && !shown.some((each) => flows.isTranslated(each));
    if (!better) return { kind: "follow", flows: group, shown };
  }
  if (isKnownOtherwise(model, identity, group, first)) return { kind: "ignore", replaced: shown };
  return { kind: "show", first, flows: group, replaced: shown };
}

/** Whether conversations of this protocol are folded into one connection per edge. */
export function isFolded(protocol: number): boolean {
  return (
    tupleKind(protocol) !== TupleKind.ports || protocol === Protocol.udp || protocol === Protocol.udplite
  );
}

/** Whether the flow probably existed before its agent's first pass. */
export function isOfFirstLook({ flows }: ReadModel, flow: number): boolean {
  return flows.tick[flow]! <= FIRST_LOOK_TICKS;
}

/**
 * Determines which side of a flow is the client. The original source is the client of a translated flow, and
 * of one whose beginning was seen. conntrack may have picked up other flows in the middle, reversed: listeners
 * take precedence there, and then ports.
 */
export function directionOfFlow(model: ReadModel, identity: Identity, flow: number): FlowDirection {
  const { flows } = model;
  const protocol = flows.protocol[flow]!;
  const straight = { reversed: false, by: DirectionBy.flow, listener: -1 } as const;
  if (tupleKind(protocol) !== TupleKind.ports) return straight;
  const listener = answererOf(model, identity, flow, FlowPlace.replySource);
  if (listener >= 0) return { ...straight, listener };
  if (flows.isTranslated(flow) || flows.next[flow]! >= 0) return straight;
  const reverse = answererOf(model, identity, flow, FlowPlace.originalSource);
  if (reverse >= 0) return { reversed: true, by: DirectionBy.listener, listener: reverse };
  const fromServer =
    isEphemeral(flows.port(flow, FlowPlace.originalDestination)) &&
    !isEphemeral(flows.port(flow, FlowPlace.originalSource));
  return fromServer && isFolded(protocol) ? { reversed: true, by: DirectionBy.port, listener: -1 } : straight;
}

/** How many ends of a conversation are in network namespaces that are read: 0, 1 or 2. */
export function coveredEnds(model: ReadModel, identity: Identity, flow: number): number {
  const { flows } = model;
  if (isScopedSegment(model, flow, Segment.before)) return 2;
  const client = isCovered(model, identity, flows.address(flow, FlowPlace.originalSource), flow);
  const server = isCovered(model, identity, flows.address(flows.last(flow), FlowPlace.replySource), flow);
  return (client ? 1 : 0) + (server ? 1 : 0);
}

/** Whether none of the nodes with flows of the conversation has one of its ends. */
export function isForwarded(
  model: ReadModel,
  identity: Identity,
  flow: number,
  group: readonly number[],
): boolean {
  const { flows } = model;
  const ends = [
    flows.address(flow, FlowPlace.originalSource),
    flows.address(flows.last(flow), FlowPlace.replySource),
  ];
  return !group.some((each) => ends.some((address) => isOnNodeOf(model, identity, address, each)));
}

/**
 * Whether a TCP flow needs no connection although none of its sockets was reported. If the namespaces of both
 * ends are read, an existing socket would have been reported: the entry has outlived its sockets, or coverage
 * counts them as unseen. The same holds with one end, if the flow existed before the first pass.
 */
function isKnownOtherwise(
  model: ReadModel,
  identity: Identity,
  group: readonly number[],
  first: number,
): boolean {
  if (model.flows.protocol[first] !== Protocol.tcp) return false;
  const covered = coveredEnds(model, identity, first);
  return covered === 2 || (covered === 1 && group.every((each) => isOfFirstLook(model, each)));
}

function isCovered(model: ReadModel, identity: Identity, address: number, flow: number): boolean {
  const owners = namespacesHaving(model, identity, address, model.flows.sinceMs[flow]!);
  return owners.some((namespace) => model.nodes.at(model.namespaces.nodeOf(namespace)).isRead);
}

function isOnNodeOf(model: ReadModel, identity: Identity, address: number, flow: number): boolean {
  const { localAddresses, namespaces, addresses, flows } = model;
  const node = model.nodeOfFlow(flow);
  if (addresses.isLoopback(address)) return true;
  const having = localAddresses.namespacesOf(address);
  if (having.some((namespace) => namespaces.nodeOf(namespace) === node.index)) return true;
  const owner = identity.addressOwner(addresses.text(address), flows.sinceMs[flow]!);
  if (owner.kind === "pod") return owner.pod.node === node.name;
  return owner.kind === "node" && owner.node === node.name;
}

// The listener that answers datagrams at a place of a flow. A client's own unconnected socket does not count
// if its port is ephemeral.
function answererOf(model: ReadModel, identity: Identity, flow: number, place: number): number {
  const { flows } = model;
  const protocol = flows.protocol[flow]!;
  if (!isFolded(protocol)) return -1;
  const target = flows.at(place === FlowPlace.replySource ? flows.last(flow) : flow, place);
  if (place === FlowPlace.originalSource && isEphemeral(target.port)) return -1;
  const sender = { protocol, namespace: flows.namespace[flow]!, timeMs: flows.sinceMs[flow]! };
  return listenerAt(model, identity, sender, target);
}
