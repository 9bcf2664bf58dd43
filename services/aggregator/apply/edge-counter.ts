// Counts connections on their edges.

import { readConnectionBytes } from "../model/connections/connection-bytes.ts";
import { Trait } from "../model/connections/connection-rows.ts";
import type { Model } from "../model/model.ts";
import type { ChangeFeed } from "./change-feed.ts";
import type { EdgeKeys } from "./edge-keys.ts";

/** The counter. */
export class EdgeCounter {
  readonly #model: Model;
  readonly #keys: EdgeKeys;
  readonly #feed: ChangeFeed;
  // What the connection being counted carried.
  readonly #carried = { known: false, toServer: 0, toClient: 0 };

  constructor(model: Model, keys: EdgeKeys, feed: ChangeFeed) {
    this.#model = model;
    this.#keys = keys;
    this.#feed = feed;
  }

  /** Counts a connection in its current state. */
  count(connection: number): void {
    const { connections, edges, overflow } = this.#model;
    if (connections.has(connection, Trait.uncounted)) return;
    this.#read(connection);
    const moved = edges.count(connection, this.#keys.of(connection), this.#carried);
    if (moved) this.#feed.note(connection);
    if (edges.edgeOf(connection) < 0) overflow.add("edges");
  }

  /** Updates only the bytes that a connection carried. */
  countBytes(connection: number): void {
    this.#read(connection);
    this.#model.edges.countBytes(connection, this.#carried);
  }

  #read(connection: number): void {
    this.#carried.known = readConnectionBytes(this.#model, connection, this.#carried);
  }
}
