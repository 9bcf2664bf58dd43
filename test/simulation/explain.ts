// Explains findings by known faults. Each fault has a pattern: a condition on the conversations that a line of
// a finding names. A finding without a matching pattern is new.

import type { RenderedReport } from "./agent.ts";
import type { Conversation, Flow, History, Socket } from "./conversation.ts";
import { isPair, isSpot, isTranslation, isUnconnected, shareNamespace } from "./conversation.ts";
import type { Difference } from "./difference.ts";
import type { KnownFaultName } from "./known-faults.ts";
import type { Finding } from "./oracle.ts";
import type { Scenario } from "./scenario.ts";
import { SightingIndex } from "./sightings.ts";
import { intervalOf } from "./timetable.ts";

/** LAG_MS of services/aggregator/match/lag.ts. */
const LAG_MS = 10_000;

/** Inputs of the patterns. */
export interface FaultContext {
  readonly scenario: Scenario;
  readonly history: History;
  readonly reports: readonly RenderedReport[];
}

/** Faults that make datagram conversations be counted too often or not at all. */
const countingFaults: readonly KnownFaultName[] = ["id-again", "shown-peer-stays", "datagram-flow-older"];

/** The faults that explain the lines of a finding; null if a line is unexplained. */
export function explain(finding: Finding, context: FaultContext): ReadonlySet<KnownFaultName> | null {
  const names = new Set<KnownFaultName>();
  let found: Difference = finding;
  const inAnyOrder = finding.kind === "order" || finding.kind === "query";
  if (inAnyOrder) {
    found = withoutDirections(finding);
    if (found.missing.length < finding.missing.length) names.add("direction-label");
  }
  const isCounted = countOf(found.missing) === countOf(found.extra);
  const patterns = new Patterns(context, inAnyOrder, isCounted);
  const lines = [...found.missing, ...found.extra];
  const others = lines.filter((line) => !line.startsWith("edge "));
  // Edges follow their connections; for folded datagrams, edges show more than the connections.
  for (const line of others.length > 0 ? others : lines) {
    const name = patterns.nameOf(line);
    if (name === null) return null;
    names.add(name);
  }
  return isCounted || countingFaults.some((name) => names.has(name)) ? names : null;
}

// The total number of datagram conversations in some lines.
function countOf(lines: readonly string[]): number {
  let sum = 0;
  for (const line of lines) if (line.startsWith("udp ")) sum += Number(line.slice(line.lastIndexOf("×") + 1));
  return sum;
}

/** Matches lines against known faults. */
class Patterns {
  readonly #scenario: Scenario;
  readonly #conversations: readonly Conversation[];
  readonly #sightings: SightingIndex;
  // For findings that compare two orders, the index knows only one of many orders of reports.
  readonly #inAnyOrder: boolean;

  // Whether the number of datagram conversations is right.
  readonly #isCounted: boolean;

  constructor({ scenario, history, reports }: FaultContext, inAnyOrder: boolean, isCounted: boolean) {
    this.#scenario = scenario;
    this.#conversations = history.conversations;
    this.#sightings = new SightingIndex(reports);
    this.#inAnyOrder = inAnyOrder;
    this.#isCounted = isCounted;
  }

  nameOf(line: string): KnownFaultName | null {
    if (line.startsWith("udp ") || line.startsWith("edge udp ")) return this.#datagramFault(line);
    const named = this.#conversations.filter((each) => isNamed(line, each));
    return (
      this.#any(named, this.#isLostBetween, "id-again") ??
      this.#any(named, this.#isWithoutCookies, "without-cookies") ??
      this.#any(named, this.#followsTimeWait, "time-wait-peer") ??
      this.#any(named, this.#isTupleAgain, "tuple-again") ??
      this.#any(named, this.#sharesFlow, "flow-of-another") ??
      (this.#inAnyOrder && isOfFlowAlone(line) ? "lone-flow-early" : null) ??
      this.#any(named, (each) => hasShownPeer(line, each), "shown-peer-stays") ??
      this.#any(named, this.#hasFlowGone, this.#inAnyOrder ? "flow-forgotten" : "flow-gone-early") ??
      this.#any(named, this.#isGuessed, "join-against-flow")
    );
  }

  #any(
    conversations: readonly Conversation[],
    pattern: (conversation: Conversation) => boolean,
    name: KnownFaultName,
  ): KnownFaultName | null {
    return conversations.some(pattern) ? name : null;
  }

