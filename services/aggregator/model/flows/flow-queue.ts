// Flows that wait for their sockets to be reported, in the order in which they were reported, each with that
// time.

import { FLOWS_MAX } from "../../gen/flow-columns.ts";

/** A ring of flows. Each flow is in it at most once, so FLOWS_MAX bounds it. */
export class FlowQueue {
  #flows = new Int32Array(1024);
  #times = new Float64Array(1024);
  #first = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Appends a flow that was reported at a time. */
  push(flow: number, timeMs: number): void {
    if (this.#size === this.#flows.length) this.#grow();
    const at = (this.#first + this.#size++) & (this.#flows.length - 1);
    this.#flows[at] = flow;
    this.#times[at] = timeMs;
  }

  /** The first flow; the queue must not be empty. */
  get first(): number {
    return this.#flows[this.#first]!;
  }

  /** When the first flow was reported. */
  get firstMs(): number {
    return this.#times[this.#first]!;
  }

  /** Removes and returns the first flow; the queue must not be empty. */
  shift(): number {
    const flow = this.#flows[this.#first]!;
    this.#first = (this.#first + 1) & (this.#flows.length - 1);
    this.#size--;
    return flow;
  }

  // Capacities are powers of two, so that a mask computes positions.
  #grow(): void {
    const capacity = Math.min(FLOWS_MAX, this.#flows.length * 2);
    const flows = new Int32Array(capacity);
    const times = new Float64Array(capacity);
    for (let i = 0; i < this.#size; i++) {
      const at = (this.#first + i) & (this.#flows.length - 1);
      flows[i] = this.#flows[at]!;
      times[i] = this.#times[at]!;
    }
    this.#flows = flows;
    this.#times = times;
    this.#first = 0;
  }
}
