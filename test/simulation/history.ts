// Creates the events in a cluster: the conversations of a scenario, each started when its ports are free, and
// their witnesses.

import type { Cluster, Place } from "./cluster.ts";
import { wildcard } from "./cluster.ts";
import type { Conversation, Flow, History, Socket, Spot } from "./conversation.ts";
import { bytesOf, isUnconnected } from "./conversation.ts";
import { KernelTables } from "./kernel-tables.ts";
import type { Hop, Route } from "./routes.ts";
import { routeOf } from "./routes.ts";
import type { Scenario, Talk } from "./scenario.ts";
import { intervalOf } from "./timetable.ts";

/** TCP_TIMEWAIT_LEN. */
const TIME_WAIT_MS = 60_000;
/** nf_conntrack_tcp_timeout_time_wait, nf_conntrack_tcp_timeout_close, nf_conntrack_udp_timeout. */
const FLOW_TIME_WAIT_MS = 120_000;
const FLOW_CLOSE_MS = 10_000;
const FLOW_UDP_MS = 30_000;
/** Client ports; unconnected datagram clients and random translations use their own ranges. */
const FIRST_CLIENT_PORT = 40_000;
const FIRST_UNCONNECTED_PORT = 45_000;
const FIRST_RANDOM_PORT = 50_000;
const RANDOM_PORTS = 1000;
/** Ports that a client tries. */
const TRIES_MAX = 50;
/** Conversations start at most this long before the first report. */
const BEFORE_MS_MAX = 5000;

/** A talk, and one time at which it happens. */
interface Occasion {
  readonly talk: Talk;
  readonly startMs: number;
  readonly endMs: number;
}

/** A packet's addresses after each hop, and the entries that translated them. */
interface Passage {
  readonly server: Spot;
  readonly seenAs: Spot;
  readonly entries: readonly {
    readonly hop: Hop;
    readonly original: readonly [Spot, Spot];
    readonly reply: readonly [Spot, Spot];
  }[];
}

/** Creates the history of a scenario, which is observed for `lengthMs`. */
export function createHistory(scenario: Scenario, cluster: Cluster, lengthMs: number): History {
  return new HistoryMaker(scenario, cluster).make(lengthMs);
}

class HistoryMaker {
  readonly #scenario: Scenario;
  readonly #cluster: Cluster;
  readonly #tables = new KernelTables();
  readonly #conversations: Conversation[] = [];

  constructor(scenario: Scenario, cluster: Cluster) {
    this.#scenario = scenario;
    this.#cluster = cluster;
  }

