// Edges as answers show them.

import type { EdgeRows } from "../model/edges/edge-rows.ts";
import type { ReadModel } from "../model/model.ts";

/** Reads edges by slot. */
export class EdgeView {
  readonly rows: EdgeRows;
  readonly #model: ReadModel;

  constructor(model: ReadModel) {
    this.#model = model;
    this.rows = model.edges;
  }

  /**
   * When the edge was last seen; while it has open connections, the time of the latest passes of its ends'
   * nodes.
   */
  lastSeenMs(slot: number): number {
    const { rows } = this;
    const lastMs = rows.lastSeenMs[slot]!;
    if (rows.open[slot] === 0) return lastMs;
    return Math.max(lastMs, this.#observedMs(rows.client[slot]!), this.#observedMs(rows.server[slot]!));
  }

  #observedMs(endpoint: number): number {
    const { endpoints, nodes } = this.#model;
    const key = endpoints.get(endpoint);
    return key === undefined || key.kind === "address" ? 0 : (nodes.named(key.node)?.observedMs ?? 0);
  }
}
