// What should come out of a history, by the witnesses that were reported, and what is wrong with what came out.

import type { Connection, Edge, Endpoint } from "../../lib/gen/whotalks/v1/query.ts";
import type { RenderedReport } from "./agent.ts";
import type { Address, Cluster, Place } from "./cluster.ts";
import { HOST_NAMESPACE, loopback } from "./cluster.ts";
import type { Answer } from "./delivery.ts";
import type { Conversation, Flow, History, Socket, Spot } from "./history.ts";
import { isSpot, isUnconnected } from "./history.ts";
import type { Scenario } from "./scenario.ts";

/** Something that is wrong. */
export interface Finding {
  /**
   * truth: not the connections that were generated; details: they are, but not what they rest on or carried; order:
   * another order of delivery says something else; query: queries changed what later answers say; edges: they do not
   * add up to the connections; counts: ends that are ambiguous or rows that were rejected, where none should be.
   */
  readonly kind: "truth" | "details" | "order" | "query" | "edges" | "counts";
  readonly missing: readonly string[];
  readonly extra: readonly string[];
}

/** What is known of a socket by the reports. */
interface SocketWitness {
  isOpen: boolean;
  held: boolean;
  /** Null where its bytes were never counted. */
  bytes: { readonly sent: number; readonly received: number } | null;
}

/** What reports say in all. */
export interface Witnesses {
  readonly sockets: ReadonlyMap<Socket, SocketWitness>;
  readonly flows: ReadonlySet<Flow>;
}

/** What the reports of a history, which are applied all, say in all. */
export function witnessesOf(reports: readonly RenderedReport[]): Witnesses {
  const sockets = new Map<Socket, SocketWitness>();
  const flows = new Set<Flow>();
  const lastOf = new Map<string, RenderedReport>();
  for (const report of reports) {
    lastOf.set(report.node.name, report);
    for (const { socket, held, counted, sent, received } of report.sockets) {
      const known = sockets.get(socket) ?? { isOpen: false, held: false, bytes: null };
      known.held ||= held;
      if (counted) known.bytes = { sent, received };
      sockets.set(socket, known);
    }
    for (const flow of report.flows) flows.add(flow);
  }
  for (const { sockets: seen } of lastOf.values())
    for (const { socket, isOpen } of seen) sockets.get(socket)!.isOpen = isOpen;
  return { sockets, flows };
}

/** Compares an answer with what was generated. */
export function judge(
  scenario: Scenario,
  cluster: Cluster,
  { conversations }: History,
  witnesses: Witnesses,
  answer: Answer,
): Finding[] {
  const expected = new Expectation(cluster, witnesses, scenario.knowsServices);
  for (const conversation of conversations) expected.add(conversation);
  const findings: Finding[] = [];
  const tcp = answer.connections.filter(({ protocol }) => protocol === "tcp");
  let tied = false;
  const truth = difference(
    [...expected.tcp.map(({ ends }) => ends), ...groupLines(expected.udp)],
    [...tcp.map(endsLine), ...groupLines(datagramGroups(answer))],
  );
  for (const { halves, whole } of expected.eitherWay) {
    const places = halves.map((half) => truth.missing.indexOf(half));
    const at = truth.extra.indexOf(whole);
    if (at < 0 || places.some((place) => place < 0)) continue;
    truth.extra.splice(at, 1);
    for (const place of places.toSorted((a, b) => b - a)) truth.missing.splice(place, 1);
    tied = true;
  }
  const left = withoutOptional(truth, expected.optional);
  if (left !== null) findings.push({ kind: "truth", ...left });
  else if (!tied) {
    const details = difference(
      expected.tcp.map(({ ends, details: more }) => `${ends} ${more}`),
      tcp.map((each) => `${endsLine(each)} ${detailsLine(each)}`),
    );
    const optional = new Set(expected.optional);
    const extra = details.extra.filter((line) => ![...optional].some((each) => line.startsWith(each)));
    if (details.missing.length + extra.length > 0)
      findings.push({ kind: "details", missing: details.missing, extra });
  }
  findings.push(...checkEdges(answer));
  if (answer.ambiguousEnds + answer.rowsRejected + answer.overflowed > 0)
    findings.push({ kind: "counts", missing: [], extra: [countsLine(answer)] });
  return findings;
}

/** Compares what two deliveries of one history came to. */
export function compareAnswers(kind: "order" | "query", a: Answer, b: Answer): Finding[] {
  const { missing, extra } = difference(answerLines(a), answerLines(b));
  return missing.length + extra.length === 0 ? [] : [{ kind, missing, extra }];
}

