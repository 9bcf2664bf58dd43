// Faults of joining that the simulator finds today: each a pattern that a finding is held against line by line. What no
// pattern explains is new. The list may only shrink: who mends a fault takes its pattern out.

import type { RenderedReport } from "./agent.ts";
import type { Conversation, Flow, History, Socket } from "./history.ts";
import { isSpot, isUnconnected } from "./history.ts";
import type { Finding } from "./oracle.ts";
import type { Scenario } from "./scenario.ts";
import { SightingIndex } from "./sightings.ts";

/** What is known, by name: what happens and why. */
export const knownFaults = {
  "direction-label":
    "directionBy depends on the order: a plain flow's word outranks a listener that is reported later " +
    "(join/directions.ts decide: by < directionBy)",
  "same-report":
    "a tuple is used again within one report: the new socket's row is applied before the last figures and the removal " +
    "of the old one, and rows of sockets that ended come after those of living ones, which they end " +
    "(ingest/apply-report.ts apply; node-agent/delta/diff.ts appends ended rows last)",
  "without-cookies":
    "a tuple is used again soon, and the rows have no cookies: the ended row of the new socket is taken for the old one " +
    "(join/joiner.ts #goesOn, join/socket-role.ts continues)",
  "time-wait-mate":
    "an end is joined with the TIME_WAIT entry of the conversation before on the same ports, and changes over late or, " +
    "within one namespace, never (join/mates.ts isTimely and findMate, join/pairing.ts #changesOver)",
  "flow-of-another":
    "flows have the same tuple one after the other: of several the living one is taken for ends that have gone, and " +
    "one that began some seconds before or after is an end's own (join/flow-links.ts #findForEnd, #supersedes, #isTimely)",
  "gone-half":
    "an end that has gone is no mate for one that lives, and is not looked at again when that is reported: halves of " +
    "a translated conversation do not meet (join/flow-links.ts mateOf)",
  "lone-flow-early":
    "a flow without sockets is shown where it is judged before the node that has one of its ends has reported, and " +
    "stays (join/lone-flows.ts #isKnownOtherwise, #coveredEnds)",
  "shown-peer-stays":
    "a flow that is shown alone stays beside the connection that sockets make when another flow of its conversation, " +
    "which is not shown, ties them (join/flow-links.ts link: takenOver)",
  "first-look":
    "a socket that an agent finds at its first look may be far older than it seems: a flow that another agent saw begin " +
    "more than ten seconds before is taken for another conversation's (join/flow-links.ts #isTimely)",
  "flow-forgotten":
    "a flow that has gone is forgotten once it was judged: a socket that is reported later than that does not find it " +
    "(join/lone-flows.ts #judge, join/flow-life.ts release)",
  "service-guess-stays":
    "a client and a server that were joined by a Service's endpoints stay together when a flow that translates the " +
    "client's port says otherwise (join/settler.ts #complete, join/service-ends.ts)",
  "datagram-client-gone":
    "a connected datagram client that came and went before it was settled is not joined with its listener " +
    "(join/settler.ts #shareServer: isLive)",
  "restart-counts-again":
    "an agent that restarts reports its flows anew: those that are shown alone are counted once more " +
    "(ingest/apply-report.ts beginEpoch, join/flow-life.ts dropAll)",
  "datagram-server-late":
    "a datagram flow without sockets is judged once: a listener that is reported later is not its server " +
    "(join/lone-flows.ts #directionOf)",
} as const;

/** Names of known faults. */
export type KnownFaultName = keyof typeof knownFaults;

/** LAG_MS of join/mates.ts. */
const LAG_MS = 10_000;

/** What patterns look at. */
export interface FaultContext {
  readonly scenario: Scenario;
  readonly history: History;
  readonly reports: readonly RenderedReport[];
}

/** Names of what explains each line of a finding; null where a line has no explanation. */
export function explain(finding: Finding, context: FaultContext): ReadonlySet<KnownFaultName> | null {
  const names = new Set<KnownFaultName>();
  let { missing, extra } = finding;
  const inAnyOrder = finding.kind === "order" || finding.kind === "query";
  if (inAnyOrder) {
    const left = withoutDirections(missing, extra);
    if (left.missing.length < missing.length) names.add("direction-label");
    ({ missing, extra } = left);
  }
  const patterns = new Patterns(context, inAnyOrder);
  const lines = [...missing, ...extra];
  const edges = lines.filter((line) => line.startsWith("edge "));
  const others = lines.filter((line) => !line.startsWith("edge "));
  for (const line of others) {
    const name = patterns.nameOf(line);
    if (name === null) return null;
    names.add(name);
  }
  // An edge follows its connections; of folded datagrams it shows more than they do.
  if (others.length > 0) return names;
  for (const line of edges) {
    if (!line.startsWith("edge udp ")) return null;
    names.add("datagram-server-late");
  }
  return names;
}

/** Holds lines against what is known. */
class Patterns {
  readonly #scenario: Scenario;
  readonly #conversations: readonly Conversation[];
  readonly #sightings: SightingIndex;
  // Of findings that compare two orders, the order of reports that the index knows is one of many.
  readonly #inAnyOrder: boolean;

  constructor({ scenario, history, reports }: FaultContext, inAnyOrder: boolean) {
    this.#scenario = scenario;
    this.#conversations = history.conversations;
    this.#sightings = new SightingIndex(reports);
    this.#inAnyOrder = inAnyOrder;
  }

