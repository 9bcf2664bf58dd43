// The facts about a connection, read from the model once, so that the decisions of settling are pure functions
// of them. The record is reused: it is valid until the next connection is read.

import { FlowStatus } from "../../../lib/conntrack/flow-status.ts";
import { Attempt } from "../../../lib/vocabulary/outcomes.ts";
import { Family, Protocol } from "../../../lib/vocabulary/protocols.ts";
import { Trait } from "../model/connections/connection-rows.ts";
import type { ReadModel } from "../model/model.ts";
import { isOpen as isOpenState } from "../model/sockets/socket-role.ts";
import { SocketFlag } from "../model/sockets/socket-rows.ts";
import { isClientEnd } from "../match/by-flow.ts";
import { listensOnOwnPort } from "../match/listens.ts";
import { hasLiveFlow, isAnswered, isOpenFlow } from "./flow-signs.ts";
import { lastSeenMs } from "./last-seen.ts";

/**
 * One end of a connection. Fields that only an undecided direction needs (port, listens, opening, accepting,
 * inode) are read only for one, and fields that only a failed attempt needs (attempt, repeated) only if the
 * connection was not established.
 */
export interface EndFacts {
  /** Its port; if its socket was not seen, the port that the other end dialled. */
  port: number;
  /** Whether its socket was seen. */
  seen: boolean;
  /** Whether its socket exists. */
  live: boolean;
  /** Whether its socket is open. */
  open: boolean;
  /** Whether something listens on its port, in its namespace; for unix sockets, whether it has a path. */
  listens: boolean;
  /** Whether it was seen in SYN_SENT. */
  opening: boolean;
  /** Whether it was seen in SYN_RECV. */
  accepting: boolean;
  /** How its attempt ended, if it never became a connection, as Attempt. */
  attempt: number;
  /** Whether it retransmitted anything. */
  repeated: boolean;
  /** Unix inodes are numbered in order of creation. */
  inode: number;
}

/** The flow attached to a connection. */
interface FlowFacts {
  /** Whether both sides have sent; for TCP, whether the handshake was completed. */
  answered: boolean;
  /** Whether any reply was seen, a reset included. */
  replied: boolean;
  /** Whether it, or one that was folded into the connection, exists. Only for flows shown without sockets. */
  live: boolean;
  /** Whether the conversation continues, according to the flow. */
  open: boolean;
  translated: boolean;
  /** Whether the flow's client is the connection's. */
  agrees: boolean;
  /** When it was first seen, and when it was found gone (0 while it exists), by the stream's clock. */
  sinceMs: number;
  goneMs: number;
}

/** The facts about a connection. */
export interface ConnectionFacts {
  /** Bits of Trait. */
  traits: number;
  /** The basis of its direction so far, as DirectionBy. */
  directionBy: number;
  /** Whether its direction is undecided: only then were listeners looked up. */
  undirected: boolean;
  isTcp: boolean;
  isUnix: boolean;
  readonly client: EndFacts;
  readonly server: EndFacts;
  hasFlow: boolean;
  readonly flow: FlowFacts;
  firstSeenMs: number;
  /** When it was last seen; 0 while it is and stays open, since it is not needed then. */
  lastSeenMs: number;
}

/** Creates an empty record for readFacts(). */
export function emptyFacts(): ConnectionFacts {
  return {
    traits: 0,
    directionBy: 0,
    undirected: false,
    isTcp: false,
    isUnix: false,
    client: emptyEnd(),
    server: emptyEnd(),
    hasFlow: false,
    flow: {
      answered: false,
      replied: false,
      live: false,
      open: false,
      translated: false,
      agrees: false,
      sinceMs: 0,
      goneMs: 0,
    },
    firstSeenMs: 0,
    lastSeenMs: 0,
  };
}

/** Whether an end or a flow of the connection is open. */
export function isOpen({ client, server, flow }: ConnectionFacts): boolean {
  return client.open || server.open || flow.open;
}

