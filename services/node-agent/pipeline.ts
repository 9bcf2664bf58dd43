// The whole agent on one screen. One pass takes the data's way from top to bottom:
//
//   scan processes → read each namespace's tables → settle ids → attribute to processes → diff → encode → publish
//                    what was destroyed since ──────────┘ merged                          │
//                    and the node's flows (conntrack), whose reader knows itself what changed ──┘
//
// Each stage knows the one before by the types of observation.ts only. A namespace that cannot be read is
// counted and the pass goes on; a report that cannot be delivered makes the next one a keyframe.

import { setImmediate as yieldToOthers, setTimeout as sleep } from "node:timers/promises";

import type { NetworkNamespace, NodeCoverage } from "../../lib/gen/whotalks/v1/report.ts";
import { NodeCoverage as NodeCoverageMessage } from "../../lib/gen/whotalks/v1/report.ts";
import { HolderTable } from "../../lib/holder-table.ts";
import { SocketTable } from "../../lib/socket-table.ts";
import { TICK_MS, ticksOf } from "../../lib/ticks.ts";
import type { AgentPace, AgentParts, PassCost } from "./agent-parts.ts";
import { CpuBudget } from "./cpu-budget.ts";
import { Attributor } from "./attribute/socket-holders.ts";
import { holdByListeners, isOverAtFirst } from "./attribute/listener-holders.ts";
import { emptyObservation, nothingEnded } from "./delta/delta.ts";
import { diff, keyframe } from "./delta/diff.ts";
import { encodeReports } from "./delta/reports.ts";
import { DestroyedTable } from "./destroyed/destroyed-table.ts";
import type { FlowNamespace, Observation, ProcessScan } from "./observation.ts";
import { CompletenessAccount } from "./observe/completeness.ts";
import { DestroyedEnds } from "./observe/destroyed-ends.ts";
import type { Readings } from "./observe/namespace-coverage.ts";
import { coverNamespaces } from "./observe/namespace-coverage.ts";
import type { NodeFindings } from "./observe/node-coverage.ts";
import { coverNode } from "./observe/node-coverage.ts";
import { settleFamilySockets } from "./observe/family-socket-ids.ts";
import { IdPool } from "./ids/id-pool.ts";
import type { IdentifiedNamespace } from "./ids/namespace-ids.ts";
import { NamespaceIds } from "./ids/namespace-ids.ts";
import { settleSockets } from "./observe/socket-ids.ts";
import { areProcessesStill } from "./observe/stillness.ts";

/** Milliseconds of reading after which others have their turn. */
const YIELD_MS = 5;

/** Socket ids of every family: twice the sockets that one node may have, since ids rest for a pass. */
const SOCKET_IDS_MAX = 2 ** 23;

const NOTHING_DESTROYED = new DestroyedTable(1);

const NO_COST = { namespaceMicrosMax: 0, namespaceMicrosTotal: 0 };

// What a pass that read found out beside its observation.
interface Found extends Pick<NodeFindings, "scan" | "namespaces" | "namespacesFailed" | "unattributed"> {
  /** That it told of nothing for the last time. */
  readonly lasts: boolean;
}

