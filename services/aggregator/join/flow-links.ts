// Ties flows to the ends of connections. A client's socket has a flow's original tuple, a server's socket the mirror of
// its reply: so a flow that was translated says which server's socket answers which client's, and what was dialled.
// Flows are found from ends and ends from flows, so that either may be reported first.

import { ConnectionFlag } from "../store/connection-store.ts";
import { FlowFlag, FlowPlace } from "../store/flow-store.ts";
import { isFamily } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";
import type { Conversations } from "./conversations.ts";
import type { FlowIndex } from "./flow-index.ts";
import { destinationOf, hashSegment, Segment, sourceOf } from "./flow-index.ts";
import type { FlowLife } from "./flow-life.ts";
import { LAG_MS, laterMate, NO_MATE, partnerOf } from "./mates.ts";
import type { TupleIndex } from "./tuple-index.ts";

/** Where flows are found. */
export interface FlowParts {
  readonly tuples: TupleIndex;
  readonly index: FlowIndex;
  readonly conversations: Conversations;
  readonly life: FlowLife;
}

/** What flows are of connections. */
export class FlowLinks {
  /** Flows that were shown alone and turned out to be of a connection that sockets make. */
  readonly takenOver: number[] = [];
  readonly #tables: Tables;
  readonly #parts: FlowParts;

  constructor(tables: Tables, parts: FlowParts) {
    this.#tables = tables;
    this.#parts = parts;
  }

  /**
   * Has a connection rest on the flow that fits its ends, the translated one where there are several; gives it, or -1.
   * Never a guess: where two translations fit, neither is taken.
   */
  link(connection: number): number {
    const { connections, flows } = this.#tables;
    if (flows.size === 0) return -1;
    const before = connections.flow[connection]!;
    if (
      before >= 0 &&
      flows.isLive(before) &&
      flows.isTranslated(before) &&
      this.#stillFits(connection, before) &&
      this.#parts.conversations.firstOf(before) === before
    )
      return before;
    const found = this.#findFor(connection);
    if (found < 0) return before;
    if (found !== before) {
      this.rest(connection, found);
      if (flows.has(found, FlowFlag.shown)) this.takenOver.push(found);
      else flows.connection[found] = connection;
      flows.set(found, FlowFlag.explained);
    }
    return found;
  }

  /** Has a connection rest on a flow. */
  rest(connection: number, flow: number): void {
    const { connections, flows } = this.#tables;
    flows.references[flow]!++;
    this.release(connection);
    connections.flow[connection] = flow;
    connections.set(connection, ConnectionFlag.changed);
  }

