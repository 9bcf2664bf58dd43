// Edges as the API shows them: the model's fine edges, or connections, aggregated between workloads. Fields in
// which all endpoints agree stay, the others are cleared.

import type { Edge, Endpoint, Via } from "../../../lib/gen/whotalks/v1/query.ts";
import { Edge as EdgeMessage } from "../../../lib/gen/whotalks/v1/query.ts";
import { Evidence, evidenceWords } from "../../../lib/vocabulary/evidence.ts";
import { Outcome, outcomeWord } from "../../../lib/vocabulary/outcomes.ts";
import type { View } from "../view/view.ts";
import { storeProtocolWord } from "../../../lib/vocabulary/protocols.ts";
import type { CompiledFilter } from "./filter.ts";

/** Totals over connections. Bytes are null if they are unknown for every connection. */
interface Sums {
  connections: number;
  refused: number;
  timedOut: number;
  pending: number;
  open: number;
  firstSeenMs: number;
  lastSeenMs: number;
  /** Bits of Evidence. */
  evidence: number;
  bytesToServer: number | null;
  bytesToClient: number | null;
}

/** One edge during aggregation. */
interface EdgeSum extends Sums {
  readonly client: Endpoint;
  readonly server: Endpoint;
  readonly via: Via | undefined;
  readonly protocol: string;
  readonly port: number;
  readonly unixPath: string;
}

/** One addend. */
interface Piece extends Readonly<Sums> {
  readonly client: Endpoint;
  readonly server: Endpoint;
  readonly viaIp: string;
  readonly viaPort: number;
  readonly protocol: number;
  readonly port: number;
  readonly path: string;
}

/** Returns every edge that passes a filter, those with the most open connections first. */
export function listEdges(view: View, filter: CompiledFilter): Edge[] {
  const sums = new Map<string, EdgeSum>();
  const pieces = filter.edge === null ? connectionPieces(view, filter) : edgePieces(view, filter.edge);
  for (const piece of pieces) add(sums, piece, view);
  return [...sums.entries()]
    .toSorted(([keyA, a], [keyB, b]) => compareSums(a, b) || (keyA < keyB ? -1 : 1))
    .map(([, sum]) => toEdge(sum));
}

function* edgePieces({ edges, endpoints }: View, test: (slot: number) => boolean): Generator<Piece> {
  const { rows } = edges;
  for (const slot of rows.slots()) {
    if (!test(slot)) continue;
    const hasBytes = rows.withBytes[slot]! > 0;
    yield {
      client: endpoints.numbered(rows.client[slot]!),
      server: endpoints.numbered(rows.server[slot]!),
      viaIp: rows.viaIp(slot),
      viaPort: rows.viaPort[slot]!,
      protocol: rows.protocol[slot]!,
      port: rows.port[slot]!,
      path: rows.path(slot),
      connections: rows.connections[slot]!,
      refused: rows.refused[slot]!,
      timedOut: rows.timedOut[slot]!,
      pending: rows.pending[slot]!,
      open: rows.open[slot]!,
      firstSeenMs: rows.firstSeenMs[slot]!,
      lastSeenMs: edges.lastSeenMs(slot),
      evidence:
        (rows.withClientSocket[slot]! > 0 ? Evidence.client : 0) |
        (rows.withServerSocket[slot]! > 0 ? Evidence.server : 0) |
        (rows.withFlow[slot]! > 0 ? Evidence.flow : 0),
      bytesToServer: hasBytes ? rows.bytesToServer[slot]! : null,
      bytesToClient: hasBytes ? rows.bytesToClient[slot]! : null,
    };
  }
}

function* connectionPieces(
  { connections, endpoints, addresses }: View,
  filter: CompiledFilter,
): Generator<Piece> {
  for (const slot of connections.slots()) {
    if (!filter.connection(slot)) continue;
    const server = connections.server(slot);
    const via = connections.via(slot);
    const bytes = connections.countedBytes(slot);
    const count = connections.count(slot);
    const outcome = connections.outcome(slot);
    const firstSeenMs = connections.firstSeenMs(slot);
    yield {
      client: endpoints.ofSide(connections.client(slot), firstSeenMs),
      server: endpoints.ofSide(server, firstSeenMs),
      viaIp: via === null ? "" : addresses.text(via.address),
      viaPort: via?.port ?? 0,
      protocol: connections.protocol(slot),
      port: server.port,
      path: connections.path(slot),
      connections: count,
      refused: outcome === Outcome.refused ? count : 0,
      timedOut: outcome === Outcome.timedOut ? count : 0,
      pending: outcome === Outcome.pending ? count : 0,
      open: connections.isClosed(slot) ? 0 : 1,
      firstSeenMs,
      lastSeenMs: connections.lastSeenMs(slot),
      evidence: connections.evidence(slot),
      bytesToServer: bytes?.toServer ?? null,
      bytesToClient: bytes?.toClient ?? null,
    };
  }
}