/** A running agent. */
export interface Agent {
  /** Makes one pass and hands its reports to the sink. */
  pass(): Promise<void>;
  /** Passes again and again until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** Puts an agent together; nothing is read before the first pass. */
// oxlint-disable-next-line max-lines-per-function -- the pass is still one closure; its stages become files of their own
export function createAgent(parts: AgentParts, pace: AgentPace): Agent {
  const namespaceIds = new NamespaceIds();
  const socketIds = new IdPool(1, SOCKET_IDS_MAX);
  const attributor = new Attributor();
  const account = new CompletenessAccount();
  const destroyedEnds = new DestroyedEnds(socketIds);
  let spare = new SocketTable(256);
  let previous: Observation = emptyObservation(NodeCoverageMessage.create({ node: parts.origin.node }));
  let passes = 0;
  let sequence = 1;
  let linesMalformed = 0;
  let overflowed = 0;
  let lastStartMs = Number.NaN;
  let lastKeyframeMs = Number.NEGATIVE_INFINITY;
  let keyframeNeeded = true;
  let cpuBefore = process.cpuUsage();
  let namespaceCost: Omit<PassCost, "cpuMs"> = NO_COST;
  // Of the latest pass that read.
  let found: Found | null = null;
  let flowNamespaces: readonly FlowNamespace[] = [];
  // Namespaces whose destroyed sockets were heard of in the pass before, when that took them, and what was
  // lost by then.
  let heardBefore: ReadonlySet<number> = new Set();
  let takenTicks = 0;
  let overrunsBefore = 0;
  const budget = new CpuBudget({ share: pace.cpuShare, intervalMs: pace.intervalMs });
  // Aborted when more sockets were destroyed than should wait for the next pass.
  let crowd = new AbortController();
  if (parts.destroyed) parts.destroyed.onCrowd = () => crowd.abort();

  // oxlint-disable-next-line max-lines-per-function -- see createAgent
  async function observe(): Promise<Observation> {
    const startMs = parts.elapsedMs();
    const scan = parts.processes.scan();
    // Before the tables are read: what is destroyed from now on is still in them, or its TIME_WAIT entry is.
    parts.destroyed?.refresh(scan);
    const takingTicks = ticksOf(parts.elapsedMs());
    const events = takeDestroyed();
    if (isStill(scan, events)) {
      takenTicks = takingTicks;
      return observeStill(startMs, scan);
    }
    const places = events.places();
    const heardPlaces = parts.destroyed ? places : undefined;
    const namespaces = namespaceIds.identify(scan, places, parts.destroyed?.takeArrivals());
    const living = namespaces.filter(({ gone }) => !gone);
    const idsByInode = new Map(namespaces.map(({ namespace }) => [namespace.inode, namespace.id]));
    overflowed += scan.namespaces.length - living.length;
    const sink = { sockets: spare, familySockets: [] };
    sink.sockets.clear();
    const readings: Readings = new Map();
    const known = new Map<number, NetworkNamespace>();
    let yieldedMs = parts.elapsedMs();
    parts.reader.begin?.(heardPlaces);
    for (const { namespace, record, gone } of namespaces) {
      if (gone) {
        known.set(namespace.id, namespace);
        continue;
      }
      const readStartMs = parts.elapsedMs();
      const reading = parts.reader.read(record, namespace.id, sink);
      readings.set(namespace.id, { reading, micros: (parts.elapsedMs() - readStartMs) * 1000 });
      known.set(namespace.id, namespaceIds.withAddresses(namespace, reading.addresses));
      linesMalformed += reading.linesMalformed;
      overflowed += reading.overflowed;
      if (parts.elapsedMs() - yieldedMs < YIELD_MS) continue;
      await yieldToOthers();
      yieldedMs = parts.elapsedMs();
    }
    namespaceCost = costOf(readings);
    flowNamespaces = namespaces.map(({ namespace, record }) => ({ id: namespace.id, record }));
    await parts.flows?.refresh(flowNamespaces);

    const ticks = ticksOf(parts.elapsedMs());
    const settled = settleSockets(previous.sockets, sink.sockets, socketIds, ticks);
    const merged = destroyedEnds.merge({
      events,
      namespaceIds: idsByInode,
      previous: previous.sockets,
      next: sink.sockets,
      continued: settled.continued,
      ticks,
      heard: (namespaceId) => heardBefore.has(namespaceId),
      lostSinceTicks: (parts.destroyed?.overruns ?? 0) > overrunsBefore ? takenTicks : null,
    });
    heardBefore = new Set(
      living
        .filter(({ namespace }) => parts.destroyed?.hears(namespace.inode) === true)
        .map(({ namespace }) => namespace.id),
    );
    overrunsBefore = parts.destroyed?.overruns ?? 0;
    takenTicks = takingTicks;
    const begun = keepAccount(namespaces, readings, ticks);
    for (const { newTcpEnds } of [settled, merged]) {
      for (const [namespaceId, ends] of newTcpEnds)
        if (passes > 0 && !begun.has(namespaceId)) account.see(namespaceId, ends);
    }
    account.keepOnly(known);
    const family = settleFamilySockets(previous.familySockets, sink.familySockets, socketIds, ticks);
    overflowed += family.overflowed;
    socketIds.settle();

    parts.holders.refresh(scan, sink, (id) => known.get(id)?.inode ?? 0);
    const attribution = attributor.attribute(
      scan,
      sink.sockets,
      family.sockets.values(),
      parts.holders,
      idsByInode,
      settled.unmoved && family.unmoved,
    );
    overflowed += attribution.overflowed;
    const endedHolders = new HolderTable(64);
    const { holders } = attribution;
    holdByListeners(merged.added, () => true, sink.sockets, holders, endedHolders);
    // Kept with the pass's own: what is in TIME_WAIT keeps the holders that it had.
    const isOver = (row: number): boolean => isOverAtFirst(sink.sockets, row, ticks);
    if (!settled.unmoved) holdByListeners(sink.sockets, isOver, sink.sockets, holders, holders);
    const namespacesFailed = [...readings.values()].filter(({ reading }) => !reading.read).length;
    found = {
      scan,
      namespaces: living.length,
      namespacesFailed,
      unattributed: attribution.unattributed,
      lasts: living.length === namespaces.length && merged.added.length + merged.finals.length === 0,
    };
    return {
      ticks,
      namespaces: known,
      processes: attribution.processes,
      sockets: sink.sockets,
      familySockets: family.sockets,
      holders: attribution.holders,
      ended: { sockets: merged.added, holders: endedHolders, finals: merged.finals },
      coverage: cover(startMs, scan, sink.sockets.length + family.sockets.size),
      namespaceCoverage: coverNamespaces(namespaces, {
        readings,
        account,
        before: previous.namespaceCoverage,
        hears: (inode) => parts.destroyed?.hears(inode) === true,
      }),
    };
  }

  // Whether everything is as the pass before found it, so that nothing need be read.
  function isStill(scan: ProcessScan, events: DestroyedTable): boolean {
    if (found?.lasts !== true || events.length > 0) return false;
    if ((parts.destroyed?.overruns ?? 0) > overrunsBefore) return false;
    return (
      areProcessesStill(found.scan, scan, previous.processes.values()) && parts.reader.isStill?.() === true
    );
  }

  // The pass before once more, but for the flows, which know themselves what changed.
  async function observeStill(startMs: number, scan: ProcessScan): Promise<Observation> {
    namespaceCost = NO_COST;
    await parts.flows?.refresh(flowNamespaces);
    const { sockets, familySockets } = previous;
    return {
      ...previous,
      ticks: ticksOf(parts.elapsedMs()),
      ended: nothingEnded,
      coverage: cover(startMs, scan, sockets.length + familySockets.size),
    };
  }

  // What was destroyed before the first pass, or while it begins, belongs to nobody's account.
  function takeDestroyed(): DestroyedTable {
    const events = parts.destroyed?.take() ?? NOTHING_DESTROYED;
    return passes === 0 ? NOTHING_DESTROYED : events;
  }

  // A namespace that was there before the agent begins its account after its sockets were read, so that none
  // of them counts as opened later. Gives the ids of those whose account began now.
  function keepAccount(
    namespaces: readonly IdentifiedNamespace[],
    readings: Readings,
    ticks: number,
  ): ReadonlySet<number> {
    const begun = new Set<number>();
    for (const { namespace, record } of namespaces) {
      const counters = readings.get(namespace.id)?.reading.tcpCounters ?? null;
      if (counters === null) continue;
      const isOld = passes === 0 || (parts.destroyed?.wasThereAtStart(namespace.inode) ?? false);
      if (isOld && account.of(namespace.id) === null) {
        account.begin(namespace.id, parts.tcpCounters?.(record) ?? counters, ticks);
        begun.add(namespace.id);
      } else {
        account.count(namespace.id, counters);
      }
    }
    return begun;
  }

  function cover(startMs: number, scan: ProcessScan, sockets: number): NodeCoverage {
    return coverNode(parts, {
      ...found!,
      scan,
      sockets,
      completeness: account.totals,
      linesMalformed,
      overflowed,
      limits: budget.limits(),
      passMicros: Math.round((parts.elapsedMs() - startMs) * 1000),
      intervalMs: Number.isNaN(lastStartMs) ? 0 : Math.round(startMs - lastStartMs),
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
      flows: parts.flows?.take(isKeyframe) ?? null,
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

  async function pass(): Promise<void> {
    const startMs = parts.elapsedMs();
    const next = await observe();
    report(next);
    if (next.sockets !== previous.sockets) spare = previous.sockets;
    previous = next;
    lastStartMs = startMs;
    passes++;
    const { user, system } = process.cpuUsage(cpuBefore);
    cpuBefore = process.cpuUsage();
    parts.onPass?.(next.coverage, { cpuMs: (user + system) / 1000, ...namespaceCost });
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const startMs = parts.elapsedMs();
      await pass();
      const { user, system } = process.cpuUsage();
      const waitMs = budget.waitMs(startMs, parts.elapsedMs(), (user + system) / 1000);
      crowd = new AbortController();
      const either = AbortSignal.any([signal, crowd.signal]);
      await sleep(waitMs, undefined, { signal: either }).catch(() => undefined);
    }
  }

  return { pass, run };
}

// What reading cost differs each time, and alone is no news.
function costOf(readings: Readings): Omit<PassCost, "cpuMs"> {
  let [namespaceMicrosMax, namespaceMicrosTotal] = [0, 0];
  for (const { micros } of readings.values()) {
    namespaceMicrosMax = Math.max(namespaceMicrosMax, micros);
    namespaceMicrosTotal += micros;
  }
  return { namespaceMicrosMax, namespaceMicrosTotal };
}