  /** Whether a socket's end of a conversation that a flow may be of is known. */
  hasEnd(flow: number): boolean {
    const { flows } = this.#tables;
    const { tuples } = this.#parts;
    for (const segment of [Segment.before, Segment.after] as const) {
      const from = sourceOf(segment);
      const to = destinationOf(segment);
      let end = tuples.first(
        flows.protocol[flow]!,
        flows.address(flow, from),
        flows.port(flow, from),
        flows.address(flow, to),
        flows.port(flow, to),
      );
      for (; end >= 0; end = tuples.after(end)) {
        const fits = this.#has(flow, from, to, end) || this.#has(flow, to, from, end);
        if (fits && this.#isInScope(flow, end) && this.#isTimely(flow, end)) return true;
      }
    }
    return false;
  }

  /** Has a connection rest on no flow. */
  release(connection: number): void {
    const { connections, flows } = this.#tables;
    const flow = connections.flow[connection]!;
    if (flow < 0) return;
    connections.flow[connection] = -1;
    if (flows.connection[flow] === connection && !flows.has(flow, FlowFlag.shown))
      flows.connection[flow] = -1;
    this.#parts.life.release(flow);
  }

  /** The flow that a connection rests on, where its client is the flow's too; -1 where there is none. */
  ofConnection(connection: number): number {
    const { connections } = this.#tables;
    const flow = connections.flow[connection]!;
    if (flow < 0) return -1;
    const client = connections.client[connection]!;
    const end = client >= 0 ? client : connections.server[connection]!;
    return this.isClientEnd(flow, end) === client >= 0 ? flow : -1;
  }

  /** Whether an end has the original tuple of a flow: then it is the client's. */
  isClientEnd(flow: number, end: number): boolean {
    return this.#has(flow, FlowPlace.originalSource, FlowPlace.originalDestination, end);
  }

  /** The one end that a flow says is the other end of this one; -1 where none, or more than one, fits. */
  mateOf(flow: number, end: number): number {
    const { flows, sockets } = this.#tables;
    const { tuples } = this.#parts;
    const toServer = this.isClientEnd(flow, end);
    const at = toServer ? flows.last(flow) : flow;
    const local = toServer ? FlowPlace.replySource : FlowPlace.originalSource;
    const remote = toServer ? FlowPlace.replyDestination : FlowPlace.originalDestination;
    let found = -1;
    let gone = NO_MATE;
    let other = tuples.first(
      flows.protocol[at]!,
      flows.address(at, local),
      flows.port(at, local),
      flows.address(at, remote),
      flows.port(at, remote),
    );
    for (; other >= 0; other = tuples.after(other)) {
      if (other === end || !this.#has(at, local, remote, other)) continue;
      if (tuples.isNamespaceScoped(other) || !this.#isTimely(at, other)) continue;
      if (!sockets.isLive(other)) {
        // Ports are used again and again: an end that has its mate is of another conversation.
        if (!sockets.isLive(end) && partnerOf(this.#tables, other) < 0)
          gone = laterMate(this.#tables, end, gone, other);
        continue;
      }
      if (found >= 0) return -1;
      found = other;
    }
    if (found < 0) return Math.max(gone, -1);
    return gone === NO_MATE ? found : -1;
  }

  #findFor(connection: number): number {
    const { connections } = this.#tables;
    const client = connections.client[connection]!;
    const shared = connections.has(connection, ConnectionFlag.sharedServer);
    const server = shared ? -1 : connections.server[connection]!;
    let best = -1;
    for (const end of client === server ? [client] : [client, server]) {
      if (end < 0) continue;
      const found = this.#findForEnd(end);
      if (found === SEVERAL) return -1;
      if (found >= 0 && (best < 0 || this.#tables.flows.isTranslated(found))) best = found;
    }
    return best;
  }

  #findForEnd(end: number): number {
    const { sockets, flows } = this.#tables;
    const { index, conversations } = this.#parts;
    const protocol = sockets.protocol(end);
    if (isFamily(protocol)) return -1;
    const localAddress = sockets.localAddress(end);
    const localPort = sockets.localPort(end);
    const remoteAddress = sockets.remoteAddress(end);
    const remotePort = sockets.remotePort(end);
    let plain = -1;
    let translated = -1;
    for (const segment of [Segment.before, Segment.after] as const) {
      const asClient = segment === Segment.before;
      const hash = asClient
        ? hashSegment(protocol, localAddress, localPort, remoteAddress, remotePort)
        : hashSegment(protocol, remoteAddress, remotePort, localAddress, localPort);
      const local = asClient ? sourceOf(segment) : destinationOf(segment);
      const remote = asClient ? destinationOf(segment) : sourceOf(segment);
      for (let flow = index.first(segment, hash); flow >= 0; flow = index.after(segment, flow)) {
        if (!this.#has(flow, local, remote, end) || !this.#isInScope(flow, end)) continue;
        if (!this.#isTimely(flow, end)) continue;
        if (!flows.isTranslated(flow)) plain = plain < 0 || flows.isLive(flow) ? flow : plain;
        else if (translated < 0 || this.#supersedes(flow, translated)) translated = flow;
        else if (!this.#supersedes(translated, flow) && !this.#translatesAlike(flow, translated))
          return SEVERAL;
      }
    }
    return translated >= 0 ? conversations.firstOf(translated) : plain;
  }

  #supersedes(a: number, b: number): boolean {
    const { flows } = this.#tables;
    return flows.isLive(a) && !flows.isLive(b);
  }

  #translatesAlike(a: number, b: number): boolean {
    const { flows } = this.#tables;
    for (let place = 0; place < 4; place++) {
      if (
        flows.address(a, place) !== flows.address(b, place) ||
        flows.port(a, place) !== flows.port(b, place)
      )
        return false;
    }
    return true;
  }

  #stillFits(connection: number, flow: number): boolean {
    const { connections } = this.#tables;
    const client = connections.client[connection]!;
    const shared = connections.has(connection, ConnectionFlag.sharedServer);
    const server = shared ? -1 : connections.server[connection]!;
    const end = client >= 0 ? client : server;
    if (!this.#isTimely(flow, end)) return false;
    const last = this.#tables.flows.last(flow);
    return (
      this.isClientEnd(flow, end) || this.#has(last, FlowPlace.replySource, FlowPlace.replyDestination, end)
    );
  }

  // Ports are used again, and the kernel makes a new entry for it: a flow that was there long before the socket, or
  // that came after the socket had gone, is another conversation's.
  #isTimely(flow: number, end: number): boolean {
    const { flows, sockets, connections } = this.#tables;
    const live = sockets.isLive(end);
    const beganMs = live ? sockets.sinceMs[end]! : connections.firstSeenMs[sockets.connection(end)]!;
    // A datagram socket's flow ends with its silence and begins anew, also before the socket was first looked at.
    // Events tell a flow at once, while its socket is first seen by the pass after it.
    const lagMs = LAG_MS + 2 * (this.#tables.nodeOfSocket(end).coverage?.intervalMs ?? 0);
    if (flows.sinceMs[flow]! < beganMs - lagMs) return false;
    if (!live && flows.sinceMs[flow]! > sockets.sinceMs[end]! + lagMs) return false;
    return flows.isLive(flow) || flows.goneMs[flow]! >= beganMs;
  }

  // Loopback addresses are another machine's in each network namespace.
  #isInScope(flow: number, end: number): boolean {
    const { flows, sockets } = this.#tables;
    return flows.namespace[flow] === sockets.namespace(end) || !this.#parts.tuples.isNamespaceScoped(end);
  }

  // Whether an end's local and remote address and port are at two places of a flow.
  #has(flow: number, local: number, remote: number, end: number): boolean {
    const { flows, sockets } = this.#tables;
    return (
      flows.protocol[flow] === sockets.protocol(end) &&
      flows.port(flow, local) === sockets.localPort(end) &&
      flows.port(flow, remote) === sockets.remotePort(end) &&
      flows.address(flow, local) === sockets.localAddress(end) &&
      flows.address(flow, remote) === sockets.remoteAddress(end)
    );
  }
}

const SEVERAL = -2;