  make(lengthMs: number): History {
    const beforeMs = Math.min(3 * intervalOf(this.#scenario), BEFORE_MS_MAX);
    const occasions = this.#scenario.talks.flatMap((talk) => occasionsOf(talk, lengthMs, beforeMs));
    for (const occasion of occasions.toSorted((a, b) => a.startMs - b.startMs)) this.#begin(occasion);
    const { sockets, flows } = this.#tables;
    return { sockets, flows, conversations: this.#conversations };
  }

  #begin(occasion: Occasion): void {
    const { talk } = occasion;
    const route = routeOf(talk, this.#cluster);
    const first = (isUnconnected(talk) ? FIRST_UNCONNECTED_PORT : FIRST_CLIENT_PORT) + talk.port;
    for (let port = first; port < first + TRIES_MAX; port++)
      if (this.#start(later(occasion, route), route, { address: route.clientAddress, port })) return;
  }

  // Returns false if the client cannot use the port.
  #start(occasion: Occasion, planned: Route, client: Spot): boolean {
    const { talk, startMs } = occasion;
    const { protocol } = talk;
    const { clientPlace, dialled } = planned;
    if (clientPlace !== null && this.#tables.isClientTaken(clientPlace, protocol, client, dialled, startMs))
      return false;
    const route = this.#routeOfEntry(occasion, planned, client) ?? planned;
    const passage = this.#pass(occasion, route, client);
    if (passage === null) return false;
    const { server, seenAs } = passage;
    const { serverPlace } = route;
    const isTcp = protocol === "tcp";
    if (
      serverPlace !== null &&
      isTcp &&
      this.#tables.isServerTaken(serverPlace, protocol, server, seenAs, startMs)
    )
      return false;
    const number = this.#conversations.length + 1;
    if (serverPlace !== null && (talk.listens || !isTcp)) this.#listen(serverPlace, talk, server.port);
    const flows = passage.entries.map((entry) => this.#addFlow(occasion, entry));
    const clientSocket =
      clientPlace === null
        ? null
        : this.#tables.addSocket(clientSocketOf(occasion, number, clientPlace, client, dialled));
    const serverSocket =
      serverPlace === null || !isTcp
        ? null
        : this.#tables.addSocket(serverSocketOf(occasion, number, serverPlace, server, seenAs));
    this.#conversations.push({
      ...occasion,
      number,
      clientPlace,
      serverPlace,
      client,
      dialled,
      server,
      seenAs,
      clientSocket,
      serverSocket,
      flows,
    });
    return true;
  }

  // A datagram before an entry's timeout takes the path of the previous one.
  #routeOfEntry({ talk, startMs }: Occasion, { hops, dialled }: Route, client: Spot): Route | null {
    if (talk.protocol !== "udp" || hops.length === 0) return null;
    const entry = this.#tables.flowAt(hops[0]!.node, "udp", [client, dialled], startMs);
    const before = this.#conversations.find(({ flows }) => flows[0] !== undefined && flows[0] === entry);
    return before === undefined ? null : routeOf(before.talk, this.#cluster);
  }

  // The path of a conversation's packets; null if another live conversation has an entry with its tuple.
  #pass({ talk, startMs }: Occasion, { dialled, hops }: Route, client: Spot): Passage | null {
    let from = client;
    let to = dialled;
    const entries = [];
    for (const hop of hops) {
      const original = [from, to] as const;
      const before = this.#tables.flowAt(hop.node, talk.protocol, original, startMs);
      if (before !== undefined && talk.protocol === "tcp" && before.endMs > startMs) return null;
      const goesOn = before !== undefined && talk.protocol === "udp";
      const reply = goesOn ? before.reply : this.#translate(talk, hop, original, startMs);
      entries.push({ hop, original, reply });
      [to, from] = reply;
    }
    return { server: to, seenAs: from, entries };
  }

  // The reply tuple, with a source port that no other entry of the table uses.
  #translate(
    { protocol, port: wanted }: Talk,
    { node, to, masquerade }: Hop,
    original: readonly [Spot, Spot],
    startMs: number,
  ): readonly [Spot, Spot] {
    const [source, destination] = original;
    const address = masquerade ?? source.address;
    const isRandom = masquerade !== null && this.#scenario.randomPorts;
    const random = FIRST_RANDOM_PORT + ((wanted * 31 + this.#conversations.length * 7) % RANDOM_PORTS);
    let port = isRandom ? random : source.port;
    const server = to ?? destination;
    while (this.#tables.isReplyTaken(node, protocol, original, [server, { address, port }], startMs)) port++;
    return [server, { address, port }];
  }

  #addFlow({ talk, startMs, endMs }: Occasion, { hop, original, reply }: Passage["entries"][number]): Flow {
    const { protocol, family } = talk;
    const reset = protocol === "tcp" && talk.closer === "reset";
    const overMs = endMs + (protocol === "tcp" && !reset ? talk.lingerMs : 0);
    const keptMs = protocol === "udp" ? FLOW_UDP_MS : reset ? FLOW_CLOSE_MS : FLOW_TIME_WAIT_MS;
    const before = this.#tables.flowAt(hop.node, protocol, original, startMs);
    if (before !== undefined && protocol === "udp") {
      before.endMs = Math.max(before.endMs, overMs);
      before.goneMs = Math.max(before.goneMs, overMs + keptMs);
      return before;
    }
    if (before !== undefined) before.goneMs = startMs;
    const { node } = hop;
    const goneMs = overMs + keptMs;
    const flow = { node, protocol, family, original, reply, bornMs: startMs, endMs: overMs, goneMs, reset };
    this.#tables.flows.push(flow);
    return flow;
  }

  #listen(place: Place, { protocol, family }: Talk, port: number): void {
    const local = { address: wildcard[family], port };
    if (this.#tables.listens(place, protocol, local)) return;
    this.#tables.addSocket({
      place,
      protocol,
      family,
      kind: "listener",
      local,
      remote: { address: wildcard[family], port: 0 },
      bornMs: place.bornMs,
      acceptedMs: place.bornMs,
      halfClosedMs: Number.POSITIVE_INFINITY,
      destroyedMs: Number.POSITIVE_INFINITY,
      entry: null,
      losesPort: false,
      sent: 0,
      received: 0,
    });
  }
}

function occasionsOf(talk: Talk, lengthMs: number, beforeMs: number): Occasion[] {
  const occasions: Occasion[] = [];
  let startMs = Math.floor((talk.start * (lengthMs + beforeMs)) / 1000) - beforeMs;
  for (let round = 0; round <= talk.repeats && startMs < lengthMs; round++) {
    const endMs = talk.lifeMs === null ? Number.POSITIVE_INFINITY : startMs + talk.lifeMs;
    occasions.push({ talk, startMs, endMs });
    startMs = endMs + (talk.closer === "reset" ? 0 : talk.lingerMs) + talk.pauseMs + 1;
  }
  return occasions;
}

// Delays an occasion until both programs run.
function later({ talk, startMs, endMs }: Occasion, { clientPlace, serverPlace }: Route): Occasion {
  const bornMs = Math.max(clientPlace?.bornMs ?? startMs, serverPlace?.bornMs ?? startMs);
  const waitMs = Math.max(0, bornMs - startMs);
  return { talk, startMs: startMs + waitMs, endMs: endMs + waitMs };
}

function clientSocketOf(
  { talk, startMs, endMs }: Occasion,
  number: number,
  place: Place,
  client: Spot,
  dialled: Spot,
): Omit<Socket, "inode" | "cookie" | "wasAsked"> {
  const unconnected = isUnconnected(talk);
  const any = wildcard[talk.family];
  const { toServer, toClient } = bytesOf(number);
  return {
    place,
    protocol: talk.protocol,
    family: talk.family,
    kind: unconnected ? "listener" : "end",
    local: unconnected ? { address: any, port: client.port } : client,
    remote: unconnected ? { address: any, port: 0 } : dialled,
    bornMs: startMs,
    acceptedMs: startMs,
    ...closingOf(talk, endMs, talk.closer === "client"),
    losesPort: talk.protocol === "tcp" && talk.closer === "reset",
    sent: toServer,
    received: toClient,
  };
}

function serverSocketOf(
  { talk, startMs, endMs }: Occasion,
  number: number,
  place: Place,
  server: Spot,
  seenAs: Spot,
): Omit<Socket, "inode" | "cookie" | "wasAsked"> {
  const { toServer, toClient } = bytesOf(number);
  return {
    place,
    protocol: talk.protocol,
    family: talk.family,
    kind: "end",
    local: server,
    remote: seenAs,
    bornMs: startMs,
    acceptedMs: startMs + talk.acceptMs,
    ...closingOf(talk, endMs, talk.closer === "server"),
    losesPort: false,
    sent: toClient,
    received: toServer,
  };
}

// The side that closes first keeps an entry; a reset leaves none on either side (RFC 9293, 3.5.2 and 3.6).
function closingOf(
  talk: Talk,
  endMs: number,
  closesFirst: boolean,
): Pick<Socket, "halfClosedMs" | "destroyedMs" | "entry"> {
  if (talk.protocol === "udp" || talk.closer === "reset")
    return { halfClosedMs: endMs, destroyedMs: endMs, entry: null };
  const bothMs = endMs + talk.lingerMs;
  if (!closesFirst || endMs === Number.POSITIVE_INFINITY)
    return { halfClosedMs: endMs, destroyedMs: closesFirst ? endMs : bothMs, entry: null };
  return {
    halfClosedMs: endMs,
    destroyedMs: endMs,
    entry: { timeWaitMs: bothMs, untilMs: bothMs + TIME_WAIT_MS },
  };
}
