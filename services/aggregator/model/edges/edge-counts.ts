// Counts connections on their edges. What each connection adds to its edge is kept in a share, so that the
// edge follows the connection as it changes, and keeps what it carried after it has gone.

import type { ConnectionRows } from "../connections/connection-rows.ts";
import { Evidence } from "../../../../lib/vocabulary/evidence.ts";
import { Outcome } from "../../../../lib/vocabulary/outcomes.ts";
import type { EdgeKey } from "./edge-rows.ts";
import { EdgeTable } from "./edge-table.ts";
import type { EndpointTable } from "./endpoint-table.ts";
import { ShareColumns } from "./share-columns.ts";

/**
 * Bits of what an edge counts a connection as: those of Evidence, and more. Its outcome takes the bits above.
 */
const Counted = { ...Evidence, bytes: 8, open: 16 } as const;
const OUTCOME_SHIFT = 5;

/** What a connection carried, as far as is known. */
export interface Carried {
  known: boolean;
  toServer: number;
  toClient: number;
}

/** Edges with their counts. */
export class EdgeCounts extends EdgeTable {
  readonly #connections: ConnectionRows;
  readonly #shares = new ShareColumns();
  // Conversations that edges count for connections that stand for several; the others count as one.
  readonly #conversations = new Map<number, number>();

  constructor(endpoints: EndpointTable, connections: ConnectionRows, max?: number) {
    super(endpoints, max);
    this.#connections = connections;
  }

  /** Makes room for the share of a connection; no edge counts it yet. */
  reserve(connection: number): void {
    this.#shares.reserve(connection);
  }

  /** Slot of the edge that counts a connection, or -1. */
  edgeOf(connection: number): number {
    return this.#shares.edge[connection]!;
  }

  /**
   * Counts a connection on the edge with a key, as it is by now, and takes back what another edge counted of it; edgeOf() is
   * -1 afterwards if there was no room. Returns whether it was counted on another edge before.
   */
  count(connection: number, key: EdgeKey, carried: Carried): boolean {
    const before = this.#shares.edge[connection]!;
    if (before >= 0 && this.is(before, key)) {
      this.#recount(connection, before, carried);
      return false;
    }
    const firstSeenMs = this.#connections.firstSeenMs[connection]!;
    const edge = this.intern(key, firstSeenMs);
    if (before >= 0) this.uncount(connection);
    if (edge < 0) return before >= 0;
    this.#shares.edge[connection] = edge;
    this._connections[edge]!++;
    this._retained[edge]!++;
    if (firstSeenMs < this._firstSeenMs[edge]!) this._firstSeenMs[edge] = firstSeenMs;
    if (firstSeenMs > this._lastSeenMs[edge]!) this._lastSeenMs[edge] = firstSeenMs;
    this.#recount(connection, edge, carried);
    return before >= 0;
  }

  /** Brings the bytes that an edge adds up of a connection up to date. */
  countBytes(connection: number, carried: Carried): void {
    const edge = this.#shares.edge[connection]!;
    if (edge >= 0) this.#countBytes(connection, edge, carried);
  }

  /** Takes back all that its edge counts of a connection, as if it had never been counted. */
  uncount(connection: number): void {
    const { edge: edges, toServer, toClient } = this.#shares;
    const edge = edges[connection]!;
    if (edge < 0) return;
    this.#countAs(connection, edge, 0);
    this._connections[edge]! -= this.#conversationsOf(connection);
    this._bytesToServer[edge]! -= toServer[connection]!;
    this._bytesToClient[edge]! -= toClient[connection]!;
    this.#leave(connection, edge);
    if (this._connections[edge] === 0) this.remove(edge);
  }

