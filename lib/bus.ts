// What carries encoded reports from agents to the aggregator. Two carriers exist: memory (one process,
// `whotalks local`) and NATS JetStream (a cluster).

/** What a carrier must know of a report without decoding it. */
interface ReportKind {
  readonly keyframe: boolean;
}

/** Where an agent puts its reports. */
export interface ReportSink {
  /** Hands one encoded report over; resolves once it is safe, rejects where it could not be delivered. */
  publish(report: Uint8Array, kind: ReportKind): Promise<void>;
}

/** Takes each report that arrives, with the time of the one clock (milliseconds since 1970). */
export type ReportHandler = (report: Uint8Array, timeMs: number) => void;

/**
 * A bus within one process: every report reaches every handler at once, in order, as the bytes it was sent as.
 */
export class MemoryBus implements ReportSink {
  readonly #handlers: ReportHandler[] = [];
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Adds a handler for the reports to come. */
  subscribe(handler: ReportHandler): void {
    this.#handlers.push(handler);
  }

  publish(report: Uint8Array): Promise<void> {
    for (const handler of this.#handlers) handler(report, this.#now());
    return Promise.resolve();
  }
}
