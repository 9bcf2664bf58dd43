// `whotalks local`: the agent's and the aggregator's pipelines in one process, connected by a bus in memory.
// The command queries it in the process; other terminals use the gRPC API, as in a cluster.

import { hostname } from "node:os";
import { performance } from "node:perf_hooks";

import { MemoryBus } from "../../lib/bus.ts";
import { createAggregator } from "../../services/aggregator/aggregator.ts";
import type { ServerOptions } from "../../services/aggregator/serve/server.ts";
import type { NodeAgent, OuterParts } from "../../services/node-agent/node-agent.ts";
import { createNodeAgent, ReaderObstacle } from "../../services/node-agent/node-agent.ts";
import { isLiveProc } from "../../services/node-agent/readers/live-proc.ts";
import { UsageError } from "../../lib/program/usage-error.ts";
import { askPipeline } from "./ask-pipeline.ts";
import type { ListenAddress, LocalOptions } from "../command/local-options.ts";
import type { LocalPipeline } from "./local-pipeline.ts";
import { serveLater } from "./serve-later.ts";

/** Within one process no report is ever lost, so a keyframe is sent only once. */
const KEYFRAME_MS = Number.POSITIVE_INFINITY;

/** Interval of the aggregator's periodic work. */
const SWEEP_MS = 1000;

/** Starts the pipelines and the API; rejects with a sentence if that fails. */
export async function startLocal(options: LocalOptions): Promise<LocalPipeline> {
  const started = performance.now();
  const elapsedMs = (): number => performance.now() - started;
  const now = Date.now;

  const aggregator = createAggregator({ now });
  const bus = new MemoryBus(now);
  bus.subscribe(aggregator.ingest);

  const firstPass = Promise.withResolvers<void>();
  const agent = createLocalAgent(options, { sink: bus, elapsedMs, onPass: () => firstPass.resolve() });
  const { query } = aggregator;
  const server = await serve(options.listen, { query, now });

  const stop = new AbortController();
  const sweeping = setInterval(() => aggregator.tick(now()), SWEEP_MS);
  const running = agent.run(stop.signal).catch((error: unknown) => firstPass.reject(error));
  return {
    address: server?.address ?? null,
    firstPass: firstPass.promise,
    ask: (signal) => askPipeline({ query, now }, signal),
    async close() {
      stop.abort();
      clearInterval(sweeping);
      await running;
      agent.close();
      aggregator.close();
      await server?.close();
    },
  };
}

function createLocalAgent(options: LocalOptions, outer: OuterParts): NodeAgent {
  const { procDir, byteOrder, reader, conntrack = "auto", events = "auto" } = options;
  const agentOptions = {
    node: hostname(),
    procRoot: procDir,
    saved: !isLiveProc(procDir),
    littleEndian: byteOrder === undefined ? undefined : byteOrder === "little",
    reader,
    conntrack,
    events,
  };
  const pace = { intervalMs: options.intervalMs, keyframeMs: KEYFRAME_MS, cpuShare: null };
  try {
    return createNodeAgent(agentOptions, outer, pace);
  } catch (error) {
    if (!(error instanceof ReaderObstacle)) throw error;
    throw new UsageError(`${reader === "auto" ? "--proc" : `--reader ${reader}`}: ${error.message}`);
  }
}

// Null if there are no other clients.
async function serve(listen: ListenAddress | null, options: ServerOptions): Promise<Served | null> {
  if (listen === null) return null;
  const { host } = listen;
  const at = (port: number): string => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`);
  const listenOn = async (port: number): Promise<Served> => {
    const server = await serveLater({ host, port }, options);
    return { address: at(server.port), close: () => server.close() };
  };
  try {
    return await listenOn(listen.port);
  } catch (error) {
    if (listen.elseAnyPort) return listenOn(0);
    throw new Error(
      `cannot listen on ${at(listen.port)}: choose another address with --listen, or --listen none`,
      { cause: error },
    );
  }
}

interface Served {
  readonly address: string;
  close(): Promise<void>;
}
