// The whole agent on one screen. One pass takes the data's way from top to bottom:
//
//   scan processes → read each namespace's tables → settle ids → attribute to processes → diff → encode → publish
//                    and the node's flows (conntrack), whose reader knows itself what changed ──┘
//
// Each stage knows the one before by the types of observation.ts only. A namespace that cannot be read is counted and
// the pass goes on; a report that cannot be delivered makes the next one a keyframe.

import { setImmediate as yieldToOthers, setTimeout as sleep } from "node:timers/promises";

import type { ReportSink } from "../../lib/bus.ts";
import type { NetworkNamespace, NodeCoverage, Pod } from "../../lib/gen/whotalks/v1/report.ts";
import { NodeCoverage as NodeCoverageMessage } from "../../lib/gen/whotalks/v1/report.ts";
import { SocketTable } from "../../lib/socket-table.ts";
import { CpuBudget } from "./cpu-budget.ts";
import type { Attribution } from "./attribute/socket-holders.ts";
import { Attributor } from "./attribute/socket-holders.ts";
import { emptyObservation } from "./delta/delta.ts";
import { diff, keyframe } from "./delta/diff.ts";
import type { ReportOrigin } from "./delta/reports.ts";
import { encodeReports } from "./delta/reports.ts";
import type {
  FlowChanges,
  FlowReader,
  NamespaceReading,
  Observation,
  ProcessScan,
  ProcessScanner,
  SocketHolders,
  SocketReader,
} from "./observation.ts";
import { CompletenessAccount } from "./observe/completeness.ts";
import type { SettledFamilySockets } from "./observe/family-socket-ids.ts";
import { settleFamilySockets } from "./observe/family-socket-ids.ts";
import { IdPool } from "./observe/id-pool.ts";
import type { IdentifiedNamespace } from "./observe/namespace-ids.ts";
import { NamespaceIds } from "./observe/namespace-ids.ts";
import { settleSockets } from "./observe/socket-ids.ts";

/** Milliseconds in a tick, the unit of all times within an epoch. */
const TICK_MS = 10;

/** Socket ids of every family: twice the sockets that one node may have, since ids rest for a pass. */
const SOCKET_IDS_MAX = 2 ** 23;

/** What an agent is made of. */
export interface AgentParts {
  readonly origin: ReportOrigin;
  readonly processes: ProcessScanner;
  readonly reader: SocketReader;
  readonly holders: SocketHolders;
  readonly sink: ReportSink;
  /** The node's flows; null where conntrack is not looked at. */
  readonly flows?: FlowReader | null;
  /** The node's pods; null outside Kubernetes. */
  readonly pods: PodSource | null;
  /** Milliseconds of a clock that never goes back, 0 at the epoch's start. */
  readonly elapsedMs: () => number;
  /**
   * Asked before each report: whether the sink needs a keyframe. A sink that knows when a keyframe would get through
   * says so here; without it, every report that could not be delivered makes the next one a keyframe.
   */
  readonly takeKeyframeRequest?: () => boolean;
  /** What else stands in the way of seeing all: of the way to the aggregator, of the knowledge of pods. */
  readonly limits?: () => readonly string[];
  /** Told after each pass how it went. */
  readonly onPass?: (coverage: NodeCoverage) => void;
}

/** Where an agent gets its node's pods from. */
export interface PodSource {
  /** Every pod that runs and those that ended lately. */
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
  /** Share of one core that the process may take (0.01 = 1 %): the interval is stretched to keep it. Null for no limit. */
  readonly cpuShare: number | null;
}

