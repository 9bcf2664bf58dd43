// The one writer of edges and their keys. edge-counts.ts counts on them.

import { EDGES_MAX } from "../../gen/edge-columns.ts";
import type { EdgeKey } from "./edge-rows.ts";
import { EdgeRows, hashOf } from "./edge-rows.ts";
import type { EndpointTable } from "./endpoint-table.ts";

/** Oldest edges examined for eviction. The first without a connection is evicted. */
const EVICTION_CANDIDATES = 64;

/** Writable edges. */
export class EdgeTable extends EdgeRows {
  readonly #endpoints: EndpointTable;
  readonly #free: number[] = [];
  readonly #max: number;
  #used = 0;

  constructor(endpoints: EndpointTable, max: number = EDGES_MAX) {
    super();
    this.#endpoints = endpoints;
    this.#max = max;
  }

  /** Sets the aggregate, the connection into which others of the edge are folded; -1 for none. */
  setAggregate(slot: number, connection: number): void {
    this._aggregate[slot] = connection;
  }

  /** Returns the edge with this key, adding one without connections if necessary; -1 if there is no room. */
  protected intern(key: EdgeKey, timeMs: number): number {
    const known = this.find(key);
    return known >= 0 ? known : this.#add(key, timeMs);
  }

  /** Removes an edge that has no connection. */
  protected remove(slot: number): void {
    this.index.remove(slot);
    this.order.delete(slot);
    this.#endpoints.release(this._client[slot]!);
    this.#endpoints.release(this._server[slot]!);
    this.viaIpsBySlot.delete(slot);
    this.pathsBySlot.delete(slot);
    this.#free.push(slot);
  }

  #add(key: EdgeKey, timeMs: number): number {
    this.#endpoints.retain(key.client);
    this.#endpoints.retain(key.server);
    if (this.order.size >= this.#max && !this.#evict()) {
      this.#endpoints.release(key.client);
      this.#endpoints.release(key.server);
      return -1;
    }
    const slot = this.#free.pop() ?? this.#used++;
    if (slot >= this._client.length) this.growByCopy();
    this._client[slot] = key.client;
    this._server[slot] = key.server;
    this._protocol[slot] = key.protocol;
    this._port[slot] = key.port;
    this._viaPort[slot] = key.viaPort;
    if (key.viaIp !== "") this.viaIpsBySlot.set(slot, key.viaIp);
    if (key.path !== "") this.pathsBySlot.set(slot, key.path);
    this.clearCounts(slot);
    this._firstSeenMs[slot] = timeMs;
    this._lastSeenMs[slot] = timeMs;
    this.index.add(slot, hashOf(key));
    this.order.add(slot);
    return slot;
  }

  // Moves edges that cannot be evicted to the end, so that the next search starts with other candidates.
  // Returns false if all candidates still have connections.
  #evict(): boolean {
    let looked = 0;
    for (const slot of this.order) {
      if (this._retained[slot] === 0) {
        this.remove(slot);
        return true;
      }
      this.order.delete(slot);
      this.order.add(slot);
      if (++looked >= EVICTION_CANDIDATES) return false;
    }
    return false;
  }
}