function add(sums: Map<string, EdgeSum>, piece: Piece, view: View): void {
  const { client, server, viaIp, viaPort, port, path } = piece;
  const protocol = storeProtocolWord(piece.protocol);
  const key = [groupText(client), groupText(server), protocol, port, viaIp, viaPort, path].join("\n");
  const sum = sums.get(key);
  if (sum === undefined) {
    sums.set(key, {
      client: groupEndpoint(client),
      server: groupEndpoint(server),
      via: viaOf(piece, protocol, view),
      protocol,
      port,
      unixPath: path,
      connections: piece.connections,
      refused: piece.refused,
      timedOut: piece.timedOut,
      pending: piece.pending,
      open: piece.open,
      firstSeenMs: piece.firstSeenMs,
      lastSeenMs: piece.lastSeenMs,
      evidence: piece.evidence,
      bytesToServer: piece.bytesToServer,
      bytesToClient: piece.bytesToClient,
    });
    return;
  }
  keepShared(sum.client, client);
  keepShared(sum.server, server);
  addSums(sum, piece);
}

function addSums(sum: Sums, piece: Readonly<Sums>): void {
  sum.connections += piece.connections;
  sum.refused += piece.refused;
  sum.timedOut += piece.timedOut;
  sum.pending += piece.pending;
  sum.open += piece.open;
  sum.firstSeenMs = Math.min(sum.firstSeenMs, piece.firstSeenMs);
  sum.lastSeenMs = Math.max(sum.lastSeenMs, piece.lastSeenMs);
  sum.evidence |= piece.evidence;
  sum.bytesToServer = addKnown(sum.bytesToServer, piece.bytesToServer);
  sum.bytesToClient = addKnown(sum.bytesToClient, piece.bytesToClient);
}

function addKnown(a: number | null, b: number | null): number | null {
  return a === null ? b : a + (b ?? 0);
}

function viaOf(
  { viaIp, viaPort, firstSeenMs }: Piece,
  protocol: string,
  { identity }: View,
): Via | undefined {
  if (viaIp === "") return undefined;
  const front = identity.serviceFront(viaIp, viaPort, protocol, firstSeenMs);
  const service = front === undefined ? undefined : { namespace: front.namespace, name: front.name };
  return { ip: viaIp, port: viaPort, service };
}

// The aggregation key of an endpoint: its workload if it has one.
function groupText(endpoint: Endpoint): string {
  const { kind, node, namespace, workload, podUid, container, unit, process, networkNamespace, ip, name } =
    endpoint;
  switch (kind) {
    case "pod":
      return workload === undefined
        ? `pod ${podUid} ${container}`
        : `workload ${namespace}/${workload.kind}/${workload.name}`;
    case "process":
      if (container !== "" || unit !== "") return `process ${node} ${container} ${unit}`;
      // Not by its program's file, which is unknown of a process that ended before anyone looked.
      return `process ${node} ${process?.name ?? ""} ${networkNamespace}`;
    case "service":
      return `service ${namespace}/${name}`;
    default:
      return `${kind} ${node} ${ip} ${name}`;
  }
}

// An end of an edge is a workload rather than a pod.
function groupEndpoint(endpoint: Endpoint): Endpoint {
  if (endpoint.kind !== "pod" || endpoint.workload === undefined || endpoint.workload.kind === "Pod") {
    return { ...endpoint };
  }
  return { ...endpoint, ip: "", pod: "", podUid: "" };
}

function keepShared(shared: Endpoint, other: Endpoint): void {
  if (shared.ip !== other.ip) shared.ip = "";
  if (shared.node !== other.node) shared.node = "";
  if (shared.zone !== other.zone) shared.zone = "";
  if (shared.pod !== other.pod) shared.pod = "";
  if (shared.podUid !== other.podUid) shared.podUid = "";
  if (shared.container !== other.container) shared.container = "";
  if (shared.image !== other.image) shared.image = "";
  if (shared.networkNamespace !== other.networkNamespace) shared.networkNamespace = 0;
  if (!isSameLabels(shared.labels, other.labels)) {
    shared.labels = Object.fromEntries(
      Object.entries(shared.labels).filter(([key, value]) => other.labels[key] === value),
    );
  }
}

function isSameLabels(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

function compareSums(a: Sums, b: Sums): number {
  return b.open - a.open || b.connections - a.connections || a.firstSeenMs - b.firstSeenMs;
}

function toEdge(sum: EdgeSum): Edge {
  return EdgeMessage.create({
    client: sum.client,
    server: sum.server,
    via: sum.via,
    protocol: sum.protocol,
    port: sum.port,
    connections: sum.connections,
    outcome: outcomeOfSum(sum),
    refused: sum.refused,
    timedOut: sum.timedOut,
    pending: sum.pending,
    open: sum.open,
    firstSeenMs: Math.round(sum.firstSeenMs),
    lastSeenMs: Math.round(sum.lastSeenMs),
    evidence: evidenceWords(sum.evidence),
    unixPath: sum.unixPath,
    bytesToServer: sum.bytesToServer ?? undefined,
    bytesToClient: sum.bytesToClient ?? undefined,
  });
}

// One established connection shows that the two talk, however many others failed.
function outcomeOfSum({ connections, refused, timedOut, pending }: Sums): string {
  if (connections > refused + timedOut + pending) return outcomeWord(Outcome.established);
  if (pending > 0) return outcomeWord(Outcome.pending);
  return outcomeWord(timedOut >= refused ? Outcome.timedOut : Outcome.refused);
}
