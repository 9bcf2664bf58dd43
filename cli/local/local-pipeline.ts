// The interface between the command line and the pipeline that `whotalks local` runs in its own process.

import type { Asker } from "../ask/ask.ts";

/** A running pipeline. */
export interface LocalPipeline {
  /** Address for other clients, HOST:PORT; null if it is not served. */
  readonly address: string | null;
  /** Resolves once everything has been read once; rejects if nothing can be read. */
  readonly firstPass: Promise<void>;
  /** Queries it in this process; aborting the signal cancels running queries without an error. */
  ask(signal: AbortSignal): Asker;
  /** Stops reading and serving. */
  close(): Promise<void>;
}