function answerLines(answer: Answer): string[] {
  const connections = answer.connections
    .filter(({ protocol }) => protocol === "tcp")
    .map((each) => `${endsLine(each)} ${detailsLine(each)} ${each.outcome} ${each.directionBy}`);
  return [
    ...connections,
    ...groupLines(datagramGroups(answer)),
    ...answer.edges.map(edgeLine),
    countsLine(answer),
  ];
}

interface ExpectedConnection {
  readonly ends: string;
  readonly details: string;
}

/** Who is at an end, and where. */
interface Side {
  readonly who: string;
  readonly spot: Spot;
}

/** The connections that should come out. */
class Expectation {
  readonly tcp: ExpectedConnection[] = [];
  /** Datagram conversations by edge, and how many each has. */
  readonly udp = new Map<string, number>();
  /** Connections of which two halves are as right as the whole. */
  readonly eitherWay: { readonly halves: readonly [string, string]; readonly whole: string }[] = [];
  /** Lines that may be there or not. */
  readonly optional: string[] = [];
  readonly #cluster: Cluster;
  readonly #witnesses: Witnesses;
  readonly #knowsServices: boolean;
  readonly #toldFlows = new Set<Flow>();

  constructor(cluster: Cluster, witnesses: Witnesses, knowsServices: boolean) {
    this.#cluster = cluster;
    this.#witnesses = witnesses;
    this.#knowsServices = knowsServices;
  }

  add(conversation: Conversation): void {
    if (conversation.talk.protocol === "tcp") this.#addTcp(conversation);
    else this.#addUdp(conversation);
  }

