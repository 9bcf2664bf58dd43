// Finds what is wrong with an answer: compares it with what was generated, and with the answer to another
// order of delivery.

import {
  countsLine,
  datagramGroups,
  detailsLine,
  edgeLines,
  edgeSums,
  endsLine,
  groupLines,
  tcpConnections,
} from "./answer-lines.ts";
import type { Cluster } from "./cluster.ts";
import type { Answer } from "./delivery.ts";
import type { Difference } from "./difference.ts";
import { difference, isEmpty } from "./difference.ts";
import { Expectation } from "./expectation.ts";
import type { History } from "./conversation.ts";
import type { Scenario } from "./scenario.ts";
import type { Witnesses } from "./witnesses.ts";

/** Something wrong with an answer. */
export interface Finding extends Difference {
  /**
   * truth: the connections differ from those generated; details: the connections are right, but not their
   * evidence or bytes; order: another order of delivery leads to another answer; query: queries change later
   * answers; edges: the edges do not add up to the connections; counts: ends are ambiguous, or rows rejected,
   * where none should be.
   */
  readonly kind: "truth" | "details" | "order" | "query" | "edges" | "counts";
}

/** Compares an answer with what was generated. */
export function judge(
  scenario: Scenario,
  cluster: Cluster,
  { conversations }: History,
  witnesses: Witnesses,
  answer: Answer,
): Finding[] {
  const expectation = new Expectation(cluster, witnesses, scenario.knowsServices);
  expectation.add(conversations);
  const findings = [...judgeStreams(expectation, answer), ...judgeDatagrams(expectation, answer)];
  const { ofConnections, ofEdges } = edgeSums(answer);
  const edges = difference(ofConnections, ofEdges);
  if (!isEmpty(edges)) findings.push({ kind: "edges", ...edges });
  if (answer.ambiguousEnds + answer.rowsRejected + answer.overflowed > 0)
    findings.push({ kind: "counts", missing: [], extra: [countsLine(answer)] });
  return findings;
}

/** Compares the answers to two deliveries of one history. */
export function compareAnswers(kind: "order" | "query", a: Answer, b: Answer): Finding[] {
  const found = difference(answerLines(a), answerLines(b));
  return isEmpty(found) ? [] : [{ kind, ...found }];
}

function answerLines(answer: Answer): string[] {
  const connections = tcpConnections(answer).map(
    (each) => `${endsLine(each)} ${detailsLine(each)} ${each.outcome} ${each.directionBy}`,
  );
  return [...connections, ...groupLines(datagramGroups(answer)), ...edgeLines(answer), countsLine(answer)];
}

function judgeStreams({ tcp, eitherWay, optional }: Expectation, answer: Answer): Finding[] {
  const connections = tcpConnections(answer);
  const { missing, extra } = difference(
    tcp.map(({ ends }) => ends),
    connections.map(endsLine),
  );
  const left = { missing: [...missing], extra: [...extra] };
  let tied = false;
  for (const { halves, whole } of eitherWay) tied = takeOut(left, halves, whole) || tied;
  const wrong = left.extra.filter((line) => !optional.includes(line));
  if (left.missing.length + wrong.length > 0) return [{ kind: "truth", missing: left.missing, extra: wrong }];
  if (tied) return [];
  const details = difference(
    tcp.map((each) => `${each.ends} ${each.details}`),
    connections.map((each) => `${endsLine(each)} ${detailsLine(each)}`),
  );
  const extraDetails = [...details.extra];
  for (const ends of left.extra) {
    const at = extraDetails.findIndex((line) => line.startsWith(ends));
    if (at >= 0) extraDetails.splice(at, 1);
  }
  const found = { missing: details.missing, extra: extraDetails };
  return isEmpty(found) ? [] : [{ kind: "details", ...found }];
}

function judgeDatagrams({ datagrams, unnamed }: Expectation, answer: Answer): Finding[] {
  const actual = datagramGroups(answer);
  const wanted = new Map(datagrams);
  // Moves expected lines to their unnamed variants, as often as the answer lacks the name.
  for (const [key, other] of unnamed) {
    const lacks = (wanted.get(key) ?? 0) - (actual.get(key) ?? 0);
    const isElsewhere = (actual.get(other) ?? 0) - (wanted.get(other) ?? 0) >= lacks;
    if (lacks <= 0 || !isElsewhere) continue;
    addTo(wanted, key, -lacks);
    addTo(wanted, other, lacks);
  }
  const found = difference(groupLines(wanted), groupLines(actual));
  return isEmpty(found) ? [] : [{ kind: "truth", ...found }];
}

function addTo(groups: Map<string, number>, key: string, count: number): void {
  const sum = (groups.get(key) ?? 0) + count;
  if (sum === 0) groups.delete(key);
  else groups.set(key, sum);
}

// If two halves are expected and the answer has the whole, removes all three.
function takeOut(
  { missing, extra }: { readonly missing: string[]; readonly extra: string[] },
  halves: readonly string[],
  whole: string,
): boolean {
  const places = halves.map((half) => missing.indexOf(half));
  const at = extra.indexOf(whole);
  if (at < 0 || places.some((place) => place < 0)) return false;
  extra.splice(at, 1);
  for (const place of places.toSorted((a, b) => b - a)) missing.splice(place, 1);
  return true;
}