  // Pairs of sockets with one tuple, the earlier one first, of which one belongs to the conversation.
  *#successions(conversation: Conversation): Generator<readonly [Socket, Socket]> {
    for (const other of this.#conversations) {
      if (other === conversation) continue;
      const pairs = [
        [conversation.clientSocket, other.clientSocket],
        [conversation.serverSocket, other.serverSocket],
      ] as const;
      for (const [own, its] of pairs) {
        if (own === null || its === null || !haveOneTuple(own, its)) continue;
        yield own.bornMs < its.bornMs ? [own, its] : [its, own];
      }
    }
  }

  // Reports of its node were lost between one socket or flow and the next with its tuple.
  readonly #isLostBetween = (conversation: Conversation): boolean => {
    const { kind, node, pass } = this.#scenario.incident;
    if (kind !== "lost") return false;
    const lostMs = pass * intervalOf(this.#scenario);
    const isAcross = (a: Flow, b: Flow): boolean =>
      a.node.index === node && haveOneSide(a, b) && a.bornMs < lostMs !== b.bornMs < lostMs;
    const flows = this.#conversations.flatMap((each) => each.flows);
    if (conversation.flows.some((flow) => flows.some((other) => isAcross(flow, other)))) return true;
    return [...this.#successions(conversation)].some(
      ([before, after]) =>
        before.place.node.index === node &&
        (this.#sightings.of(before)?.firstMs ?? lostMs) < lostMs &&
        (this.#sightings.of(after)?.firstMs ?? 0) > lostMs,
    );
  };

  readonly #isWithoutCookies = (conversation: Conversation): boolean =>
    [...this.#successions(conversation)].some(([before, after]) => {
      const [first, second] = [this.#sightings.of(before), this.#sightings.of(after)];
      const bare = !this.#scenario.agents[before.place.node.index]!.counts;
      return bare && first !== null && second !== null;
    });

  readonly #followsTimeWait = (conversation: Conversation): boolean =>
    [...this.#successions(conversation)].some(
      ([before, after]) =>
        before.entry !== null &&
        this.#sightings.of(before) !== null &&
        after.bornMs - before.destroyedMs <= LAG_MS + 2 * intervalOf(this.#scenario),
    );

  // Without translations, its sockets mirror each other's tuples.
  readonly #isTupleAgain = (conversation: Conversation): boolean =>
    !conversation.flows.some(isTranslation) && !this.#successions(conversation).next().done;

  readonly #sharesFlow = (conversation: Conversation): boolean =>
    conversation.flows.some((flow) =>
      this.#conversations.some(
        (other) =>
          other !== conversation &&
          other.flows.some(
            (its) => haveOneSide(flow, its) && (this.#sightings.has(its) || this.#sightings.has(flow)),
          ),
      ),
    );

  // A client's socket shares an entry with earlier sockets.
  readonly #hasOlderFlow = ({ talk, clientSocket, flows, startMs }: Conversation): boolean =>
    clientSocket !== null &&
    !isUnconnected(talk) &&
    this.#sightings.of(clientSocket) !== null &&
    flows.some(({ bornMs }) => startMs - bornMs > LAG_MS);

  // Its client's socket, if it has one, is gone.
  readonly #hasEnded = ({ talk, clientSocket }: Conversation): boolean => {
    const sighting = clientSocket === null || isUnconnected(talk) ? null : this.#sightings.of(clientSocket);
    return sighting === null || sighting.hasLeft;
  };

  readonly #hasFlowGone = ({ flows }: Conversation): boolean =>
    flows.some(({ goneMs }) => goneMs <= this.#sightings.endMs);

  // Its source port is translated to one that another conversation's client has, or vice versa.
  readonly #isGuessed = (conversation: Conversation): boolean =>
    this.#conversations.some(
      (other) =>
        other !== conversation &&
        (isSpot(other.client, conversation.seenAs) || isSpot(other.seenAs, conversation.client)),
    );

  #datagramFault(line: string): KnownFaultName | null {
    const named = this.#conversations.filter(
      ({ talk, server, dialled }) =>
        talk.protocol === "udp" && [server, dialled].some(({ port }) => line.includes(`:${port} via`)),
    );
    const countsMore =
      this.#any(named, this.#isLostBetween, "id-again") ??
      this.#any(named, this.#hasOlderFlow, "datagram-flow-older") ??
      this.#any(named, (each) => isMidway(line, each), "shown-peer-stays");
    const countsAlike = this.#any(named, this.#hasEnded, "datagram-server-late");
    const hasPeers = this.#any(named, ({ flows }) => flows.length > 1, "shown-peer-stays");
    return this.#isCounted
      ? (countsAlike ?? countsMore ?? hasPeers)
      : (countsMore ?? hasPeers ?? countsAlike);
  }
}

function haveOneTuple(a: Socket, b: Socket): boolean {
  return (
    a.protocol === b.protocol &&
    shareNamespace(a.place, b.place) &&
    isSpot(a.local, b.local) &&
    isSpot(a.remote, b.remote)
  );
}

// Whether two entries of one table have the same original tuple, or the same reply tuple.
function haveOneSide(a: Flow, b: Flow): boolean {
  return (
    a !== b &&
    a.node === b.node &&
    a.protocol === b.protocol &&
    (isPair(a.original, b.original) || isPair(a.reply, b.reply))
  );
}

// Whether a line has a conversation's client address and port, original or as the server saw it.
function isNamed(line: string, { client, seenAs, talk }: Conversation): boolean {
  if (!line.startsWith(talk.protocol)) return false;
  return [client, seenAs].some(
    ({ address, port }) =>
      line.includes(` ${address.text}:${port} `) || line.endsWith(` ${address.text}:${port}`),
  );
}

// Whether a line begins in the middle of a conversation's path.
function hasShownPeer(line: string, { flows, client }: Conversation): boolean {
  return flows.length > 1 && !line.includes(` ${client.address.text}:${client.port} `);
}

// Whether a line has the server but not what was dialled, or the translated address of a client.
function isMidway(line: string, { flows, dialled, server, seenAs, client }: Conversation): boolean {
  if (flows.length < 2) return false;
  const withoutVia = !isSpot(dialled, server) && line.includes(`:${server.port} via -`);
  return withoutVia || (!isSpot(seenAs, client) && line.startsWith("udp node "));
}

function isOfFlowAlone(line: string): boolean {
  return line.includes(" f closed ") || line.includes(" f open ");
}

// Removes pairs of lines that differ only in their last word.
function withoutDirections({ missing, extra }: Difference): Difference {
  const left = [...extra];
  const kept = missing.filter((line) => {
    const at = left.findIndex((other) => withoutLastWord(other) === withoutLastWord(line));
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
  return { missing: kept, extra: left };
}

function withoutLastWord(line: string): string {
  return line.startsWith("tcp ") ? line.slice(0, line.lastIndexOf(" ")) : line;
}
