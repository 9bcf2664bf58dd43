// `whotalks local`: the agent's and the aggregator's pipelines in one process, with a bus in memory between them.
// The command itself asks from within; for other terminals there is the gRPC API in front, as a cluster has it.

import { endianness, hostname } from "node:os";
import { performance } from "node:perf_hooks";

import { MemoryBus } from "../../lib/bus.ts";
import { ticksOf } from "../../lib/ticks.ts";
import { EmbeddedIdentity } from "../../services/aggregator/identify/embedded-identity.ts";
import { createAggregator } from "../../services/aggregator/pipeline.ts";
import type { ServerOptions } from "../../services/aggregator/serve/server.ts";
import { NodeFlows } from "../../services/node-agent/conntrack/node-flows.ts";
import type { DestroyedSockets } from "../../services/node-agent/destroyed/destroyed-sockets.ts";
import { openDestroyedSockets } from "../../services/node-agent/destroyed/open-destroyed-sockets.ts";
import type { Agent } from "../../services/node-agent/pipeline.ts";
import { createAgent } from "../../services/node-agent/pipeline.ts";
import { bootId, isLiveProc } from "../../services/node-agent/readers/live-proc.ts";
import { createSocketHolders } from "../../services/node-agent/processes/fds.ts";
import { createProcessScanner } from "../../services/node-agent/processes/scan.ts";
import { createTaskSource } from "../../services/node-agent/processes/task-source.ts";
import { chooseReader } from "../../services/node-agent/readers/choose-reader.ts";
import { readNamespaceCounters } from "../../services/node-agent/readers/tcp-counters.ts";
import { UsageError } from "../command/errors.ts";
import { askPipeline } from "./ask-pipeline.ts";
import type { ListenAddress, LocalOptions } from "../command/local-options.ts";
import type { LocalPipeline } from "./local-pipeline.ts";
import { serveLater } from "./serve-later.ts";

/** In one process no report is ever lost: a keyframe is sent once. */
const KEYFRAME_MS = Number.POSITIVE_INFINITY;

/** How often the aggregator looks at what time makes due. */
const SWEEP_MS = 1000;

/** Starts the pipelines and the API; rejects with a sentence where that cannot be. */
export async function startLocal(options: LocalOptions): Promise<LocalPipeline> {
  const started = performance.now();
  const elapsedMs = (): number => performance.now() - started;
  const now = Date.now;

  const aggregator = createAggregator({ identity: new EmbeddedIdentity(), now });
  const bus = new MemoryBus(now);
  bus.subscribe(aggregator.ingest);

  const firstPass = Promise.withResolvers<void>();
  const flows = createNodeFlows(options, elapsedMs);
  const destroyed = isLiveProc(options.procDir) ? openDestroyedSockets(options.procDir, elapsedMs) : null;
  const agent = createLocalAgent(options, bus, elapsedMs, { flows, destroyed }, () => firstPass.resolve());
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
      flows.close();
      destroyed?.close();
      aggregator.close();
      await server?.close();
    },
  };
}

function createLocalAgent(
  options: LocalOptions,
  bus: MemoryBus,
  elapsedMs: () => number,
  { flows, destroyed }: { flows: NodeFlows; destroyed: DestroyedSockets | null },
  onPass: () => void,
): Agent {
  const { procDir } = options;
  const reader = chooseReader(options.reader, {
    procRoot: procDir,
    littleEndian: options.byteOrder === undefined ? endianness() === "LE" : options.byteOrder === "little",
    nowTicks: () => ticksOf(elapsedMs()),
  });
  const obstacle = reader.probe();
  if (obstacle !== null)
    throw new UsageError(
      `${options.reader === "auto" ? "--proc" : `--reader ${options.reader}`}: ${obstacle}`,
    );
  return createAgent(
    {
      origin: { node: hostname(), bootId: bootId(procDir), epoch: Date.now() },
      processes: createProcessScanner({
        procRoot: procDir,
        ...(reader.name === "bpf-iter" ? { tasks: createTaskSource() } : {}),
      }),
      reader,
      holders: createSocketHolders({ procRoot: procDir, held: () => reader.held?.() ?? null }),
      sink: bus,
      flows,
      destroyed,
      tcpCounters: (namespace) => readNamespaceCounters(procDir, namespace),
      pods: null,
      elapsedMs,
      onPass,
    },
    { intervalMs: options.intervalMs, keyframeMs: KEYFRAME_MS, cpuShare: null },
  );
}

// Of a saved tree the texts of its processes are all that there may be; netlink would tell of this machine.
function createNodeFlows({ procDir, conntrack }: LocalOptions, elapsedMs: () => number): NodeFlows {
  const choice = isLiveProc(procDir) || conntrack === "none" ? (conntrack ?? "auto") : "proc";
  return new NodeFlows({ procRoot: procDir, choice, elapsedMs });
}

// Null where nobody else is to ask.
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