  #addTcp(conversation: Conversation): void {
    const { talk, client, server, dialled, seenAs, flows, clientSocket, serverSocket } = conversation;
    const [first, second] = flows.map((flow) => (this.#witnesses.flows.has(flow) ? flow : undefined));
    const clientSeen = this.#socketOf(clientSocket);
    const serverSeen = this.#socketOf(serverSocket);
    const dialsServer = isSpot(dialled, server);
    const seesClient = isSpot(seenAs, client);
    const translated = !dialsServer || !seesClient;
    const told = translated && first !== undefined;
    const byFlow = first !== undefined || second !== undefined;
    const via = dialsServer ? null : dialled;
    const snat = seesClient ? null : seenAs;
    const clientSide = clientSocket && this.#sideOf(clientSocket, client);
    const serverSide = serverSocket && this.#sideOf(serverSocket, server);
    const byService = seesClient && this.#knowsServices && talk.listens;
    if (clientSide && serverSide && clientSeen && serverSeen && (!translated || told || byService)) {
      this.#expect(clientSide, serverSide, via, snat, clientSeen, serverSeen, byFlow);
      return;
    }
    // What nothing proves to be one may still be found out.
    const halves = this.tcp.length;
    if (clientSide && clientSeen) {
      const far = told ? server : dialled;
      const rests = first !== undefined || (second !== undefined && !translated);
      this.#expect(
        clientSide,
        this.#byAddress(far),
        told ? via : null,
        told ? snat : null,
        clientSeen,
        null,
        rests,
      );
    }
    if (serverSide && serverSeen) {
      const far = told ? client : seenAs;
      const rests = second !== undefined || first !== undefined;
      // A flow that is told and names the client's socket as well would have tied the two.
      this.#expect(
        this.#byAddress(far),
        serverSide,
        told ? via : null,
        told ? snat : null,
        null,
        serverSeen,
        rests,
      );
    }
    if (clientSide && serverSide && clientSeen && serverSeen) {
      const [one, two] = this.tcp.slice(halves);
      this.eitherWay.push({
        halves: [one!.ends, two!.ends],
        whole: endsText(clientSide, serverSide, via, snat),
      });
    }
    if (!clientSeen && !serverSeen) {
      if (first !== undefined)
        this.optional.push(endsText(this.#byAddress(client), this.#byAddress(server), via, snat));
      this.optional.push(endsText(this.#byAddress(seenAs), this.#byAddress(server), null, null));
    } else if (!told)
      this.optional.push(endsText(this.#byAddress(seenAs), this.#byAddress(server), null, null));
  }

  #addUdp(conversation: Conversation): void {
    const { talk, client, server, dialled, seenAs, flows, clientSocket, serverPlace } = conversation;
    const [first, second] = flows.map((flow) => (this.#witnesses.flows.has(flow) ? flow : undefined));
    const clientSeen = isUnconnected(talk) ? null : this.#socketOf(clientSocket);
    const dialsServer = isSpot(dialled, server);
    const via = dialsServer ? null : dialled;
    const answering = this.#listenerSide(serverPlace, server, talk.family);
    if (clientSeen && clientSocket) {
      const clientSide = this.#sideOf(clientSocket, client);
      const told = first !== undefined || dialsServer;
      this.#count(clientSide, told ? answering : this.#byAddress(dialled), told ? via : null);
      if (first !== undefined) this.#toldFlows.add(first);
      if (second !== undefined && (told || dialsServer)) this.#toldFlows.add(second);
    }
    const flow = first ?? second;
    if (flow === undefined || this.#toldFlows.has(flow)) return;
    for (const each of flows) this.#toldFlows.add(each);
    const from = first === undefined ? seenAs : client;
    this.#count(this.#byAddress(from), answering, first === undefined ? null : via);
  }

  #count(client: Side, server: Side, via: Spot | null): void {
    const key = `udp ${client.who} > ${server.who}:${server.spot.port} via ${spotText(via)}`;
    this.udp.set(key, (this.udp.get(key) ?? 0) + 1);
  }

  #expect(
    client: Side,
    server: Side,
    via: Spot | null,
    snat: Spot | null,
    clientSeen: SocketWitness | null,
    serverSeen: SocketWitness | null,
    byFlow: boolean,
  ): void {
    const open = clientSeen?.isOpen === true || serverSeen?.isOpen === true;
    const evidence = `${clientSeen ? "c" : ""}${serverSeen ? "s" : ""}${byFlow ? "f" : ""}`;
    const details = `${evidence} ${open ? "open" : "closed"} ${bytesText(clientSeen, serverSeen)}`;
    this.tcp.push({ ends: endsText(client, server, via, snat), details });
  }

  #socketOf(socket: Socket | null): SocketWitness | null {
    return socket === null ? null : (this.#witnesses.sockets.get(socket) ?? null);
  }

  #sideOf(socket: Socket, spot: Spot): Side {
    return { who: this.#whoOf(socket.place, this.#socketOf(socket)?.held === true), spot };
  }

  // Of what is in a node's own namespace only a holder tells whose it is.
  #whoOf({ namespace, podUid, node, processName }: Place, held: boolean): string {
    if (namespace !== HOST_NAMESPACE) return podUid;
    if (!held) return `${node.name}/`;
    return podUid === "" ? `${node.name}/${processName}` : podUid;
  }

  #listenerSide(place: Place | null, server: Spot, family: 4 | 6): Side {
    if (place === null) return this.#byAddress(server);
    for (const [socket, { held }] of this.#witnesses.sockets) {
      const listens =
        socket.kind === "listener" &&
        socket.protocol === "udp" &&
        socket.family === family &&
        socket.place.node === place.node &&
        socket.place.namespace === place.namespace &&
        socket.local.port === server.port;
      if (listens) return { who: this.#whoOf(socket.place, held), spot: server };
    }
    return this.#byAddress(server);
  }

  #byAddress(spot: Spot): Side {
    return { who: this.#ownerOf(spot.address), spot };
  }

  #ownerOf({ text }: Address): string {
    const { pods, nodes, services } = this.#cluster;
    for (const family of [4, 6] as const) {
      if (text === loopback[family].text) return "unknown";
      const pod = pods.find(({ addresses }) => addresses[family].text === text);
      if (pod !== undefined) return pod.podUid;
      const node = nodes.find((each) =>
        [each.addresses, each.gateway].some((own) => own[family].text === text),
      );
      if (node !== undefined) return `node ${node.name}`;
      const service = services.find(({ addresses }) => addresses[family].text === text);
      if (service !== undefined && this.#knowsServices) return service.name;
    }
    return "outside";
  }
}

/** A line that says who talks to whom. */
export function endsLine({ client, server, via, snat }: Connection): string {
  return `tcp ${endpointText(client)} > ${endpointText(server)} via ${ipText(via)} snat ${ipText(snat)}`;
}

function endsText(client: Side, server: Side, via: Spot | null, snat: Spot | null): string {
  return `tcp ${sideText(client)} > ${sideText(server)} via ${spotText(via)} snat ${spotText(snat)}`;
}

/** What a connection rests on and what it carried. */
export function detailsLine({
  evidence,
  closed,
  rttMicros,
  bytesToServer,
  bytesToClient,
}: Connection): string {
  // Sockets that are counted tell a round trip time too; else the bytes are conntrack's.
  const bytes = rttMicros === undefined ? "-" : `${bytesToServer}/${bytesToClient}`;
  return `${evidence.map((word) => word[0]).join("")} ${closed ? "closed" : "open"} ${bytes}`;
}

function bytesText(client: SocketWitness | null, server: SocketWitness | null): string {
  const [a, b] = [client?.bytes ?? null, server?.bytes ?? null];
  if (a === null && b === null) return "-";
  const toServer = Math.max(a?.sent ?? 0, b?.received ?? 0);
  const toClient = Math.max(a?.received ?? 0, b?.sent ?? 0);
  return `${toServer}/${toClient}`;
}

// Datagram conversations are folded: only how many there are between whom says something.
function datagramGroups({ connections }: Answer): Map<string, number> {
  const groups = new Map<string, number>();
  for (const { protocol, client, server, via, count } of connections) {
    if (protocol === "tcp") continue;
    const key = `${protocol} ${whoText(client)} > ${whoText(server)}:${server?.port} via ${ipText(via)}`;
    groups.set(key, (groups.get(key) ?? 0) + count);
  }
  return groups;
}

function groupLines(groups: ReadonlyMap<string, number>): string[] {
  return [...groups].map(([key, count]) => `${key} ×${count}`);
}

// Nothing is forgotten while a history lasts: an edge has as many as there are connections of it.
function checkEdges({ connections, edges }: Answer): Finding[] {
  const expected = new Map<string, { connections: number; open: number }>();
  for (const { client, server, protocol, via, count, closed } of connections) {
    const key = edgeText(client, server, protocol, server?.port ?? 0, ipText(via));
    const sum = expected.get(key) ?? { connections: 0, open: 0 };
    sum.connections += count;
    if (!closed) sum.open++;
    expected.set(key, sum);
  }
  const { missing, extra } = difference(
    [...expected].map(([key, sum]) => `${key} ×${sum.connections} open ${sum.open}`),
    edges.map(
      ({ client, server, protocol, port, via, connections: count, open }) =>
        `${edgeText(client, server, protocol, port, ipText(via))} ×${count} open ${open}`,
    ),
  );
  return missing.length + extra.length === 0 ? [] : [{ kind: "edges", missing, extra }];
}

function edgeText(
  client: Endpoint | undefined,
  server: Endpoint | undefined,
  protocol: string,
  port: number,
  via: string,
): string {
  return `edge ${protocol} ${edgeEndText(client)} > ${edgeEndText(server)}:${port} via ${via}`;
}

// Addresses tell ends apart that are no pods and no programs.
function edgeEndText(end: Endpoint | undefined): string {
  const isAddress = end?.kind === "external" || end?.kind === "node" || end?.kind === "unknown";
  return isAddress ? `${whoText(end)} ${end.ip}` : whoText(end);
}

function edgeLine({ client, server, protocol, port, via, ...edge }: Edge): string {
  const bytes = `${edge.bytesToServer ?? "-"}/${edge.bytesToClient ?? "-"}`;
  const outcomes = `${edge.refused} ${edge.timedOut} ${edge.pending}`;
  const evidence = edge.evidence.map((word) => word[0]).join("");
  const key = edgeText(client, server, protocol, port, ipText(via));
  return `${key} ×${edge.connections} open ${edge.open} ${evidence} ${bytes} ${outcomes}`;
}

function countsLine({ ambiguousEnds, rowsRejected, overflowed }: Answer): string {
  return `ambiguous ${ambiguousEnds} rejected ${rowsRejected} overflowed ${overflowed}`;
}

function endpointText(endpoint: Endpoint | undefined): string {
  return `${whoText(endpoint)} ${endpoint?.ip}:${endpoint?.port}`;
}

function whoText(endpoint: Endpoint | undefined): string {
  if (endpoint === undefined) return "nobody";
  switch (endpoint.kind) {
    case "pod":
      return endpoint.podUid;
    case "process":
      return `${endpoint.node}/${endpoint.process?.name ?? ""}`;
    case "node":
      return `node ${endpoint.node}`;
    case "service":
      return endpoint.name;
    case "external":
      return "outside";
    default:
      return endpoint.kind;
  }
}

function sideText({ who, spot }: Side): string {
  return `${who} ${spotText(spot)}`;
}

function spotText(spot: Spot | null): string {
  return spot === null ? "-" : `${spot.address.text}:${spot.port}`;
}

function ipText(place: { readonly ip: string; readonly port: number } | undefined): string {
  return place === undefined ? "-" : `${place.ip}:${place.port}`;
}

/** What of two lists of lines is in the first alone and in the second alone, as often as it is there more. */
function difference(
  expected: readonly string[],
  actual: readonly string[],
): { readonly missing: string[]; readonly extra: string[] } {
  const counts = new Map<string, number>();
  for (const line of expected) counts.set(line, (counts.get(line) ?? 0) + 1);
  const extra: string[] = [];
  for (const line of actual) {
    const count = counts.get(line) ?? 0;
    if (count > 0) counts.set(line, count - 1);
    else extra.push(line);
  }
  const missing = [...counts].flatMap(([line, count]) => Array.from({ length: count }, () => line));
  return { missing, extra };
}

function withoutOptional(
  { missing, extra }: { readonly missing: string[]; readonly extra: string[] },
  optional: readonly string[],
): { readonly missing: string[]; readonly extra: string[] } | null {
  const left = extra.filter((line) => !optional.includes(line));
  return missing.length + left.length === 0 ? null : { missing, extra: left };
}
