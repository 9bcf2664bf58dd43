// The agents of a simulated cluster: each publishes its node's keyframes as real agents do, with the same
// order, acknowledgements and message ids.

import type { NatsLink } from "../../lib/nats/connection.ts";
import { silentLog } from "../../lib/testing/silent-log.ts";
import { NatsPublisher } from "../../services/node-agent/publish/nats-publisher.ts";
import type { ClusterShape } from "./synthetic-reports.ts";
import { keyframeReports, largeCluster } from "./synthetic-reports.ts";

/** One publisher per node, all over one connection. */
export class SyntheticAgents {
  /** In one round, for all nodes together. */
  reportsPerRound = 0;
  bytesPerRound = 0;
  readonly #publishers: readonly NatsPublisher[];
  readonly #shape: ClusterShape;
  readonly #epoch = Date.now();
  #rounds = 0;
  #traffic = 0;

  constructor(link: NatsLink, shape: ClusterShape = largeCluster) {
    this.#shape = shape;
    this.#publishers = Array.from({ length: shape.nodes }, () => {
      // No tail is kept for republishing after the stream goes back: this bench has no crashes.
      const publisher = new NatsPublisher({ log: silentLog, monotonicMs: now, bounds: { tailBytesMax: 0 } });
      publisher.attach(link);
      return publisher;
    });
  }

  /**
   * Encodes every node's next keyframe, with or without traffic since the previous one; returns a function
   * that publishes them.
   */
  prepareRound(traffic: boolean): () => Promise<void> {
    if (traffic) this.#traffic++;
    const number = this.#rounds++;
    const firstSequence = 1 + (number * this.reportsPerRound) / this.#shape.nodes;
    const round = { epoch: this.#epoch, number, firstSequence, traffic: this.#traffic, shape: this.#shape };
    const nodes = this.#publishers.map((publisher, node) => ({
      publisher,
      reports: keyframeReports(node, round),
    }));
    const all = nodes.flatMap(({ reports }) => reports);
    this.reportsPerRound = all.length;
    this.bytesPerRound = all.reduce((sum, { length }) => sum + length, 0);
    return async () => {
      await Promise.all(
        nodes.flatMap(({ publisher, reports }) => reports.map((report) => publisher.publish(report))),
      );
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#publishers.map((publisher) => publisher.close()));
  }
}

function now(): number {
  return performance.now();
}
