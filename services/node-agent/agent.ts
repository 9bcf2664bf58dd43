// The whole agent on one screen. A pass runs these stages from top to bottom:
//
//   scan      processes and network namespaces                                    processes/scan.ts
//   hear      what happened to TCP sockets since: applied and reported at once    heard/
//   read      each namespace's tables                                             pass/table-stage.ts, readers/
//   flows     the node's conntrack entries                                        conntrack/
//   identify  namespaces and sockets keep their ids                               ids/, observe/socket-ids.ts
//   merge     sockets that were destroyed since the previous pass                 observe/destroyed-ends.ts
//   attribute sockets to processes                                                attribute/
//   account   what was seen against what the kernel counted                       pass/account-stage.ts
//   report    what changed                                                        pass/reporter.ts, delta/
//
// Between two passes the agent only receives events: each change is applied to the tables of the latest pass
// and reported. A namespace that cannot be read is counted and the pass continues; a report that cannot be
// delivered makes the next one a keyframe.

import { setTimeout as sleep } from "node:timers/promises";

import type { FamilySocket } from "../../lib/gen/whotalks/v1/report.ts";
import { NodeCoverage } from "../../lib/gen/whotalks/v1/report.ts";
import { HolderTable } from "../../lib/holder-table.ts";
import type { SocketTable } from "../../lib/socket-table.ts";
import { removeRows } from "../../lib/socket-table.ts";
import { ticksOf } from "../../lib/ticks.ts";
import type { AgentPace, AgentParts, PassCost } from "./agent-parts.ts";
import { Callers } from "./attribute/callers.ts";
import { holdByListeners } from "./attribute/listener-holders.ts";
import { ProcessTable } from "./attribute/process-table.ts";
import { Attributor } from "./attribute/socket-holders.ts";
import { CpuBudget } from "./cpu-budget.ts";
import { emptyObservation, heardDelta, nothingEnded } from "./delta/delta.ts";
import { Hearing } from "./heard/hearing.ts";
import { HeardSockets } from "./heard/heard-sockets.ts";
import { IdPool } from "./ids/id-pool.ts";
import { NamespaceIds } from "./ids/namespace-ids.ts";
import type {
  FlowNamespace,
  NamespaceOwner,
  Observation,
  ProcessScan,
  ReadingHints,
  SocketSink,
} from "./observation.ts";
import { hasMovedBeyondTcp } from "./observe/beyond-tcp.ts";
import { settleFamilySockets } from "./observe/family-socket-ids.ts";
import type { Readings } from "./observe/namespace-coverage.ts";
import { coverNamespaces, withFigures } from "./observe/namespace-coverage.ts";
import type { NodeFindings } from "./observe/node-coverage.ts";
import { coverNode } from "./observe/node-coverage.ts";
import { isTimeWait } from "./observe/row-tuples.ts";
import { carriesOver, settleSockets } from "./observe/socket-ids.ts";
import { areProcessesStill } from "./observe/stillness.ts";
import { AccountStage } from "./pass/account-stage.ts";
import { DestroyedStage } from "./pass/destroyed-stage.ts";
import { Reporter } from "./pass/reporter.ts";
import { readText } from "./processes/small-file.ts";
import { TableStage } from "./pass/table-stage.ts";

/** Socket ids of every family: twice the sockets that one node may have, since ids rest for a pass. */
const SOCKET_IDS_MAX = 2 ** 23;

/**
 * Milliseconds between two looks for what was heard, and where so much waits that the buffer might fill up.
 */
const LOOK_MS = 100;
const LOOK_CROWDED_MS = 10;

/** Looks between two reports of what was heard, at a steady rate: a report costs more than a look. */
const LOOKS_PER_REPORT = 2;

/**
 * After so many passes that found no socket beside TCP's come or go, passes are so far apart: TCP's are heard
 * of. A flow that comes or goes, lost records, or many rows that were heard, end the wait.
 */
const STILL_PASSES = 5;
const QUIET_INTERVAL_MS = 5000;

const NO_COST = { namespaceMicrosMax: 0, namespaceMicrosTotal: 0 };