/** Fills the record with the facts about a connection. */
export function readFacts(model: ReadModel, connection: number, facts: ConnectionFacts): void {
  const { connections, sockets, flows } = model;
  const client = connections.client[connection]!;
  const server = connections.serverEnd(connection);
  const flow = connections.flow[connection]!;
  const lone = connections.has(connection, Trait.lone);
  const protocol = lone ? flows.protocol[flow]! : sockets.protocol(connections.anySocket(connection));
  const decided = Trait.directionFinal | Trait.sharedServer | Trait.lone;
  facts.traits = connections.traits[connection]!;
  facts.directionBy = connections.directionBy[connection]!;
  facts.undirected = (facts.traits & decided) === 0 && client !== server;
  facts.isTcp = protocol === Protocol.tcp;
  facts.isUnix = protocol === Family.unix;
  readEnd(model, client, facts.client);
  readEnd(model, server, facts.server);
  if (facts.undirected) {
    readDirectionSigns(model, client, server, facts.client);
    readDirectionSigns(model, server, client, facts.server);
  }
  if ((facts.traits & Trait.established) === 0) {
    readFailureSigns(model, client, facts.client);
    readFailureSigns(model, server, facts.server);
  }
  facts.hasFlow = flow >= 0;
  if (facts.hasFlow) readFlow(model, connection, flow, facts.flow);
  facts.flow.live = hasLiveFlow(model, connection);
  facts.flow.open = facts.flow.live && isOpenFlow(model, connection);
  facts.firstSeenMs = connections.firstSeenMs[connection]!;
  if (connections.isClosed(connection)) facts.lastSeenMs = connections.lastSeenMs[connection]!;
  else facts.lastSeenMs = isOpen(facts) ? 0 : lastSeenMs(model, connection);
}

function emptyEnd(): EndFacts {
  return {
    port: 0,
    seen: false,
    live: false,
    open: false,
    listens: false,
    opening: false,
    accepting: false,
    attempt: Attempt.none,
    repeated: false,
    inode: 0,
  };
}

function readEnd({ sockets }: ReadModel, slot: number, facts: EndFacts): void {
  facts.seen = slot >= 0;
  facts.live = sockets.isLive(slot);
  facts.open = facts.live && isOpenState(sockets.protocol(slot), sockets.state(slot));
}

function readDirectionSigns(model: ReadModel, slot: number, other: number, facts: EndFacts): void {
  const { sockets } = model;
  if (slot < 0) {
    facts.port = sockets.remotePort(other);
    facts.opening = false;
    facts.accepting = false;
    facts.listens = false;
    facts.inode = 0;
    return;
  }
  facts.port = sockets.localPort(slot);
  facts.opening = sockets.has(slot, SocketFlag.opening);
  facts.accepting = sockets.has(slot, SocketFlag.accepting);
  facts.listens = listensOnOwnPort(model, slot);
  facts.inode = sockets.inode(slot);
}

function readFailureSigns({ sockets }: ReadModel, slot: number, facts: EndFacts): void {
  facts.attempt = slot >= 0 ? sockets.attempt[slot]! : Attempt.none;
  facts.repeated = slot >= 0 && (sockets.retransmits[slot]! > 0 || sockets.totalRetransmits[slot]! > 0);
}

function readFlow(model: ReadModel, connection: number, flow: number, facts: FlowFacts): void {
  const { connections, flows } = model;
  const client = connections.client[connection]!;
  facts.answered = isAnswered(flows, flow);
  facts.replied = (flows.status[flow]! & FlowStatus.seenReply) !== 0;
  facts.translated = flows.isTranslated(flow);
  facts.agrees = isClientEnd(model, flow, connections.anySocket(connection)) === client >= 0;
  facts.sinceMs = flows.sinceMs[flow]!;
  facts.goneMs = flows.goneMs[flow]!;
}