  nameOf(line: string): KnownFaultName | null {
    if (line.startsWith("ambiguous 0 "))
      return this.#any(this.#conversations, this.#isInOneReport, "same-report");
    if (line.startsWith("udp ")) return this.#datagramFault(line);
    const named = this.#conversations.filter((each) => isNamed(line, each));
    return (
      this.#any(named, this.#isInOneReport, "same-report") ??
      this.#any(named, this.#isWithoutCookies, "without-cookies") ??
      this.#any(named, this.#followsTimeWait, "time-wait-mate") ??
      this.#any(named, this.#sharesFlow, "flow-of-another") ??
      this.#any(named, this.#hasGoneHalf, "gone-half") ??
      (this.#inAnyOrder && isOfFlowAlone(line) ? "lone-flow-early" : null) ??
      this.#any(named, this.#isOlderThanFirstLook, "first-look") ??
      (this.#inAnyOrder ? this.#any(named, this.#hasFlowGone, "flow-forgotten") : null) ??
      this.#any(named, this.#isGuessed, "service-guess-stays")
    );
  }

  #any(
    conversations: readonly Conversation[],
    pattern: (conversation: Conversation) => boolean,
    name: KnownFaultName,
  ): KnownFaultName | null {
    return conversations.some(pattern) ? name : null;
  }

  // Pairs of sockets with one tuple, the earlier one first, of which one is the conversation's.
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

  readonly #isInOneReport = (conversation: Conversation): boolean =>
    [...this.#successions(conversation)].some(([before, after]) => {
      const [first, second] = [this.#sightings.of(before), this.#sightings.of(after)];
      return first !== null && second !== null && second.first === first.left;
    });

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
        after.bornMs - before.destroyedMs <= LAG_MS + 2 * this.#scenario.intervalMs,
    );

  readonly #sharesFlow = (conversation: Conversation): boolean =>
    conversation.flows.some((flow) =>
      this.#conversations.some(
        (other) =>
          other !== conversation &&
          other.flows.some(
            (its) => haveOneOriginal(flow, its) && (this.#sightings.has(its) || this.#sightings.has(flow)),
          ),
      ),
    );

  // One socket was reported for the last time before the other one was reported at all, or may have been so in another
  // order.
  readonly #hasGoneHalf = ({ clientSocket, serverSocket, ...rest }: Conversation): boolean => {
    if (isSpot(rest.client, rest.seenAs) && isSpot(rest.dialled, rest.server)) return false;
    if (clientSocket === null || serverSocket === null) return false;
    const [a, b] = [this.#sightings.of(clientSocket), this.#sightings.of(serverSocket)];
    if (a === null || b === null) return false;
    if (a.last <= b.first || b.last <= a.first) return true;
    return this.#inAnyOrder && (a.hasLeft || b.hasLeft);
  };

  // One of its sockets was found at its agent's first look, long after it was made.
  readonly #isOlderThanFirstLook = ({ clientSocket, serverSocket, startMs }: Conversation): boolean =>
    [clientSocket, serverSocket].some((socket) => {
      const sighting = socket === null ? null : this.#sightings.of(socket);
      return sighting !== null && sighting.isFirstLook && sighting.firstMs - startMs >= LAG_MS;
    });

  readonly #hasFlowGone = ({ flows }: Conversation): boolean =>
    flows.some(({ goneMs }) => goneMs <= this.#sightings.endMs);

  // Its source port is translated to one that another conversation's client has, or the other way round.
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
    return (
      this.#any(named, this.#isClientGone, "datagram-client-gone") ??
      (this.#scenario.incident.kind === "restart"
        ? this.#any(named, this.#hasNoSocket, "restart-counts-again")
        : null) ??
      this.#any(named, ({ flows }) => flows.length > 1, "shown-peer-stays") ??
      (this.#inAnyOrder ? this.#any(named, () => true, "datagram-server-late") : null)
    );
  }

  readonly #isClientGone = ({ talk, clientSocket }: Conversation): boolean => {
    if (clientSocket === null || isUnconnected(talk)) return false;
    const sighting = this.#sightings.of(clientSocket);
    return sighting !== null && sighting.hasLeft;
  };

  readonly #hasNoSocket = ({ talk, clientSocket }: Conversation): boolean =>
    isUnconnected(talk) || clientSocket === null || this.#sightings.of(clientSocket) === null;
}

function haveOneTuple(a: Socket, b: Socket): boolean {
  return (
    a.protocol === b.protocol &&
    a.place.node === b.place.node &&
    a.place.namespace === b.place.namespace &&
    isSpot(a.local, b.local) &&
    isSpot(a.remote, b.remote)
  );
}

function haveOneOriginal(a: Flow, b: Flow): boolean {
  return (
    a !== b &&
    a.node === b.node &&
    a.protocol === b.protocol &&
    isSpot(a.original[0], b.original[0]) &&
    isSpot(a.original[1], b.original[1])
  );
}

// Whether a line has the client's address and port of a conversation, as itself or as its server saw it.
function isNamed(line: string, { client, seenAs, talk }: Conversation): boolean {
  if (!line.startsWith(talk.protocol)) return false;
  return [client, seenAs].some(
    ({ address, port }) =>
      line.includes(` ${address.text}:${port} `) || line.endsWith(` ${address.text}:${port}`),
  );
}

function isOfFlowAlone(line: string): boolean {
  return line.includes(" f closed ") || line.includes(" f open ");
}

// Takes out what differs in its last word alone.
function withoutDirections(
  missing: readonly string[],
  extra: readonly string[],
): { readonly missing: string[]; readonly extra: string[] } {
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
