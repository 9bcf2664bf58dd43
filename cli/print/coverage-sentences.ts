// Coverage in sentences, so that an empty answer is never mistaken for a quiet machine. Gaps that may hide
// whole conversations (unread nodes, pods and namespaces, unseen connections) come before missing names.

import type { Coverage } from "../../lib/gen/whotalks/v1/query.ts";
import type { NodeCoverage } from "../../lib/gen/whotalks/v1/report.ts";
import { clockTime, formatAge } from "../text/age.ts";

/** A node that was not read for this long, or for this many of its intervals, counts as late. */
const LATE_MS_MIN = 10_000;
const LATE_INTERVALS = 5;

/** Nodes begin to count at their keyframes, some minutes apart: smaller differences are not worth a word. */
const SAME_TIME_MS = 300_000;
/**
 * An agent that just started has nothing before its first keyframe, which it sends as soon as NATS is there.
 */
const AGENT_START_MS = 10_000;

/** Gaps that one line names; further ones are counted. */
const LINE_PARTS_MAX = 2;
/** Names that a line lists; further ones are counted. */
const LINE_NAMES_MAX = 3;
/** Names that a sentence below the coverage table lists; further ones are counted. */
const SENTENCE_NAMES_MAX = 20;

/** Returns one line that says what was read, for an answer without items. */
export function readSentence(coverage: Coverage): string {
  const read = coverage.nodes.filter(isRead);
  if (read.length === 0) return "Nothing has been read yet: no node has reported.";
  const oldestMs = Math.max(...read.map((node) => node.ageMs));
  return (
    `Read ${counted(read.length, "node")}, ${counted(total(coverage, "namespaces"), "network namespace")}, ` +
    `${counted(total(coverage, "processes"), "process", "processes")} and ${counted(total(coverage, "sockets"), "socket")}, ` +
    `${formatAge(oldestMs)} ago.`
  );
}

/** Compares what the kernels opened with what was seen, as a sentence; empty if no kernel counts. */
export function accountSentence(coverage: Coverage, nowMs: number): string {
  const { openedByKernel, failedByKernel, seen, unseen, sinceMs } = coverage;
  if (sinceMs === 0) return "";
  const failed = failedByKernel === 0 ? "" : `, ${counted(failedByKernel, "failed attempt")} among them`;
  const whose = coverage.nodes.length === 1 ? "" : "every node counts ";
  return (
    `The kernel opened ${counted(openedByKernel, "connection end")}${failed}: ` +
    `${seen} seen, ${unseen} unseen (${whose}since ${formatAge(nowMs - sinceMs)} ago).`
  );
}

/** Says from when on edges count connections, as a sentence; empty before the first node has reported. */
export function countedSentence({ nodes }: Coverage, nowMs: number): string {
  const counting = nodes.filter((node) => node.countedSinceMs > 0);
  if (counting.length === 0) return "";
  const sinceMs = Math.min(...counting.map((node) => node.countedSinceMs));
  const later = counting
    .filter((node) => node.countedSinceMs - sinceMs > SAME_TIME_MS)
    .map((node) => `${node.node} since ${formatAge(nowMs - node.countedSinceMs)} ago`);
  const rest = later.length === 0 ? "" : `, those of ${names(later, 0, SENTENCE_NAMES_MAX)}`;
  return `Edges count connections since ${formatAge(nowMs - sinceMs)} ago${rest}.`;
}

/** Returns one short line that says what is missing; empty if nothing is. */
export function missingLine(coverage: Coverage): string {
  const parts = [
    ...missingNodes(coverage),
    ...missingPods(coverage, LINE_NAMES_MAX),
    ...missingSockets(coverage),
    ...missingPast(coverage),
    ...missingRights(coverage),
  ];
  const rest = parts.length - LINE_PARTS_MAX;
  const shown = parts.slice(0, LINE_PARTS_MAX).join("; ");
  return rest > 0 ? `${shown}; ${rest} more: see coverage` : shown;
}

/**
 * Returns everything that is missing or limited, one sentence each, to print below the coverage table after
 * accountSentence(), which already covers unseen connections.
 */
