// What a pass reports of itself and of the node: how it was read, what could not be read, and why.

import { programVersion } from "../../../lib/program/version.ts";
import type { AccountSums } from "../../../lib/account-sums.ts";
import { NodeCoverage } from "../../../lib/gen/whotalks/v1/report.ts";
import { eventsMode } from "../../../lib/vocabulary/events-modes.ts";
import { destroyedMode } from "../../../lib/vocabulary/destroyed-modes.ts";
import type { AgentParts } from "../agent-parts.ts";
import type { ProcessScan } from "../observation.ts";

/** What a node's coverage is computed from, besides the figures of the agent's parts. */
export interface NodeFindings {
  readonly scan: ProcessScan;
  /** Network namespaces with an id, and how many of them could not be read. */
  readonly namespaces: number;
  readonly namespacesFailed: number;
  /** Sockets of every family, and those without a known holder. */
  readonly sockets: number;
  readonly unattributed: number;
  readonly completeness: AccountSums;
  /** Since start. */
  readonly linesMalformed: number;
  readonly overflowed: number;
  /** What the agent's pace prevents it from seeing. */
  readonly limits: readonly string[];
  /** Sockets that a pass found without an event for them. */
  readonly eventsMissed: number;
  readonly passMicros: number;
  readonly intervalMs: number;
}

/** Returns the coverage of a node after a pass. */
export function coverNode(parts: AgentParts, findings: NodeFindings): NodeCoverage {
  const { scan, namespaces, namespacesFailed, completeness } = findings;
  const { reader, holders } = parts;
  const flows = parts.flows ?? null;
  const destroyed = parts.destroyed ?? null;
  const { events = null, eventsReason = null } = parts;
  return NodeCoverage.create({
    node: parts.origin.node,
    reader: reader.name,
    conntrack: flows?.mode ?? "none",
    flows: flows?.size ?? 0,
    flowOverruns: flows?.overruns ?? 0,
    namespaces: namespaces - namespacesFailed,
    namespacesFailed: namespacesFailed + scan.namespaces.length - namespaces,
    processes: scan.processes.size,
    processesUnreadable: scan.unreadable,
    processesWithoutFds: holders.unreadable,
    sockets: findings.sockets,
    socketsUnattributed: findings.unattributed,
    linesMalformed: findings.linesMalformed + (flows?.malformed ?? 0) + (destroyed?.malformed ?? 0),
    socketsOverflowed:
      findings.overflowed + holders.overflowed + (flows?.overflowed ?? 0) + (destroyed?.overflowed ?? 0),
    destroyed: destroyedMode(events !== null || destroyed?.hearing === "all", namespaces > namespacesFailed),
    events: eventsMode(events !== null, destroyed?.hearing ?? "none"),
    eventsReason: eventsReason ?? "",
    eventsLost: events?.lost ?? 0,
    eventsMissed: findings.eventsMissed,
    destroyedOverruns: destroyed?.overruns ?? 0,
    limits: [
      ...scan.limits,
      ...reader.limits(),
      ...holders.limits(),
      ...(flows?.limits() ?? []),
      ...findings.limits,
      ...(destroyed?.limits() ?? []),
      ...(parts.limits?.() ?? []),
    ],
    passMicros: findings.passMicros,
    intervalMs: findings.intervalMs,
    openedByKernel: completeness.opened,
    failedByKernel: completeness.failed,
    seen: completeness.seen,
    unseen: completeness.unseen,
    version: programVersion,
  });
}
