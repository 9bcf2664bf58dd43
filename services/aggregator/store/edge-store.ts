// Connections added up, kept as they come, change and go: one row for each pair of endpoint keys, protocol, server port,
// dialled address and unix path. An edge stays after its connections have gone, until the room is needed.

import { grownColumn, nextCapacity } from "./capacity.ts";
import { ChainIndex } from "./chain-index.ts";
import type { EndpointTable } from "./endpoint-table.ts";
import { mixHash } from "./hash.ts";

/** Edges at most. */
export const EDGES_MAX = 2 ** 17;
/** Edges looked at when room is needed: the oldest ones, of which the first without a connection goes. */
const EVICTION_CANDIDATES = 64;

/** What tells one edge from another. */
export interface EdgeKey {
  /** Numbers of endpoint keys. */
  readonly client: number;
  readonly server: number;
  readonly protocol: number;
  /** The server's port. */
  readonly port: number;
  /** What the clients dialled, where it differs from the server: text of the address, and port; else "" and 0. */
  readonly viaIp: string;
  readonly viaPort: number;
  /** Unix only. */
  readonly path: string;
}

/** Edges; slots are used again. */
export class EdgeStore {
  client = new Uint32Array(256);
  server = new Uint32Array(256);
  protocol = new Uint8Array(256);
  port = new Uint16Array(256);
  viaPort = new Uint16Array(256);
  /** Connections since the edge was first seen, those open now, and those still in the connection store. */
  connections = new Float64Array(256);
  open = new Uint32Array(256);
  retained = new Uint32Array(256);
  /** Connections of it that were refused, that timed out, and that are pending; the others were established. */
  refused = new Float64Array(256);
  timedOut = new Float64Array(256);
  pending = new Float64Array(256);
  /** The connection into which others of the edge are folded, or -1. */
  aggregate = new Int32Array(256);
  /** Connections of it that rest on a client's socket, and on a server's. */
  withClientSocket = new Float64Array(256);
  withServerSocket = new Float64Array(256);
  /** Connections of it whose bytes are known, and their bytes: of closed and forgotten ones too. */
  withBytes = new Float64Array(256);
  bytesToServer = new Float64Array(256);
  bytesToClient = new Float64Array(256);
  /** Connections of it that rest on a flow. */
  withFlow = new Float64Array(256);
  firstSeenMs = new Float64Array(256);
  lastSeenMs = new Float64Array(256);
  readonly viaIps = new Map<number, string>();
  readonly paths = new Map<number, string>();
  readonly #endpoints: EndpointTable;
  readonly #index = new ChainIndex();
  // The oldest first: sets keep the order of insertion. What could not be evicted when asked goes to the end.
  readonly #order = new Set<number>();
  readonly #free: number[] = [];
  readonly #max: number;
  #used = 0;

  constructor(endpoints: EndpointTable, max: number = EDGES_MAX) {
    this.#endpoints = endpoints;
    this.#max = max;
  }

  get size(): number {
    return this.#order.size;
  }

  /** Every edge. */
  slots(): Iterable<number> {
    return this.#order;
  }

