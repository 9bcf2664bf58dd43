// New flows are held back: their sockets arrive with a later pass. Each flow waits in one of three queues for
// as long as its sockets may take.

import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { FlowQueue } from "../model/flows/flow-queue.ts";
import type { Model } from "../model/model.ts";
import { LAG_MS } from "../match/lag.ts";
import { isOfFirstLook } from "../match/by-lone-flow.ts";

/** Flows judged per call; the rest follow with the next tick. */
const JUDGED_MAX = 2 ** 16;
/** Milliseconds that a report may take in addition to its agent's interval. */
const REPORT_MS = 2_000;
/** The longest interval that is waited for. */
const INTERVAL_MS_MAX = 30_000;

/** Flows that wait to be judged. */
export class FlowWaits {
  readonly #model: Model;
  /** Protocols whose sockets are not read; datagrams; TCP. */
  readonly #socketless = new FlowQueue();
  readonly #datagrams = new FlowQueue();
  readonly #streams = new FlowQueue();

  constructor(model: Model) {
    this.#model = model;
  }

  /** Starts the wait of a flow whose report arrived at a time. */
  begin(flow: number, arrivedMs: number): void {
    const { flows } = this.#model;
    const protocol = flows.protocol[flow]!;
    const isDatagram = protocol === Protocol.udp || protocol === Protocol.udplite;
    const queue = protocol === Protocol.tcp ? this.#streams : isDatagram ? this.#datagrams : this.#socketless;
    flows.beginWait(flow);
    queue.push(flow, arrivedMs);
  }

  /**
   * Passes the flows that have waited long enough to `judge`, one by one. A flow that is gone is kept until
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
      // On a single machine the first pass reports sockets and flows together.
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
