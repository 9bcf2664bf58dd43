// A worker with a node's agent, as the bench of short connections chooses it. Reads and hears from one line
// on standard input to the next, keeping its encoded reports, then applies them to an aggregator and reports
// what that knows of the load. So the aggregator, which runs elsewhere in a cluster, takes nothing from the
// load.

import { createInterface } from "node:readline";

import type { NodeCoverage } from "../../lib/gen/whotalks/v1/report.ts";
import type { ConntrackChoice } from "../../lib/vocabulary/conntrack-choices.ts";
import type { EventsChoice } from "../../lib/vocabulary/events-modes.ts";
import { createAggregator } from "../../services/aggregator/aggregator.ts";
import { createNodeAgent } from "../../services/node-agent/node-agent.ts";
import { ANSWERED, CLIENT, PORT, SENT, SERVER } from "./generated-load.ts";

const { events, conntrack, intervalMs } = JSON.parse(process.argv[2]!) as {
  events: EventsChoice;
  conntrack: ConntrackChoice;
  intervalMs: number;
};

/** Reports of one round that are kept at most, in bytes: some 100 bytes a socket, 200,000 sockets. */
const REPORT_BYTES_MAX = 256 * 2 ** 20;

class KeptReports {
  readonly #reports: { readonly bytes: Uint8Array; readonly timeMs: number }[] = [];
  #bytes = 0;

  publish(report: Uint8Array): Promise<void> {
    this.#bytes += report.length;
    if (this.#bytes > REPORT_BYTES_MAX) return Promise.reject(new Error("no room for more reports"));
    this.#reports.push({ bytes: report.slice(), timeMs: Date.now() });
    return Promise.resolve();
  }

  /** What an aggregator knows of the connections between the generator's processes. */
  known(): { seen: number; named: number; exactBytes: number } {
    const aggregator = createAggregator({ now: Date.now });
    for (const { bytes, timeMs } of this.#reports) aggregator.ingest(bytes, timeMs);
    aggregator.tick(Date.now());
    let [seen, named, toServer, toClient] = [0, 0, 0, 0];
    for (const edge of aggregator.query.edges(undefined, 1e6).items) {
      if (edge.port !== PORT) continue;
      const [client, server] = [edge.client?.process?.name, edge.server?.process?.name];
      seen += edge.connections;
      if (server === SERVER && client === CLIENT) named += edge.connections;
      toServer += edge.bytesToServer ?? 0;
      toClient += edge.bytesToClient ?? 0;
    }
    aggregator.close();
    return { seen, named, exactBytes: Math.floor(Math.min(toServer / SENT, toClient / ANSWERED)) };
  }
}

async function listen(end: Promise<unknown>): Promise<Record<string, number>> {
  const startMs = performance.now();
  const reports = new KeptReports();
  let coverage: NodeCoverage | null = null;
  const agent = createNodeAgent(
    { node: "bench", procRoot: "/proc", reader: "auto", conntrack, events },
    {
      sink: reports,
      elapsedMs: () => performance.now() - startMs,
      onPass: (latest) => (coverage = latest),
    },
    { intervalMs, keyframeMs: Number.POSITIVE_INFINITY, cpuShare: null },
  );
  const stop = new AbortController();
  await agent.pass();
  const running = agent.run(stop.signal);
  const before = process.cpuUsage();
  console.log("{}");
  await end;
  stop.abort();
  await running;
  // The second pass after the end has reported everything and compared it with the kernel's counters.
  await agent.pass();
  await agent.pass();
  const { user, system } = process.cpuUsage(before);
  const rssMiB = process.memoryUsage.rss() / 2 ** 20;
  agent.close();
  const { unseen, eventsLost, destroyedOverruns, flowOverruns } = knownCoverage(coverage);
  const lost = eventsLost + destroyedOverruns + flowOverruns;
  return { cpuMs: (user + system) / 1000, rssMiB, unseen, lost, ...reports.known() };
}

function knownCoverage(coverage: NodeCoverage | null): NodeCoverage {
  if (coverage === null) throw new Error("no pass was made");
  return coverage;
}

const lines = createInterface(process.stdin)[Symbol.asyncIterator]();
while (!(await lines.next()).done) console.log(JSON.stringify(await listen(lines.next())));
