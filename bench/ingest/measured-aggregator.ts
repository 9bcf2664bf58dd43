// The measured aggregator, in its own process: NATS's subscription and the whole pipeline, without queries.
// Reports to its parent the cost of replaying the stream, then the cost of each further round of reports.

import { once } from "node:events";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { connectForEver } from "../../lib/nats/connection.ts";
import { silentLog } from "../../lib/testing/silent-log.ts";
import { defaultStreamSettings } from "../../lib/testing/stream-settings.ts";
import { KEYFRAME_AGE_MS_MAX } from "../../services/aggregator/ingest/nats-replay-start.ts";
import { NatsSubscription } from "../../services/aggregator/ingest/nats-subscription.ts";
import { createAggregator } from "../../services/aggregator/aggregator.ts";

/** The cost of taking reports, until everything that follows from them is settled. */
export interface IngestFigures {
  /** CPU of the whole process, user and system, including NATS's protocol and the garbage collector. */
  readonly cpuMs: number;
  readonly reports: number;
  readonly sockets: number;
  readonly connections: number;
  /** Connections with both ends known. */
  readonly joined: number;
  /** Growth of memory since before the first report, without garbage. */
  readonly rssBytes: number;
  readonly heapAndExternalBytes: number;
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const link = await connectForEver(
  { servers: [process.argv[2]!], name: "bench-aggregator" },
  silentLog,
  new AbortController().signal,
);
const aggregator = createAggregator({ now: Date.now });
const memoryBefore = memory();

let expected = Number.POSITIVE_INFINITY;
let cpuBefore = process.cpuUsage();
const subscription = new NatsSubscription({
  link,
  stream: defaultStreamSettings,
  depth: { lookbackMs: 0, keyframeAgeMsMax: KEYFRAME_AGE_MS_MAX },
  againDepth: { lookbackMs: 0, keyframeAgeMsMax: KEYFRAME_AGE_MS_MAX },
  handler(report, timeMs) {
    aggregator.ingest(report, timeMs);
    if (aggregator.counts().applied >= expected) tell();
  },
  log: silentLog,
});
await subscription.ready;
tell();

// Each message is a round: the number of reports in it.
process.on("message", (reports: number) => {
  expected = aggregator.counts().applied + reports;
  cpuBefore = process.cpuUsage();
  process.send!("waits for the round");
});
await once(process, "disconnect");
process.exit();

function tell(): void {
  expected = Number.POSITIVE_INFINITY;
  aggregator.tick(Date.now());
  const { user, system } = process.cpuUsage(cpuBefore);
  const { applied, sockets, listeners, connections } = aggregator.counts();
  const { rssBytes, heapAndExternalBytes } = memory();
  const figures: IngestFigures = {
    cpuMs: (user + system) / 1000,
    reports: applied,
    sockets,
    connections,
    joined: sockets - listeners - connections,
    rssBytes: rssBytes - memoryBefore.rssBytes,
    heapAndExternalBytes: heapAndExternalBytes - memoryBefore.heapAndExternalBytes,
  };
  process.send!(figures);
}

function memory(): { rssBytes: number; heapAndExternalBytes: number } {
  collectGarbage();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rssBytes: rss, heapAndExternalBytes: heapUsed + external };
}
