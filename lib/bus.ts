// The bus that carries encoded reports from agents to the aggregator. Two implementations exist: memory (one
// process, `whotalks local`) and NATS JetStream (a cluster).

/** What a bus needs to know about a report that it does not decode. */
interface ReportKind {
  readonly keyframe: boolean;
}

/** Where an agent publishes its reports. */
export interface ReportSink {
  /** Publishes one encoded report; resolves once it is stored, rejects if it could not be delivered. */
  publish(report: Uint8Array, kind: ReportKind): Promise<void>;
}

/** Receives each report with its time (milliseconds since 1970). */
export type ReportHandler = (report: Uint8Array, timeMs: number) => void;

/**
 * A bus within one process: delivers every report to every handler at once, in order, as the bytes that were
 * published.
 */
export class MemoryBus implements ReportSink {
  readonly #handlers: ReportHandler[] = [];
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Adds a handler for future reports. */
  subscribe(handler: ReportHandler): void {
    this.#handlers.push(handler);
  }

  publish(report: Uint8Array): Promise<void> {
    for (const handler of this.#handlers) handler(report, this.#now());
    return Promise.resolve();
  }
}
