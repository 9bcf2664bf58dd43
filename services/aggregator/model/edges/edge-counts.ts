// Counts connections on their edges. A share records what each connection contributes to its edge, so that the
// edge follows the connection's changes and keeps its bytes after it is gone.

import type { ConnectionRows } from "../connections/connection-rows.ts";
import { Evidence } from "../../../../lib/vocabulary/evidence.ts";
import { Outcome } from "../../../../lib/vocabulary/outcomes.ts";
import type { EdgeKey } from "./edge-rows.ts";
import { EdgeTable } from "./edge-table.ts";
import type { EndpointTable } from "./endpoint-table.ts";
import { ShareColumns } from "./share-columns.ts";

/** What an edge counts a connection as: bits of Evidence, and more. The bits above hold its outcome. */
const Counted = { ...Evidence, bytes: 8, open: 16 } as const;
const OUTCOME_SHIFT = 5;

/** Bytes that a connection carried, if known. */
export interface Carried {
  known: boolean;
  toServer: number;
  toClient: number;
}

/** Edges with their counts. */
export class EdgeCounts extends EdgeTable {
  readonly #connections: ConnectionRows;
  readonly #shares = new ShareColumns();
  // Conversations counted for connections that represent several; the others count as one.
  readonly #conversations = new Map<number, number>();

  constructor(endpoints: EndpointTable, connections: ConnectionRows, max?: number) {
    super(endpoints, max);
    this.#connections = connections;
  }

  /** Makes room for the share of a connection that no edge counts yet. */
  reserve(connection: number): void {
    this.#shares.reserve(connection);
  }

  /** Slot of the edge that counts a connection, or -1. */
  edgeOf(connection: number): number {
    return this.#shares.edge[connection]!;
  }

  /**
   * Counts a connection in its current state on the edge with this key, and uncounts it on its previous edge;
   * without room, edgeOf() is -1 afterwards. Returns whether it was counted on another edge before.
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

  /** Updates the bytes that an edge counts for a connection. */
  countBytes(connection: number, carried: Carried): void {
    const edge = this.#shares.edge[connection]!;
    if (edge >= 0) this.#countBytes(connection, edge, carried);
  }

  /** Takes back everything that its edge counts for a connection, as if it had never been counted. */
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

  /** Detaches a freed connection: its edge keeps the counts but no longer counts it as open. */
  forget(connection: number): void {
    const edge = this.#shares.edge[connection]!;
    if (edge < 0) return;
    if ((this.#shares.counted[connection]! & Counted.open) !== 0) this._open[edge]!--;
    this.#leave(connection, edge);
  }

  // Brings the edge's counts up to date with the connection.
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

  // Counts the connection as `counted` says (bits of Counted, and the outcome), replacing its earlier counts.
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

  // Established connections are the remainder, so they have no counter.
  #addOutcome(edge: number, outcome: number, conversations: number): void {
    if (outcome === Outcome.refused) this._refused[edge]! += conversations;
    else if (outcome === Outcome.timedOut) this._timedOut[edge]! += conversations;
    else if (outcome === Outcome.pending) this._pending[edge]! += conversations;
  }

  // Adds only the increase of the connection's bytes.
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

// The change of a count whose bit is in `before` and in `now`.
function step(before: number, now: number, bit: number): number {
  return (now & bit ? 1 : 0) - (before & bit ? 1 : 0);
}