export function missingSentences(coverage: Coverage): string[] {
  return [
    ...[...missingNodes(coverage), ...missingSockets(coverage, coverage.sinceMs === 0)].map(sentence),
    ...coverage.nodes.flatMap(restartSentences),
    ...missingPast(coverage).map(sentence),
    ...coverage.nodes.flatMap(eventsSentences),
    ...coverage.nodes.flatMap((node) => node.limits.map((limit) => `${node.node}: ${limit}`)),
    ...missingPods(coverage, SENTENCE_NAMES_MAX).map(sentence),
    ...coverage.limits.map((limit) => `The aggregator ${limit}`),
  ];
}

// How often a node's agent restarted. What opened meanwhile counts as unseen, unless it was found afterwards.
function restartSentences({ node, agentRestarts, agentAwayMs }: NodeCoverage): string[] {
  if (agentRestarts === 0) return [];
  const times = agentRestarts === 1 ? "once" : `${agentRestarts} times`;
  return [
    `${node}: The agent restarted ${times}; nothing was read for ${(agentAwayMs / 1000).toFixed(1)} s in all.`,
  ];
}

// How TCP sockets are observed on a node between two passes, unless the kernel's tracepoint reports all of
// them.
function eventsSentences({ node, eventsReason, eventsLost, eventsMissed }: NodeCoverage): string[] {
  const parts = new Parts();
  parts.say(
    eventsReason.length,
    `who opened a short TCP connection is often unknown, since the kernel's events are not heard: ${eventsReason}`,
  );
  parts.say(
    eventsLost,
    `${counted(eventsLost, "event")} of TCP sockets ${eventsLost === 1 ? "was" : "were"} lost, and the tables read in their place`,
  );
  parts.say(
    eventsMissed,
    `no event announced ${counted(eventsMissed, "TCP socket")} that ${eventsMissed === 1 ? "was" : "were"} found in the tables`,
  );
  return parts.said.map((part) => `${node}: ${sentence(part)}`);
}

function sentence(part: string): string {
  return `${part[0]!.toUpperCase()}${part.slice(1)}.`;
}

function missingNodes(coverage: Coverage): string[] {
  const parts = new Parts();
  const { nodesExpected } = coverage;
  const nodes = coverage.nodes.filter(isRead);
  const unread = coverage.nodes.filter((node) => !isRead(node)).map(({ node }) => node);
  const silent = [...new Set([...coverage.nodesUnread, ...unread])];
  parts.say(nodes.length === 0 ? 1 : 0, "no node has reported yet");
  const missing = Math.max(silent.length, nodesExpected - nodes.length);
  const which = silent.length === 0 ? "" : `: nothing from ${names(silent, 0, LINE_NAMES_MAX)}`;
  parts.say(
    nodes.length > 0 ? missing : 0,
    `${nodesExpected - missing} of ${nodesExpected} nodes reported${which}`,
  );
  const late = nodes.filter(isLate);
  const lateNames = names(
    late.map((node) => node.node),
    0,
    LINE_NAMES_MAX,
  );
  parts.say(
    late.length,
    `${lateNames} ${late.length === 1 ? "was" : "were"} last read ${formatAge(maxAge(late))} ago`,
  );
  return parts.said;
}

function missingPods(coverage: Coverage, namesMax: number): string[] {
  const { podsUnread, podsUnreadMore, podsUnobservable, podsUnobservableMore } = coverage;
  const parts = new Parts();
  const unread = podsUnread.length + podsUnreadMore;
  parts.say(
    unread,
    `${counted(unread, "pod")} ran and ${unread === 1 ? "was" : "were"} never read: ${names(podsUnread, podsUnreadMore, namesMax)}`,
  );
  const unobservable = podsUnobservable.length + podsUnobservableMore;
  parts.say(
    unobservable,
    `${counted(unobservable, "pod")} in sandboxes or other systems cannot be read: ` +
      names(podsUnobservable, podsUnobservableMore, namesMax),
  );
  return parts.said;
}

// Closed connections that should still be kept, and closed before what the aggregator has of the node begins.
// The time is on the clock, since an age would make another line of it every second.
function missingPast({ nodes, keptSinceMs }: Coverage): string[] {
  const parts = new Parts();
  const short = nodes.filter(
    ({ countedSinceMs, sinceMs }) =>
      countedSinceMs > keptSinceMs && countedSinceMs - sinceMs > AGENT_START_MS,
  );
  const sinceMs = Math.max(...short.map((node) => node.countedSinceMs));
  const nodeNames = names(
    short.map(({ node }) => node),
    0,
    LINE_NAMES_MAX,
  );
  parts.say(short.length, `of ${nodeNames} only what closed since ${clockTime(sinceMs)} is known`);
  return parts.said;
}

