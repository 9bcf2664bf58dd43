// Ingest: the aggregator's cost of taking reports and, in a cluster with whotalks, the time from a socket's
// birth to its line in `kubectl whotalks watch`.

import { measureThroughput } from "./throughput.ts";
import { measureWatchLatency } from "./watch-latency.ts";

/** Measures and prints both. */
export async function run(): Promise<void> {
  await measureThroughput();
  await measureWatchLatency();
}