// What a pass that read found beside its observation.
interface Found extends Pick<NodeFindings, "scan" | "namespaces" | "namespacesFailed" | "unattributed"> {
  /** Whether it reported nothing for the last time, so that the next one may find everything as it was. */
  readonly lasts: boolean;
}

/** A running agent. */
export interface Agent {
  /** Makes one pass, hears what came meanwhile, and hands the reports to the sink. */
  pass(): Promise<void>;
  /** Makes passes, and hears in between, until the signal aborts; then reports that it ends. */
  run(signal: AbortSignal): Promise<void>;
}

/** Puts an agent together; nothing is read before the first pass. */
export function createAgent(parts: AgentParts, pace: AgentPace): Agent {
  return new PassingAgent(parts, pace);
}

class PassingAgent implements Agent {
  readonly #parts: AgentParts;
  readonly #stages: ReturnType<typeof createStages>;
  readonly #hearing: Hearing | null;
  readonly #budget: CpuBudget;
  #previous: Observation;
  // Of the latest pass that read.
  #found: Found | null = null;
  #flowNamespaces: readonly FlowNamespace[] = [];
  #lastStartMs = Number.NaN;
  #overflowed = 0;
  // Passes in a row that found everything as it was.
  #stillPasses = 0;
  // Whether anything was heard since the latest pass that read.
  #hasHeard = false;
  // Wakes run() before its time.
  #wake = new AbortController();

  constructor(parts: AgentParts, pace: AgentPace) {
    this.#parts = parts;
    this.#stages = createStages(parts, pace);
    this.#hearing = this.#stages.hearing;
    this.#budget = new CpuBudget({ share: pace.cpuShare, intervalMs: pace.intervalMs });
    this.#previous = emptyObservation(NodeCoverage.create({ node: parts.origin.node }));
    if (parts.destroyed) parts.destroyed.onCrowd = () => this.#wake.abort();
  }

