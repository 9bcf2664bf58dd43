// Ingest: what taking reports costs the aggregator, and, in a cluster with whotalks in it, how long it takes
// from a socket's birth to its line in `kubectl whotalks watch`.

import { measureThroughput } from "./throughput.ts";
import { measureWatchLatency } from "./watch-latency.ts";

/** Measures and prints both. */
export async function run(): Promise<void> {
  await measureThroughput();
  await measureWatchLatency();
}