  /** The edge with this key, or -1. */
  find(key: EdgeKey): number {
    const hash = hashOf(key.client, key.server, key.protocol, key.port, key.viaPort);
    for (let slot = this.#index.first(hash); slot >= 0; slot = this.#index.after(slot))
      if (this.is(slot, key)) return slot;
    return -1;
  }

  /** The edge with this key, made where there is none; -1 where there is no room. */
  intern(key: EdgeKey, timeMs: number): number {
    const known = this.find(key);
    if (known >= 0) return known;
    const hash = hashOf(key.client, key.server, key.protocol, key.port, key.viaPort);
    return this.#insert(key, hash, timeMs);
  }

  /** Whether an edge has this key. */
  is(slot: number, key: EdgeKey): boolean {
    return (
      this.client[slot] === key.client &&
      this.server[slot] === key.server &&
      this.port[slot] === key.port &&
      this.protocol[slot] === key.protocol &&
      this.viaPort[slot] === key.viaPort &&
      (this.viaIps.size === 0 || (this.viaIps.get(slot) ?? "") === key.viaIp) &&
      (this.paths.size === 0 || (this.paths.get(slot) ?? "") === key.path)
    );
  }

  /** Counts one more connection, which stands for `conversations`. */
  count(slot: number, firstSeenMs: number, conversations: number): void {
    this.connections[slot]! += conversations;
    this.retained[slot]!++;
    if (firstSeenMs < this.firstSeenMs[slot]!) this.firstSeenMs[slot] = firstSeenMs;
    if (firstSeenMs > this.lastSeenMs[slot]!) this.lastSeenMs[slot] = firstSeenMs;
  }

  /** Takes a connection back that turned out to belong to another edge, or to be part of another connection. */
  uncount(slot: number, conversations: number): void {
    this.connections[slot]! -= conversations;
    this.retained[slot]!--;
    if (this.connections[slot] === 0) this.#remove(slot);
  }

  #insert(key: EdgeKey, hash: number, timeMs: number): number {
    this.#endpoints.retain(key.client);
    this.#endpoints.retain(key.server);
    if (this.#order.size >= this.#max && !this.#evict()) {
      this.#endpoints.release(key.client);
      this.#endpoints.release(key.server);
      return -1;
    }
    const slot = this.#free.pop() ?? this.#used++;
    if (slot >= this.client.length) this.#grow();
    this.client[slot] = key.client;
    this.server[slot] = key.server;
    this.protocol[slot] = key.protocol;
    this.port[slot] = key.port;
    this.viaPort[slot] = key.viaPort;
    if (key.viaIp !== "") this.viaIps.set(slot, key.viaIp);
    if (key.path !== "") this.paths.set(slot, key.path);
    this.connections[slot] = 0;
    this.open[slot] = 0;
    this.retained[slot] = 0;
    this.refused[slot] = 0;
    this.timedOut[slot] = 0;
    this.pending[slot] = 0;
    this.aggregate[slot] = -1;
    this.withClientSocket[slot] = 0;
    this.withServerSocket[slot] = 0;
    this.withBytes[slot] = 0;
    this.bytesToServer[slot] = 0;
    this.bytesToClient[slot] = 0;
    this.withFlow[slot] = 0;
    this.firstSeenMs[slot] = timeMs;
    this.lastSeenMs[slot] = timeMs;
    this.#index.add(slot, hash);
    this.#order.add(slot);
    return slot;
  }

  #evict(): boolean {
    let looked = 0;
    for (const slot of this.#order) {
      if (this.retained[slot] === 0) {
        this.#remove(slot);
        return true;
      }
      this.#order.delete(slot);
      this.#order.add(slot);
      if (++looked >= EVICTION_CANDIDATES) return false;
    }
    return false;
  }

  #remove(slot: number): void {
    this.#index.remove(slot);
    this.#order.delete(slot);
    this.#endpoints.release(this.client[slot]!);
    this.#endpoints.release(this.server[slot]!);
    this.viaIps.delete(slot);
    this.paths.delete(slot);
    this.#free.push(slot);
  }

  #grow(): void {
    const capacity = nextCapacity(this.client.length, EDGES_MAX);
    this.client = grownColumn(this.client, capacity);
    this.server = grownColumn(this.server, capacity);
    this.protocol = grownColumn(this.protocol, capacity);
    this.port = grownColumn(this.port, capacity);
    this.viaPort = grownColumn(this.viaPort, capacity);
    this.connections = grownColumn(this.connections, capacity);
    this.open = grownColumn(this.open, capacity);
    this.retained = grownColumn(this.retained, capacity);
    this.refused = grownColumn(this.refused, capacity);
    this.timedOut = grownColumn(this.timedOut, capacity);
    this.pending = grownColumn(this.pending, capacity);
    this.aggregate = grownColumn(this.aggregate, capacity);
    this.withClientSocket = grownColumn(this.withClientSocket, capacity);
    this.withServerSocket = grownColumn(this.withServerSocket, capacity);
    this.withBytes = grownColumn(this.withBytes, capacity);
    this.bytesToServer = grownColumn(this.bytesToServer, capacity);
    this.bytesToClient = grownColumn(this.bytesToClient, capacity);
    this.withFlow = grownColumn(this.withFlow, capacity);
    this.firstSeenMs = grownColumn(this.firstSeenMs, capacity);
    this.lastSeenMs = grownColumn(this.lastSeenMs, capacity);
  }
}

function hashOf(client: number, server: number, protocol: number, port: number, viaPort: number): number {
  return mixHash(mixHash(mixHash(client, server), (protocol << 16) | port), viaPort);
}