  /** The connection is forgotten: its edge keeps what it counted, but no longer has it among the open ones. */
  forget(connection: number): void {
    const edge = this.#shares.edge[connection]!;
    if (edge < 0) return;
    if ((this.#shares.counted[connection]! & Counted.open) !== 0) this._open[edge]!--;
    this.#leave(connection, edge);
  }

  // What the edge counts follows the connection.
  #recount(connection: number, edge: number, carried: Carried): void {
    const connections = this.#connections;
    const isClosed = connections.isClosed(connection);
    const outcome = connections.outcome[connection]! << OUTCOME_SHIFT;
    const bytes = this.#shares.counted[connection]! & Counted.bytes;
    const counted = connections.evidence(connection) | outcome | bytes | (isClosed ? 0 : Counted.open);
    this.#recountConversations(connection, edge);
    this.#countAs(connection, edge, counted);
    this.#countBytes(connection, edge, carried);
    if (!isClosed) return;
    const lastSeenMs = connections.lastSeenMs[connection]!;
    if (lastSeenMs > this._lastSeenMs[edge]!) this._lastSeenMs[edge] = lastSeenMs;
  }

  #recountConversations(connection: number, edge: number): void {
    const counted = this.#conversationsOf(connection);
    const conversations = this.#connections.count(connection);
    const more = conversations - counted;
    if (more === 0) return;
    this._connections[edge]! += more;
    this.#addOutcome(edge, this.#shares.counted[connection]! >>> OUTCOME_SHIFT, more);
    if (conversations === 1) this.#conversations.delete(connection);
    else this.#conversations.set(connection, conversations);
  }

  // Counts the connection as `counted` says (bits of Counted, and the outcome), instead of as before.
  #countAs(connection: number, edge: number, counted: number): void {
    const before = this.#shares.counted[connection]!;
    if (counted === before) return;
    this.#shares.counted[connection] = counted;
    this._open[edge]! += step(before, counted, Counted.open);
    this._withClientSocket[edge]! += step(before, counted, Counted.client);
    this._withServerSocket[edge]! += step(before, counted, Counted.server);
    this._withFlow[edge]! += step(before, counted, Counted.flow);
    this._withBytes[edge]! += step(before, counted, Counted.bytes);
    const outcomeBefore = before >>> OUTCOME_SHIFT;
    const outcome = counted >>> OUTCOME_SHIFT;
    if (outcome === outcomeBefore) return;
    const conversations = this.#conversationsOf(connection);
    this.#addOutcome(edge, outcomeBefore, -conversations);
    this.#addOutcome(edge, outcome, conversations);
  }

  // Established connections are what is left of all.
  #addOutcome(edge: number, outcome: number, conversations: number): void {
    if (outcome === Outcome.refused) this._refused[edge]! += conversations;
    else if (outcome === Outcome.timedOut) this._timedOut[edge]! += conversations;
    else if (outcome === Outcome.pending) this._pending[edge]! += conversations;
  }

  // Only what is new of what the connection carried is added.
  #countBytes(connection: number, edge: number, carried: Carried): void {
    const { counted, toServer, toClient } = this.#shares;
    const before = counted[connection]!;
    if (((before & Counted.bytes) !== 0) !== carried.known) {
      counted[connection] = before ^ Counted.bytes;
      this._withBytes[edge]! += carried.known ? 1 : -1;
    }
    this._bytesToServer[edge]! += carried.toServer - toServer[connection]!;
    this._bytesToClient[edge]! += carried.toClient - toClient[connection]!;
    toServer[connection] = carried.toServer;
    toClient[connection] = carried.toClient;
  }

  #leave(connection: number, edge: number): void {
    this._retained[edge]!--;
    if (this._aggregate[edge] === connection) this._aggregate[edge] = -1;
    this.#clear(connection);
  }

  #clear(connection: number): void {
    const { edge, counted, toServer, toClient } = this.#shares;
    edge[connection] = -1;
    counted[connection] = 0;
    toServer[connection] = 0;
    toClient[connection] = 0;
    if (this.#conversations.size > 0) this.#conversations.delete(connection);
  }

  #conversationsOf(connection: number): number {
    return this.#conversations.size === 0 ? 1 : (this.#conversations.get(connection) ?? 1);
  }
}

// By how much a count changes whose bit is in `before`, and in `now`.
function step(before: number, now: number, bit: number): number {
  return (now & bit ? 1 : 0) - (before & bit ? 1 : 0);
}