  async pass(): Promise<void> {
    const { onPass, elapsedMs } = this.#parts;
    const { tables, reporter, cpu } = this.#stages;
    const startMs = elapsedMs();
    this.#hear();
    const { observation, cost } = await this.#observe(startMs);
    reporter.report(this.#previous, observation);
    if (observation.sockets !== this.#previous.sockets) tables.recycle(this.#previous.sockets);
    this.#previous = observation;
    this.#lastStartMs = startMs;
    this.#hear();
    onPass?.(observation.coverage, { cpuMs: cpu.takeMs(), ...cost });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { elapsedMs } = this.#parts;
    while (!signal.aborted) {
      const startMs = elapsedMs();
      await this.pass();
      const { user, system } = process.cpuUsage();
      const waitMs = this.#budget.waitMs(startMs, elapsedMs(), (user + system) / 1000);
      this.#wake = new AbortController();
      const woken = AbortSignal.any([signal, this.#wake.signal]);
      await (this.#hearing === null ? rest(waitMs, woken) : this.#hearFor(startMs, waitMs, woken));
    }
    this.#hear();
    this.#stages.reporter.reportEnd();
  }

  // Hears until the next pass, which is due `waitMs` from now; on a quiet node later, unless a flow comes or
  // goes.
  async #hearFor(startMs: number, waitMs: number, woken: AbortSignal): Promise<void> {
    const { elapsedMs, flows = null } = this.#parts;
    const dueMs = elapsedMs() + waitMs;
    const endMs = this.#stillPasses < STILL_PASSES ? dueMs : Math.max(dueMs, startMs + QUIET_INTERVAL_MS);
    const flowEvents = flows?.events;
    const hearing = this.#hearing!;
    let reportedMs = elapsedMs();
    // Timers are early or late by some milliseconds.
    const reportMs = (LOOKS_PER_REPORT - 0.5) * LOOK_MS;
    const isReportDue = (): boolean => hearing.isDue && elapsedMs() >= reportedMs + reportMs;
    const isPassDue = (): boolean =>
      elapsedMs() >= dueMs && (flows?.events !== flowEvents || hearing.isCluttered || hearing.hasLoss);
    while (!woken.aborted && elapsedMs() < endMs) {
      if (isPassDue()) return;
      if (hearing.isCrowded) await rest(Math.min(LOOK_CROWDED_MS, endMs - elapsedMs()), woken);
      else {
        const isAnyDue = (): boolean => isReportDue() || hearing.isCrowded || isPassDue();
        await untilDue(isAnyDue, { everyMs: LOOK_MS, mostMs: endMs - elapsedMs(), woken });
      }
      if (!isReportDue()) {
        // Where much comes, the buffer must not fill up until the report.
        if (hearing.isCrowded) hearing.hear();
        continue;
      }
      this.#hear();
      reportedMs = elapsedMs();
    }
  }

  #hear(): void {
    this.#hearing?.hear();
    this.#reportHeard();
  }

  #reportHeard(): void {
    const { reporter, callers } = this.#stages;
    const heard = this.#hearing?.flush() ?? null;
    if (heard === null) return;
    this.#hasHeard = true;
    reporter.reportHeard(heardDelta(ticksOf(this.#parts.elapsedMs()), heard, callers.takeFresh()));
  }

  async #observe(startMs: number): Promise<{ observation: Observation; cost: Omit<PassCost, "cpuMs"> }> {
    const parts = this.#parts;
    const previous = this.#previous;
    const { account, destroyed, namespaceIds: ids, socketIds, tables } = this.#stages;
    const scan = parts.processes.scan();
    const events = destroyed.take(scan);
    if (this.#isStill(scan)) return { observation: await this.#observeStill(startMs, scan), cost: NO_COST };

    const arrivals = parts.destroyed?.takeArrivals() ?? new Map<number, NamespaceOwner>();
    const gone = [...events.places(), ...(this.#hearing?.gone(arrivals) ?? [])];
    const namespaces = ids.identify(scan, gone, arrivals);
    const hints = { destroyedIn: parts.destroyed ? events.places() : null, unheldKept: this.#unheldKept() };
    const { sink, readings, namespaces: known, cost } = await tables.read(namespaces, hints);
    this.#flowNamespaces = namespaces.map(({ namespace, record }) => ({ id: namespace.id, record }));
    await parts.flows?.refresh(this.#flowNamespaces);

    const ticks = ticksOf(parts.elapsedMs());
    const namespaceIds = new Map(namespaces.map(({ namespace }) => [namespace.inode, namespace.id]));
    const settled = this.#settle(sink.sockets, readings, ticks);
    const merged = destroyed.merge({
      namespaceIds,
      previous: previous.sockets,
      next: sink.sockets,
      continued: settled.continued,
      added: settled.added,
      ticks,
      hearsTcp: this.#hearing !== null,
      hearsFromStart: (namespace) => this.#hearing?.waitsFor(namespace) === true,
      namespaces,
    });
    account.count(namespaces, readings, ticks, [settled.newTcpEnds, merged.newTcpEnds]);
    const family = settleFamilySockets(previous.familySockets, sink.familySockets, socketIds, ticks);
    socketIds.settle();

    parts.holders.refresh(scan, sink, (id) => known.get(id)?.inode ?? 0);
    const unmoved = settled.unmoved && family.unmoved;
    const movedBeyondTcp = !family.unmoved || hasMovedBeyondTcp(previous.sockets, sink.sockets, settled);
    const isNews = this.#hearing === null ? !unmoved : movedBeyondTcp;
    this.#stillPasses = isNews ? 0 : this.#stillPasses + 1;
    const attribution = this.#attribute(scan, {
      sink,
      family: family.sockets,
      namespaceIds,
      unmoved,
      added: settled.added,
    });
    const ended = { sockets: merged.added, holders: new HolderTable(64), finals: merged.finals };
    holdByListeners(ended.sockets, () => true, sink.sockets, attribution.holders, ended.holders);

    const unnamed = scan.namespaces.length - readings.size;
    this.#overflowed += unnamed + family.overflowed + attribution.overflowed;
    this.#found = {
      scan,
      namespaces: readings.size,
      namespacesFailed: [...readings.values()].filter(({ reading }) => !reading.read).length,
      unattributed: attribution.unattributed,
      lasts: readings.size === namespaces.length && merged.added.length + merged.finals.length === 0,
    };
    const observation: Observation = {
      ticks,
      namespaces: known,
      processes: attribution.processes,
      sockets: sink.sockets,
      familySockets: family.sockets,
      holders: attribution.holders,
      ended,
      coverage: this.#cover(startMs, scan, sink.sockets.length + family.sockets.size),
      namespaceCoverage: coverNamespaces(namespaces, {
        readings,
        account: account.account,
        before: previous.namespaceCoverage,
        hears: (inode) => this.#hearing !== null || parts.destroyed?.hears(inode) === true,
      }),
    };
    this.#hearing?.install(observation, namespaces, {
      unheard: new Set([...settled.added, ...settled.moved]),
      kept: settled.carried,
      unread: unreadOf(sink.sockets, readings, settled.carried),
    });
    return { observation, cost };
  }

  // Rows that ended since they were read leave now: until here none has moved.
  #settle(next: SocketTable, readings: Readings, ticks: number): ReturnType<typeof settleSockets> {
    const { sockets } = this.#previous;
    removeRows(sockets, (row) => sockets.id[row] === 0);
    const isKept = (row: number): boolean => {
      const reading = readings.get(sockets.namespace[row]!)?.reading;
      return reading?.read === true && carriesOver(sockets, row, { ticks, allRead: reading.unheldRead });
    };
    const carries = this.#hearing === null ? {} : { carries: isKept };
    return settleSockets({ previous: sockets, next, ids: this.#stages.socketIds, ticks, ...carries });
  }

  #attribute(
    scan: ProcessScan,
    read: {
      readonly sink: SocketSink;
      readonly family: ReadonlyMap<number, FamilySocket>;
      readonly namespaceIds: ReadonlyMap<number, number>;
      readonly unmoved: boolean;
      readonly added: ReadonlySet<number>;
    },
  ): ReturnType<Attributor["attribute"]> {
    const { attributor, callers } = this.#stages;
    const { sockets } = read.sink;
    const attribution = attributor.attribute({
      scan,
      sockets,
      familySockets: read.family,
      found: this.#parts.holders,
      namespaceIds: read.namespaceIds,
      unmoved: read.unmoved && !this.#hasHeard,
    });
    this.#hasHeard = false;
    callers.install(scan, read.namespaceIds);
    // An entry in TIME_WAIT keeps its holders, so the listener's holders stay with a connection that no pass
    // saw.
    const wasNeverOpen = (row: number): boolean =>
      read.added.has(sockets.id[row]!) && isTimeWait(sockets, row);
    if (!read.unmoved)
      holdByListeners(sockets, wasNeverOpen, sockets, attribution.holders, attribution.holders);
    return attribution;
  }

  #unheldKept(): ReadingHints["unheldKept"] {
    if (this.#hearing === null) return "never";
    return this.#hearing.takeLoss() ? "not-now" : "always";
  }

  // Whether everything is as in the previous pass, so that nothing need be read.
  #isStill(scan: ProcessScan): boolean {
    const found = this.#found;
    if (found?.lasts !== true || !this.#stages.destroyed.isQuiet || this.#hearing?.hasLoss === true)
      return false;
    const { reader, elapsedMs } = this.#parts;
    // A keyframe needs tables without the rows that ended, and the callers among the processes.
    if (this.#hasHeard && this.#stages.reporter.isKeyframeDue()) return false;
    // No event reports the end of TIME_WAIT.
    if (this.#hearing?.hasExpired(ticksOf(elapsedMs())) === true) return false;
    return (
      areProcessesStill(found.scan, scan, this.#previous.processes.values()) && reader.isStill?.() === true
    );
  }

  // Repeats the previous pass, except for the flows, which track their own changes.
  async #observeStill(startMs: number, scan: ProcessScan): Promise<Observation> {
    this.#stillPasses++;
    const { account, destroyed } = this.#stages;
    destroyed.skip();
    account.skip();
    await this.#parts.flows?.refresh(this.#flowNamespaces);
    const { sockets, familySockets, namespaceCoverage } = this.#previous;
    return {
      ...this.#previous,
      ticks: ticksOf(this.#parts.elapsedMs()),
      ended: nothingEnded,
      coverage: this.#cover(startMs, scan, sockets.length + familySockets.size),
      namespaceCoverage: withFigures(namespaceCoverage, account.account),
    };
  }

  #cover(startMs: number, scan: ProcessScan, sockets: number): NodeCoverage {
    const { account, tables } = this.#stages;
    return coverNode(this.#parts, {
      ...this.#found!,
      scan,
      sockets,
      completeness: account.account.totals,
      linesMalformed: tables.linesMalformed,
      overflowed: this.#overflowed + tables.overflowed + (this.#hearing?.overflowed ?? 0),
      eventsMissed: this.#hearing?.missed ?? 0,
      limits: this.#budget.limits(),
      passMicros: Math.round((this.#parts.elapsedMs() - startMs) * 1000),
      intervalMs: Number.isNaN(this.#lastStartMs) ? 0 : Math.round(startMs - this.#lastStartMs),
    });
  }
}

// Ids of the rows that continue though every TCP socket of their namespace was read, and they were not.
function unreadOf(sockets: SocketTable, readings: Readings, carried: ReadonlySet<number>): Set<number> {
  const unread = new Set<number>();
  if (carried.size === 0) return unread;
  for (let row = 0; row < sockets.length; row++) {
    const id = sockets.id[row]!;
    if (carried.has(id) && readings.get(sockets.namespace[row]!)?.reading.unheldRead === true) unread.add(id);
  }
  return unread;
}

// The stages with their state.
function createStages(parts: AgentParts, pace: AgentPace) {
  const namespaceIds = new NamespaceIds();
  const socketIds = new IdPool(1, SOCKET_IDS_MAX);
  const processes = new ProcessTable();
  const cgroupText = (pid: number): string => {
    const read = readText(`${parts.procRoot}/${pid}/cgroup`);
    return "text" in read ? read.text : "";
  };
  const callers = new Callers(processes, cgroupText);
  const account = new AccountStage(parts);
  const { events = null, elapsedMs } = parts;
  const hear = (namespaceId: number, openedNs: number): void => account.hear(namespaceId, openedNs);
  const sockets = new HeardSockets({ ids: socketIds, callers, hear });
  return {
    account,
    attributor: new Attributor(processes),
    callers,
    cpu: new CpuClock(),
    destroyed: new DestroyedStage(parts, socketIds),
    hearing: events === null ? null : new Hearing({ events, sockets, elapsedMs }),
    namespaceIds,
    reporter: new Reporter(parts, pace.keyframeMs),
    socketIds,
    tables: new TableStage(parts.reader, namespaceIds, elapsedMs),
  };
}

// CPU time of this process since the last call, in milliseconds.
class CpuClock {
  #before = process.cpuUsage();

  takeMs(): number {
    const { user, system } = process.cpuUsage(this.#before);
    this.#before = process.cpuUsage();
    return (user + system) / 1000;
  }
}

// Resolves when `isDue` says so, which is asked every so often, at the latest after `mostMs`. Nothing else
// runs meanwhile: on a quiet node this is all that the agent does.
function untilDue(
  isDue: () => boolean,
  { everyMs, mostMs, woken }: { everyMs: number; mostMs: number; woken: AbortSignal },
): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearInterval(looks);
      clearTimeout(last);
      woken.removeEventListener("abort", end);
      resolve();
    };
    const looks = setInterval(() => {
      if (isDue()) end();
    }, everyMs);
    const last = setTimeout(end, Math.max(0, mostMs));
    woken.addEventListener("abort", end);
    if (woken.aborted) end();
  });
}

async function rest(ms: number, woken: AbortSignal): Promise<void> {
  await sleep(Math.max(0, ms), undefined, { signal: woken }).catch(() => undefined);
}
