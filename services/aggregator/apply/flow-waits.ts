// New flows are held back: the sockets that they belong to arrive with a later pass. Each waits, in one of
// three queues, for as long as its sockets may take.

import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { FlowQueue } from "../model/flows/flow-queue.ts";
import type { Model } from "../model/model.ts";
import { LAG_MS } from "../match/lag.ts";
import { isOfFirstLook } from "../match/by-lone-flow.ts";

/** Flows judged at one time at most; the rest follow with the next tick. */
const JUDGED_MAX = 2 ** 16;
/** Milliseconds that a report may take beside the interval of its agent's passes. */
const REPORT_MS = 2_000;
/** The longest interval that is waited for. */
const INTERVAL_MS_MAX = 30_000;

/** Flows that wait to be judged. */
export class FlowWaits {
  readonly #model: Model;
  /** Protocols without sockets that are read; datagrams; TCP. */
  readonly #socketless = new FlowQueue();
  readonly #datagrams = new FlowQueue();
  readonly #streams = new FlowQueue();

  constructor(model: Model) {
    this.#model = model;
  }

  /** A flow that was reported at a time begins to wait. */
  begin(flow: number, reportedMs: number): void {
    const { flows } = this.#model;
    const protocol = flows.protocol[flow]!;
    const isDatagram = protocol === Protocol.udp || protocol === Protocol.udplite;
    const queue = protocol === Protocol.tcp ? this.#streams : isDatagram ? this.#datagrams : this.#socketless;
    flows.beginWait(flow);
    queue.push(flow, reportedMs);
  }

  /**
   * Gives the flows that have waited long enough to `judge`, one by one. A flow that is gone is kept until
   * then.
   */
  end(nowMs: number, judge: (flow: number) => void): void {
    if (this.#socketless.size + this.#datagrams.size + this.#streams.size === 0) return;
    const intervalMs = this.#longestIntervalMs();
    this.#endQueue(this.#socketless, nowMs - REPORT_MS - intervalMs, judge);
    this.#endQueue(this.#datagrams, nowMs - REPORT_MS - 2 * intervalMs, judge);
    this.#endQueue(this.#streams, nowMs - LAG_MS - 2 * intervalMs, judge);
  }

  #endQueue(queue: FlowQueue, reportedBeforeMs: number, judge: (flow: number) => void): void {
    const { flows, nodes } = this.#model;
    for (let judged = 0; queue.size > 0 && judged < JUDGED_MAX; judged++) {
      // On a single machine the first look reports sockets and flows together.
      const isTogether = nodes.size === 1 && isOfFirstLook(this.#model, queue.first);
      if (queue.firstMs > reportedBeforeMs && !isTogether) return;
      const flow = queue.shift();
      judge(flow);
      flows.endWait(flow);
    }
  }

  #longestIntervalMs(): number {
    let longest = 0;
    for (const { lost, intervalMs } of this.#model.nodes.all())
      if (!lost) longest = Math.max(longest, intervalMs);
    return Math.min(INTERVAL_MS_MAX, longest);
  }
}
