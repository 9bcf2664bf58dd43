// An agent that hears TCP sockets and makes a pass when it is asked to, with its reports folded.

import { setTimeout as sleep } from "node:timers/promises";

import { TcpStateTracepoint } from "../../kernel/bpf/trace/tcp-state-tracepoint.ts";
import type { OuterParts } from "../../node-agent.ts";
import { createNodeAgent } from "../../node-agent.ts";
import type { NodeAgent } from "../../node-agent.ts";
import type { TcpEvents } from "../../observation.ts";
import { FoldedReports } from "../../testing/folded-reports.ts";

const HOUR_MS = 3_600_000;

/** What is heard, with losses that did not happen. */
class DoubtfulEvents implements TcpEvents {
  feigned = 0;
  readonly #tracepoint: TcpStateTracepoint;

  constructor(tracepoint: TcpStateTracepoint) {
    this.#tracepoint = tracepoint;
  }

  get waiting(): number {
    return this.#tracepoint.waiting;
  }

  get lost(): number {
    return this.#tracepoint.lost + this.feigned;
  }

  drain(take: Parameters<TcpEvents["drain"]>[0]): void {
    this.#tracepoint.drain(take);
  }
}

/** Between its passes it runs as every agent does. */
export class HearingAgent implements AsyncDisposable {
  readonly folded = new FoldedReports();
  readonly #tracepoint: TcpStateTracepoint;
  readonly #events: DoubtfulEvents;
  readonly #agent: NodeAgent;
  #skippedMs = 0;
  #passes = 0;
  #isKeyframeAsked = true;
  #running: Promise<void> | null = null;
  #stop = new AbortController();

  /** Attaches; nothing is read before the first pass. */
  constructor({ ringBytes, ...parts }: Partial<OuterParts> & { readonly ringBytes?: number } = {}) {
    const startMs = performance.now();
    this.#tracepoint = TcpStateTracepoint.attach(ringBytes === undefined ? {} : { ringBytes });
    this.#events = new DoubtfulEvents(this.#tracepoint);
    this.#agent = createNodeAgent(
      { node: "n", procRoot: "/proc", reader: "bpf-iter", conntrack: "none", events: "auto" },
      {
        sink: {
          publish: (bytes) => {
            this.folded.apply(bytes);
            return Promise.resolve();
          },
        },
        flows: null,
        events: this.#events,
        elapsedMs: () => performance.now() - startMs + this.#skippedMs,
        takeKeyframeRequest: () => {
          const isAsked = this.#isKeyframeAsked;
          this.#isKeyframeAsked = false;
          return isAsked;
        },
        onPass: () => {
          this.#passes++;
        },
        ...parts,
      },
      { intervalMs: HOUR_MS, keyframeMs: HOUR_MS, cpuShare: null },
    );
  }

  /** Records that were lost because the ring buffer was full. */
  get lost(): number {
    return this.#tracepoint.lost;
  }

  /** Makes a pass and continues to receive events. */
  async pass({ keyframe = false } = {}): Promise<void> {
    await this.rest();
    this.#isKeyframeAsked ||= keyframe;
    const before = this.#passes;
    this.#stop = new AbortController();
    this.#running = this.#agent.run(this.#stop.signal);
    while (this.#passes === before) await Promise.race([sleep(1), this.#running]);
  }

  /** Stops hearing until the next pass. */
  async rest(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.#running = null;
  }

  /** Makes the next pass believe that records were lost, so that it reads everything. */
  doubt(): void {
    this.#events.feigned++;
  }

  /** Lets the agent's clock skip some time. */
  skip(ms: number): void {
    this.#skippedMs += ms;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.rest();
    this.#agent.close();
    this.#tracepoint.close();
  }
}
