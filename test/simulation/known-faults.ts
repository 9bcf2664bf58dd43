// Faults of joining that the simulator finds today: each a pattern that a finding is held against line by line. What no
// pattern explains is new. The list may only shrink.

import type { RenderedReport } from "./agent.ts";
import type { Conversation, History, Socket } from "./history.ts";
import { isSpot, isUnconnected } from "./history.ts";
import type { Finding } from "./oracle.ts";
import type { Scenario } from "./scenario.ts";

/** LAG_MS of join/mates.ts. */
const FLOW_LAG_MS = 10_000;

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
  if (finding.kind === "order" || finding.kind === "query") {
    const left = withoutDirections(missing, extra);
    if (left.missing.length < missing.length) names.add("direction-label");
    ({ missing, extra } = left);
  }
  const explainer = new Explainer(context);
  const lines = [...missing, ...extra];
  const edges = lines.filter((line) => line.startsWith("edge "));
  const others = lines.filter((line) => !line.startsWith("edge "));
  for (const line of others) {
    const name = explainer.nameOf(line, finding.kind === "order" || finding.kind === "query");
    if (name === null) return null;
    names.add(name);
  }
  // An edge follows its connections.
  if (others.length > 0 || names.has("direction-label")) return names;
  for (const line of edges) {
    if (!line.startsWith("edge udp ")) return null;
    names.add("datagram-server-late");
  }
  return names;
}

/** What is known, by name. */
export const knownFaults = {
  "direction-label":
    "directionBy depends on the order: a plain flow's word outranks the listener that is reported later " +
    "(join/directions.ts decide: by < directionBy)",
  "port-used-again":
    "sockets or flows with one tuple, one after the other, are taken for each other: rows are applied before the " +
    "changes and removals of the same report (ingest/apply-report.ts), and of several flows the living one is " +
    "taken for ends that have gone (join/flow-links.ts #findForEnd, #supersedes)",
  "gone-half":
    "an end that has gone is no mate for one that lives, and is not looked at again when that is reported: halves of " +
    "a translated conversation do not meet (join/flow-links.ts mateOf)",
  "lone-flow-early":
    "a flow without sockets is shown where it is judged before the node that has one of its ends has reported, and " +
    "stays (join/lone-flows.ts #isKnownOtherwise, #coveredEnds)",
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
    "a connected datagram client that came and went within a report is not joined with its listener " +
    "(join/settler.ts #shareServer)",
  "datagram-server-late":
    "a datagram flow without sockets is judged once: a listener that is reported later is not its server " +
    "(join/lone-flows.ts #directionOf)",
} as const;

/** Names of known faults. */
export type KnownFaultName = keyof typeof knownFaults;

class Explainer {
  readonly #context: FaultContext;

  constructor(context: FaultContext) {
    this.#context = context;
  }

  nameOf(line: string, inAnyOrder: boolean): KnownFaultName | null {
    const { conversations } = this.#context.history;
    if (line.startsWith("ambiguous 0 ")) return this.#anyUsedAgain() ? "port-used-again" : null;
    if (line.startsWith("udp ")) return this.#datagramFault(line);
    const named = conversations.filter((each) => isNamed(line, each));
    if (named.length === 0) return null;
    if (named.some((each) => this.#isUsedAgain(each))) return "port-used-again";
    if (named.some((each) => this.#hasGoneHalf(each, inAnyOrder))) return "gone-half";
    if (inAnyOrder && isOfFlowAlone(line)) return "lone-flow-early";
    if (named.some((each) => this.#isOlderThanFirstLook(each))) return "first-look";
    if (inAnyOrder && named.some((each) => this.#isFlowForgotten(each))) return "flow-forgotten";
    if (named.some((each) => this.#isGuessed(each))) return "service-guess-stays";
    return null;
  }

  #anyUsedAgain(): boolean {
    return this.#context.history.conversations.some((each) => this.#isUsedAgain(each));
  }

  #isUsedAgain(conversation: Conversation): boolean {
    return this.#context.history.conversations.some(
      (other) =>
        other !== conversation &&
        other.talk.protocol === conversation.talk.protocol &&
        ((other.clientPlace === conversation.clientPlace &&
          isSpot(other.client, conversation.client) &&
          isSpot(other.dialled, conversation.dialled)) ||
          (isSpot(other.server, conversation.server) && isSpot(other.seenAs, conversation.seenAs))),
    );
  }

  // One socket was reported for the last time before the other one was reported at all, or may have been so in another
  // order.
  #hasGoneHalf(conversation: Conversation, inAnyOrder: boolean): boolean {
    const { clientSocket, serverSocket, client, seenAs, dialled, server } = conversation;
    if (isSpot(client, seenAs) && isSpot(dialled, server)) return false;
    if (clientSocket === null || serverSocket === null) return false;
    const [a, b] = [this.#seenAt(clientSocket), this.#seenAt(serverSocket)];
    if (a === null || b === null) return false;
    if (a.last <= b.first || b.last <= a.first) return true;
    const endMs = this.#context.reports.at(-1)!.atMs;
    return inAnyOrder && [clientSocket, serverSocket].some(({ destroyedMs }) => destroyedMs <= endMs);
  }

  // One of its sockets was found at its agent's first look, long after it was made.
  #isOlderThanFirstLook({ clientSocket, serverSocket, startMs }: Conversation): boolean {
    const { reports } = this.#context;
    return [clientSocket, serverSocket].some((socket) => {
      if (socket === null) return false;
      const first = reports.findIndex(({ node }) => node === socket.place.node);
      const seen = this.#seenAt(socket);
      return seen?.first === first && reports[first]!.atMs - startMs >= FLOW_LAG_MS;
    });
  }

  #isFlowForgotten({ flows }: Conversation): boolean {
    const endMs = this.#context.reports.at(-1)!.atMs;
    return flows.some(({ goneMs }) => goneMs <= endMs);
  }

  // Through a Service, its source port translated to one that another conversation's client has, or the other way round.
  #isGuessed(conversation: Conversation): boolean {
    return this.#context.history.conversations.some(
      (other) =>
        other !== conversation &&
        (isSpot(other.client, conversation.seenAs) || isSpot(other.seenAs, conversation.client)),
    );
  }

  #seenAt(socket: Socket): { readonly first: number; readonly last: number } | null {
    const { reports } = this.#context;
    let first = -1;
    let last = -1;
    for (const [at, { sockets }] of reports.entries()) {
      const seen = sockets.find((each) => each.socket === socket);
      if (seen === undefined) continue;
      if (first < 0) first = at;
      last = at;
    }
    return first < 0 ? null : { first, last };
  }

  #datagramFault(_line: string): KnownFaultName | null {
    const { conversations } = this.#context.history;
    const datagrams = conversations.filter(({ talk }) => talk.protocol === "udp");
    if (datagrams.some(({ talk }) => !isUnconnected(talk))) return "datagram-client-gone";
    return datagrams.length > 0 ? "datagram-server-late" : null;
  }
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
