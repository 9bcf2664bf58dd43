// What an agent is put together from, and how it paces itself.

import type { ReportSink } from "../../lib/bus.ts";
import type { NodeCoverage, Pod } from "../../lib/gen/whotalks/v1/report.ts";
import type { ReportOrigin } from "./delta/reports.ts";
import type {
  DestroyedReader,
  FlowReader,
  NamespaceRecord,
  ProcessScanner,
  SocketHolders,
  SocketReader,
  TcpCounters,
  TcpEvents,
} from "./observation.ts";

/** What an agent is made of. */
export interface AgentParts {
  readonly origin: ReportOrigin;
  /** Where the node's /proc is. */
  readonly procRoot: string;
  readonly processes: ProcessScanner;
  readonly reader: SocketReader;
  readonly holders: SocketHolders;
  readonly sink: ReportSink;
  /** The node's flows; null where conntrack is not looked at. */
  readonly flows?: FlowReader | null;
  /** Reports sockets that are destroyed between passes; null if nothing reports them. */
  readonly destroyed?: DestroyedReader | null;
  /** What happens to TCP sockets, as it happens; null where the kernel does not report it. */
  readonly events?: TcpEvents | null;
  /** Why there are none, as a phrase; null if there are events, or they are turned off. */
  readonly eventsReason?: string | null;
  /** Reads only a namespace's TCP counters; if absent, the counters of its reading are used. */
  readonly tcpCounters?: (namespace: NamespaceRecord) => TcpCounters | null;
  /** The node's pods; null outside Kubernetes. */
  readonly pods: PodSource | null;
  /** Milliseconds of a clock that never goes back, 0 at the epoch's start. */
  readonly elapsedMs: () => number;
  /**
   * Asked before each report: whether the sink needs a keyframe. A sink that knows when a keyframe would get
   * through says so here; without it, every report that could not be delivered makes the next one a keyframe.
   */
  readonly takeKeyframeRequest?: () => boolean;
  /** What else prevents seeing everything: limits of publishing, and of the list of pods. */
  readonly limits?: () => readonly string[];
  /** Told after each pass how it went and what it cost. */
  readonly onPass?: (coverage: NodeCoverage, cost: PassCost) => void;
}

/** What a pass cost. */
export interface PassCost {
  /** CPU milliseconds of the whole process since the previous pass ended. */
  readonly cpuMs: number;
  /** Microseconds that reading network namespaces took: the slowest one, and all of them. */
  readonly namespaceMicrosMax: number;
  readonly namespaceMicrosTotal: number;
}

/** Where an agent gets its node's pods from. */
export interface PodSource {
  /** Every running pod and those that ended recently. */
  all(): readonly Pod[];
  /** Those that are new or changed since the last call of either method. */
  changed(): readonly Pod[];
}

/** How an agent paces itself. */
export interface AgentPace {
  /** Milliseconds between the beginnings of two passes, where the budget allows. */
  readonly intervalMs: number;
  /** Milliseconds between keyframes. */
  readonly keyframeMs: number;
  /**
   * Share of one core that the process may take (0.01 = 1 %): the interval is stretched to keep it. Null for
   * no limit.
   */
  readonly cpuShare: number | null;
}
