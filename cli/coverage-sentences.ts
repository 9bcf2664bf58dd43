// What an answer rests on, in sentences: so that an empty answer is never mistaken for a quiet machine.

import type { Coverage } from "../lib/gen/whotalks/v1/query.ts";
import type { NodeCoverage } from "../lib/gen/whotalks/v1/report.ts";
import { formatAge } from "./duration.ts";

/** A node that was not read for this long, or for so many of its intervals, is called late. */
const LATE_MS_MIN = 10_000;
const LATE_INTERVALS = 5;

/** Gaps that one line names before it counts the rest. */
const LINE_PARTS_MAX = 2;

/** One line that says what was read, for an answer without items. */
export function readSentence(coverage: Coverage): string {
  if (coverage.nodes.length === 0) return "Nothing has been read yet: no node has reported.";
  const oldestMs = Math.max(...coverage.nodes.map((node) => node.ageMs));
  return (
    `Read ${counted(coverage.nodes.length, "node")}, ${counted(total(coverage, "namespaces"), "network namespace")}, ` +
    `${counted(total(coverage, "processes"), "process", "processes")} and ${counted(total(coverage, "sockets"), "socket")}, ` +
    `${formatAge(oldestMs)} ago.`
  );
}

/** One short line that says what is missing; empty where nothing is. */
export function missingLine(coverage: Coverage): string {
  const parts = missingParts(coverage);
  const rest = parts.length - LINE_PARTS_MAX;
  const shown = parts.slice(0, LINE_PARTS_MAX).join("; ");
  return rest > 0 ? `${shown}; ${rest} more: see coverage` : shown;
}

/** Everything that is missing or in the way, one sentence each: what stands below the coverage table. */
export function missingSentences(coverage: Coverage): string[] {
  const sentences = missingParts(coverage).map((part) => `${part[0]!.toUpperCase()}${part.slice(1)}.`);
  for (const node of coverage.nodes) {
    for (const limit of node.limits) sentences.push(`${node.node}: ${limit}`);
  }
  return sentences;
}

function missingParts(coverage: Coverage): string[] {
  const parts: string[] = [];
  const say = (count: number, part: string): void => {
    if (count > 0) parts.push(part);
  };
  const { nodes, nodesExpected } = coverage;
  say(nodes.length === 0 ? 1 : 0, "no node has reported yet");
  say(
    nodes.length > 0 ? nodesExpected - nodes.length : 0,
    `${nodes.length} of ${nodesExpected} nodes reported`,
  );
  const late = nodes.filter(isLate);
  say(late.length, `${names(late.map((node) => node.node))} was last read ${formatAge(maxAge(late))} ago`);
  const unattributed = total(coverage, "socketsUnattributed");
  const withoutFds = total(coverage, "processesWithoutFds");
  say(
    unattributed,
    `${unattributed} of ${counted(total(coverage, "sockets"), "socket")} ${unattributed === 1 ? "has" : "have"} no process` +
      reason(coverage, "file descriptors"),
  );
  say(
    unattributed === 0 ? withoutFds : 0,
    `the files of ${counted(withoutFds, "process", "processes")} could not be read` +
      reason(coverage, "file descriptors"),
  );
  const unreadable = total(coverage, "processesUnreadable");
  say(
    unreadable,
    `the network namespace of ${counted(unreadable, "process", "processes")} could not be told` +
      reason(coverage, "network namespace"),
  );
  const failed = total(coverage, "namespacesFailed");
  say(failed, `${counted(failed, "network namespace")} could not be read`);
  const unseen = total(coverage, "unseen");
  say(
    unseen,
    `the kernel opened ${counted(unseen, "connection")} that ${unseen === 1 ? "was" : "were"} not seen`,
  );
  const malformed = total(coverage, "linesMalformed");
  say(malformed, `${counted(malformed, "line")} of kernel tables made no sense`);
  const overflowed = total(coverage, "socketsOverflowed") + coverage.storeOverflowed;
  say(overflowed, `${counted(overflowed, "socket or connection", "sockets or connections")} found no room`);
  const gaps = total(coverage, "gaps");
  say(gaps, `${counted(gaps, "report")} ${gaps === 1 ? "was" : "were"} lost`);
  say(coverage.reportsRejected, `${counted(coverage.reportsRejected, "report")} made no sense`);
  say(
    coverage.endsAmbiguous,
    `${counted(coverage.endsAmbiguous, "socket")} could belong to several connections`,
  );
  say(coverage.podsUnread.length, `never read: ${names(coverage.podsUnread)}`);
  say(coverage.podsUnobservable.length, `not in their node's kernel: ${names(coverage.podsUnobservable)}`);
  return parts;
}

// Why something of that kind is missing, where a node says so: its sentence's part behind the colon or "in spite".
function reason(coverage: Coverage, what: string): string {
  const limits = coverage.nodes.flatMap((node) => node.limits).filter((limit) => limit.includes(what));
  if (limits.some((limit) => limit.endsWith(": run as root"))) return ": run as root";
  return limits.length > 0 ? ": see coverage" : "";
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

/** Names that a sentence lists before it counts the rest. */
const NAMES_MAX = 3;

function names(list: readonly string[]): string {
  const shown = list.slice(0, NAMES_MAX).join(", ");
  return list.length > NAMES_MAX ? `${shown} and ${list.length - NAMES_MAX} more` : shown;
}
