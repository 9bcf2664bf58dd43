// What the command line sees of the pipeline that `whotalks local` runs in its own process.

import type { Asker } from "../ask/ask.ts";

/** A pipeline that runs. */
export interface LocalPipeline {
  /** Where others may ask it, HOST:PORT; null where nobody may. */
  readonly address: string | null;
  /** Resolves once everything has been read once; rejects where nothing can be. */
  readonly firstPass: Promise<void>;
  /** Asks it from within; aborting the signal ends what is under way, without an error. */
  ask(signal: AbortSignal): Asker;
  /** Stops reading and serving. */
  close(): Promise<void>;
}
