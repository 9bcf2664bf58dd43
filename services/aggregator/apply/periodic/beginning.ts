// Where sums begin if the stream no longer has the nodes' first reports. Each node is known from its first
// keyframe on, some minutes apart, so what closed meanwhile has one end only: no client or no server, and its
// direction is a guess. Therefore counting begins once all of these nodes are known, with what is open then.
// An aggregator that has heard all reports begins at once.

import type { Model } from "../../model/model.ts";
import { Trait } from "../../model/connections/connection-rows.ts";
import type { Settler } from "../settler.ts";

/** Within this time every node has reported that was there when the stream begins. */
const FIRST_REPORTS_MS = 5000;
/** Nodes without a keyframe for this long (several keyframe intervals) are not waited for. */
const KEYFRAMES_MS = 15 * 60_000;

/** Finds out where counting begins. */
export class Beginning {
  readonly #model: Model;
  readonly #settler: Settler;
  #startMs = 0;
  #isOver = false;

  constructor(model: Model, settler: Settler) {
    this.#model = model;
    this.#settler = settler;
  }

  /** Whether counting has begun. Until then, no connection that has ended may be left to its edge. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Begins counting if it is time. */
  review(nowMs: number): void {
    const nodes = this.#model.nodes.all();
    if (this.#isOver || nodes.length === 0) return;
    if (this.#startMs === 0) this.#startMs = nowMs;
    const waits = nodes.some((node) => node.countedSinceMs === 0);
    const elapsedMs = nowMs - this.#startMs;
    if (elapsedMs < FIRST_REPORTS_MS || (waits && elapsedMs < KEYFRAMES_MS)) return;
    this.#isOver = true;
    if (!nodes.some((node) => node.missedBeginning)) return;
    this.#settler.settle(nowMs);
    this.#uncountClosed();
    for (const node of nodes) node.countSince(nowMs);
  }

  // What is left of closed connections stays known, such as entries in TIME_WAIT: it must not become another
  // one.
  #uncountClosed(): void {
    const { connections, edges } = this.#model;
    for (let connection = 0; connection < connections.used; connection++) {
      if (!connections.exists(connection) || !connections.isClosed(connection)) continue;
      const isEnded = connections.isEnded(connection);
      // Later conversations are added to these.
      if (!isEnded && (connections.has(connection, Trait.lone) || connections.folds.has(connection)))
        continue;
      connections.addTraits(connection, Trait.uncounted);
      edges.uncount(connection);
    }
  }
}