/** A running agent. */
export interface Agent {
  /** Makes one pass and hands its reports to the sink. */
  pass(): Promise<void>;
  /** Passes again and again until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** Puts an agent together; nothing is read before the first pass. */
export function createAgent(parts: AgentParts, pace: AgentPace): Agent {
  const namespaceIds = new NamespaceIds();
  const socketIds = new IdPool(1, SOCKET_IDS_MAX);
  const attributor = new Attributor();
  const account = new CompletenessAccount();
  let spare = new SocketTable(256);
  let previous: Observation = emptyObservation(NodeCoverageMessage.create({ node: parts.origin.node }));
  let passes = 0;
  let sequence = 1;
  let linesMalformed = 0;
  let overflowed = 0;
  let lastStartMs = Number.NaN;
  let lastKeyframeMs = Number.NEGATIVE_INFINITY;
  let keyframeNeeded = true;
  const budget = new CpuBudget({ share: pace.cpuShare, intervalMs: pace.intervalMs });

  async function observe(): Promise<Observation> {
    const startMs = parts.elapsedMs();
    const scan = parts.processes.scan();
    const namespaces = namespaceIds.identify(scan);
    overflowed += scan.namespaces.length - namespaces.length;
    const sink = { sockets: spare, familySockets: [] };
    sink.sockets.clear();
    const readings: NamespaceReading[] = [];
    const known = new Map<number, NetworkNamespace>();
    parts.reader.begin?.();
    for (const { namespace, record } of namespaces) {
      const readMs = parts.elapsedMs();
      const reading = parts.reader.read(record, namespace.id, sink);
      readings.push({ ...reading, readMicros: Math.round((parts.elapsedMs() - readMs) * 1000) });
      known.set(namespace.id, namespaceIds.withAddresses(namespace, reading.addresses));
      linesMalformed += reading.linesMalformed;
      overflowed += reading.overflowed;
      if (reading.tcpCounters !== null) account.count(namespace.id, reading.tcpCounters, passes === 0);
      await yieldToOthers();
    }
    await parts.flows?.refresh();
    account.keepOnly(known);

    const ticks = Math.floor(parts.elapsedMs() / TICK_MS);
    const settled = settleSockets(previous.sockets, sink.sockets, socketIds, ticks);
    account.see(settled.newTcpEnds, passes === 0);
    const family = settleFamilySockets(previous.familySockets, sink.familySockets, socketIds, ticks);
    overflowed += family.overflowed;
    socketIds.settle();

    parts.holders.refresh(scan, sink, (id) => known.get(id)?.inode ?? 0);
    const idsByInode = new Map(namespaces.map(({ namespace }) => [namespace.inode, namespace.id]));
    const attribution = attributor.attribute(
      scan,
      sink.sockets,
      family.sockets.values(),
      parts.holders,
      idsByInode,
      settled.unmoved && family.unmoved,
    );
    overflowed += attribution.overflowed;
    return {
      ticks,
      namespaces: known,
      processes: attribution.processes,
      sockets: sink.sockets,
      familySockets: family.sockets,
      holders: attribution.holders,
      coverage: cover(startMs, scan, namespaces, readings, family, sink.sockets, attribution),
    };
  }

  function cover(
    startMs: number,
    scan: ProcessScan,
    namespaces: readonly IdentifiedNamespace[],
    readings: readonly NamespaceReading[],
    family: SettledFamilySockets,
    sockets: SocketTable,
    attribution: Attribution,
  ): NodeCoverage {
    const { opened, failed, seen } = account.totals;
    const flows = parts.flows ?? null;
    const namespacesFailed = readings.filter((reading) => !reading.read).length;
    return NodeCoverageMessage.create({
      node: parts.origin.node,
      reader: parts.reader.name,
      conntrack: flows?.mode ?? "none",
      flows: flows?.size ?? 0,
      flowOverruns: flows?.overruns ?? 0,
      namespaces: namespaces.length - namespacesFailed,
      namespacesFailed: namespacesFailed + scan.namespaces.length - namespaces.length,
      processes: scan.processes.size,
      processesUnreadable: scan.unreadable,
      processesWithoutFds: parts.holders.unreadable,
      sockets: sockets.length + family.sockets.size,
      socketsUnattributed: attribution.unattributed,
      linesMalformed: linesMalformed + (flows?.malformed ?? 0),
      socketsOverflowed: overflowed + parts.holders.overflowed + (flows?.overflowed ?? 0),
      limits: [
        ...scan.limits,
        ...parts.reader.limits(),
        ...parts.holders.limits(),
        ...(flows?.limits() ?? []),
        ...budget.limits(),
        ...(parts.limits?.() ?? []),
      ],
      passMicros: Math.round((parts.elapsedMs() - startMs) * 1000),
      intervalMs: Number.isNaN(lastStartMs) ? 0 : Math.round(startMs - lastStartMs),
      openedByKernel: opened,
      failedByKernel: failed,
      seen,
      unseen: Math.max(0, opened - seen),
    });
  }

  function report(next: Observation): void {
    const nowMs = parts.elapsedMs();
    if (parts.takeKeyframeRequest?.() === true) keyframeNeeded = true;
    const isKeyframe = keyframeNeeded || nowMs - lastKeyframeMs >= pace.keyframeMs;
    const pods = isKeyframe ? parts.pods?.all() : parts.pods?.changed();
    const delta = isKeyframe ? keyframe(next) : diff(previous, next);
    const ageMs = Math.max(0, Math.round(nowMs - next.ticks * TICK_MS));
    const reports = encodeReports(parts.origin, delta, {
      keyframe: isKeyframe,
      firstSequence: sequence,
      ageMs,
      pods: pods ?? [],
      flows: takeFlows(next, isKeyframe),
    });
    if (isKeyframe) lastKeyframeMs = nowMs;
    keyframeNeeded = false;
    sequence += reports.length;
    for (const encoded of reports) {
      parts.sink.publish(encoded, { keyframe: isKeyframe }).catch(() => {
        if (parts.takeKeyframeRequest === undefined) keyframeNeeded = true;
      });
    }
  }

  // Flows are told with the namespace that they were read in: without it they could not be placed.
  function takeFlows(next: Observation, everything: boolean): FlowChanges | null {
    const { flows } = parts;
    if (!flows) return null;
    for (const { id, host, inode } of next.namespaces.values())
      if (flows.namespaceInode === 0 ? host : flows.namespaceInode === inode)
        return flows.take(id, everything);
    return null;
  }

  async function pass(): Promise<void> {
    const startMs = parts.elapsedMs();
    const next = await observe();
    report(next);
    spare = previous.sockets;
    previous = next;
    lastStartMs = startMs;
    passes++;
    parts.onPass?.(next.coverage);
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const startMs = parts.elapsedMs();
      await pass();
      const { user, system } = process.cpuUsage();
      const waitMs = budget.waitMs(startMs, parts.elapsedMs(), (user + system) / 1000);
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }

  return { pass, run };
}
