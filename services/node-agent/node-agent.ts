// An agent put together for the kernel whose proc filesystem is at procRoot: chooses the reader, opens what
// listens, and hands all parts to createAgent(). The program in a cluster, `whotalks local`, tests and
// benchmarks start here.

import type { SocketReader } from "./observation.ts";
import type { AgentPace, AgentParts } from "./agent-parts.ts";
import type { ConntrackChoice } from "../../lib/vocabulary/conntrack-choices.ts";
import { NodeFlows } from "./conntrack/node-flows.ts";
import type { DestroyedSockets } from "./destroyed/destroyed-sockets.ts";
import { openDestroyedSockets } from "./destroyed/open-destroyed-sockets.ts";
import { ticksOf } from "../../lib/ticks.ts";
import type { Agent } from "./agent.ts";
import { createAgent } from "./agent.ts";
import { openTcpEvents } from "./heard/open-tcp-events.ts";
import type { TcpStateTracepoint } from "./kernel/bpf/trace/tcp-state-tracepoint.ts";
import type { EventsChoice } from "../../lib/vocabulary/events-modes.ts";
import { createSocketHolders } from "./processes/fds.ts";
import { createProcessScanner } from "./processes/scan.ts";
import { createTaskSource } from "./processes/task-source.ts";
import { chooseReader } from "./readers/choose-reader.ts";
import { bootId } from "./readers/live-proc.ts";
import type { ReaderChoice } from "../../lib/vocabulary/reader-names.ts";
import { readNamespaceCounters } from "./readers/tcp-counters.ts";

/** How a node's agent is set up. */
interface NodeAgentOptions {
  /** Name of the node. */
  readonly node: string;
  /** "/proc", "/host/proc", or a saved tree. */
  readonly procRoot: string;
  /** Whether procRoot is a saved tree: then only its tables are read, and the kernel is not asked directly. */
  readonly saved?: boolean;
  /** Byte order of the kernel that wrote the tables; this machine's if left out. */
  readonly littleEndian?: boolean | undefined;
  readonly reader: ReaderChoice;
  readonly conntrack: ConntrackChoice;
  readonly events: EventsChoice;
}

/** Parts that come from outside: the ends of the pipeline, and in tests what takes a part's place. */
export type OuterParts = Pick<AgentParts, "sink" | "elapsedMs"> &
  Partial<Omit<AgentParts, "origin" | "procRoot">>;

/** An agent and what it reads with. */
export interface NodeAgent extends Agent {
  readonly reader: SocketReader;
  /** Null if another source of flows, or none, took its place. */
  readonly flows: NodeFlows | null;
  /** Null for a saved tree, or if another source took its place. */
  readonly destroyed: DestroyedSockets | null;
  /** Null where the kernel does not report TCP sockets, or if another source took its place. */
  readonly events: TcpStateTracepoint | null;
  /** Closes what listens; the agent must have stopped. */
  close(): void;
}

/** No reader works here, or not the one that was chosen. */
export class ReaderObstacle extends Error {
  override readonly name = "ReaderObstacle";
}

/** Puts an agent together. Throws ReaderObstacle. */
export function createNodeAgent(options: NodeAgentOptions, outer: OuterParts, pace: AgentPace): NodeAgent {
  const { procRoot, saved = false } = options;
  const { elapsedMs } = outer;
  const reader = outer.reader ?? openReader(options, elapsedMs);
  const flows = outer.flows === undefined ? openFlows(options, elapsedMs) : null;
  // Attached before anything is read, so that nothing is missed between the two.
  const opened =
    outer.events === undefined
      ? openTcpEvents({ choice: options.events, procRoot, reader: reader.name })
      : { events: null, reason: null };
  const { events } = opened;
  const destroyed =
    outer.destroyed === undefined && !saved
      ? openDestroyedSockets(procRoot, elapsedMs, (outer.events ?? events) !== null)
      : null;
  const agent = createAgent(
    {
      procRoot,
      origin: { node: options.node, bootId: bootId(procRoot), epoch: Date.now() },
      processes: createProcessScanner({
        procRoot,
        ...(reader.name === "bpf-iter" ? { tasks: createTaskSource() } : {}),
      }),
      reader,
      holders: createSocketHolders({ procRoot, held: () => reader.held?.() ?? null }),
      flows,
      destroyed,
      events,
      eventsReason: opened.reason,
      tcpCounters: (namespace) => readNamespaceCounters(procRoot, namespace),
      pods: null,
      ...outer,
    },
    pace,
  );
  return {
    pass: () => agent.pass(),
    run: (signal) => agent.run(signal),
    reader,
    flows,
    destroyed,
    events,
    close: () => {
      events?.close();
      flows?.close();
      destroyed?.close();
    },
  };
}

function openReader(options: NodeAgentOptions, elapsedMs: () => number): SocketReader {
  const { procRoot, littleEndian } = options;
  const reader = chooseReader(options.reader, {
    procRoot,
    nowTicks: () => ticksOf(elapsedMs()),
    ...(littleEndian === undefined ? {} : { littleEndian }),
  });
  const obstacle = reader.probe();
  if (obstacle !== null) throw new ReaderObstacle(obstacle);
  return reader;
}

// A saved tree has only the texts of its processes; netlink would report this machine.
function openFlows(options: NodeAgentOptions, elapsedMs: () => number): NodeFlows {
  const { procRoot, conntrack, saved = false } = options;
  return new NodeFlows({ procRoot, choice: saved && conntrack !== "none" ? "proc" : conntrack, elapsedMs });
}