function missingRights({ limits }: Coverage): string[] {
  const parts = new Parts();
  parts.say(limits.length, "the aggregator may not see some of the cluster's objects: see coverage");
  return parts.said;
}

function missingSockets(coverage: Coverage, unseenToo = true): string[] {
  const parts = new Parts();
  const failed = total(coverage, "namespacesFailed");
  parts.say(failed, `${counted(failed, "network namespace")} could not be read`);
  const unseen = total(coverage, "unseen");
  parts.say(
    unseenToo ? unseen : 0,
    `the kernel opened ${counted(unseen, "connection end")} that ${unseen === 1 ? "was" : "were"} not seen`,
  );
  const gaps = total(coverage, "gaps");
  parts.say(gaps, `${counted(gaps, "report")} ${gaps === 1 ? "was" : "were"} lost`);
  const overflowed = total(coverage, "socketsOverflowed");
  parts.say(
    overflowed,
    `${counted(overflowed, "socket or flow", "sockets or flows")} found no room in an agent's tables`,
  );
  const { storeOverflowed } = coverage;
  parts.say(
    storeOverflowed,
    `${counted(storeOverflowed, "connection")} found no room in the aggregator's tables`,
  );
  const rejected = coverage.reportsRejected;
  parts.say(rejected, `${counted(rejected, "report")} made no sense`);
  const malformed = total(coverage, "linesMalformed");
  parts.say(malformed, `${counted(malformed, "line")} of kernel tables made no sense`);
  const unreadable = total(coverage, "processesUnreadable");
  parts.say(
    unreadable,
    `the network namespace of ${counted(unreadable, "process", "processes")} is unknown` +
      reason(coverage, "network namespace"),
  );
  const unattributed = total(coverage, "socketsUnattributed");
  const withoutFds = total(coverage, "processesWithoutFds");
  parts.say(
    unattributed,
    `${unattributed} of ${counted(total(coverage, "sockets"), "socket")} ${unattributed === 1 ? "has" : "have"} no process` +
      reason(coverage, "file descriptors"),
  );
  parts.say(
    unattributed === 0 ? withoutFds : 0,
    `the files of ${counted(withoutFds, "process", "processes")} could not be read` +
      reason(coverage, "file descriptors"),
  );
  parts.say(
    coverage.endsAmbiguous,
    `${counted(coverage.endsAmbiguous, "socket")} could belong to several connections`,
  );
  return parts.said;
}

/** Collects the nonzero parts of a sentence. */
class Parts {
  readonly said: string[] = [];

  say(count: number, part: string): void {
    if (count > 0) this.said.push(part);
  }
}

// The reason for a gap of this kind, if a node names one, as the end of the gap's sentence.
function reason(coverage: Coverage, what: string): string {
  const limits = coverage.nodes.flatMap((node) => node.limits).filter((limit) => limit.includes(what));
  if (limits.some((limit) => limit.endsWith(": run as root"))) return ": run as root";
  return limits.length > 0 ? ": see coverage" : "";
}

// Whether any pass of a node has been reported.
function isRead({ sinceMs }: NodeCoverage): boolean {
  return sinceMs > 0;
}

function isLate(node: NodeCoverage): boolean {
  return node.ageMs > Math.max(LATE_MS_MIN, LATE_INTERVALS * node.intervalMs);
}

function maxAge(nodes: readonly NodeCoverage[]): number {
  return nodes.reduce((oldest, node) => Math.max(oldest, node.ageMs), 0);
}

type NodeCount = {
  [Key in keyof NodeCoverage]: NodeCoverage[Key] extends number ? Key : never;
}[keyof NodeCoverage];

function total(coverage: Coverage, key: NodeCount): number {
  return coverage.nodes.reduce((sum, node) => sum + node[key], 0);
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

// more: how many there are beside those in the list.
function names(list: readonly string[], more: number, max: number): string {
  const rest = Math.max(0, list.length - max) + more;
  const shown = list.slice(0, max).join(", ");
  return rest > 0 ? `${shown} and ${rest} more` : shown;
}
