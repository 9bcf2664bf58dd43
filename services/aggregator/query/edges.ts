// Edges as the API shows them: the store's fine edges, or connections, added up between workloads. What several endpoints
// share stays, what they differ in is left out.

import type { Edge, Endpoint, Via } from "../../../lib/gen/whotalks/v1/query.ts";
import { Edge as EdgeMessage } from "../../../lib/gen/whotalks/v1/query.ts";
import { connectionBytes } from "../store/connection-bytes.ts";
import { Evidence, evidenceOf } from "../join/edge-counts.ts";
import { outcomeWord } from "../join/outcomes.ts";
import { ConnectionFlag, Outcome } from "../store/connection-store.ts";
import { storeProtocolWord } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";
import { evidenceWords } from "./connection-messages.ts";
import type { ConnectionMessages } from "./connection-messages.ts";
import type { CompiledFilter } from "./filter.ts";

/** One edge while it is added up. */
interface Sum {
  readonly client: Endpoint;
  readonly server: Endpoint;
  readonly via: Via | undefined;
  readonly protocol: string;
  readonly port: number;
  readonly unixPath: string;
  connections: number;
  refused: number;
  timedOut: number;
  pending: number;
  open: number;
  firstSeenMs: number;
  lastSeenMs: number;
  byClientSocket: boolean;
  byServerSocket: boolean;
  /** Null where nothing is known of any connection's. */
  bytesToServer: number | null;
  bytesToClient: number | null;
  byFlow: boolean;
}

/** What is added to a sum. */
interface Piece {
  readonly clientKey: number;
  readonly serverKey: number;
  readonly viaIp: string;
  readonly viaPort: number;
  readonly protocol: number;
  readonly port: number;
  readonly path: string;
  readonly connections: number;
  readonly refused: number;
  readonly timedOut: number;
  readonly pending: number;
  readonly open: number;
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
  readonly byClientSocket: boolean;
  readonly byServerSocket: boolean;
  readonly bytesToServer: number | null;
  readonly bytesToClient: number | null;
  readonly byFlow: boolean;
}

/** Every edge that a filter lets through, those with the most open connections first. */
export function listEdges(tables: Tables, messages: ConnectionMessages, filter: CompiledFilter): Edge[] {
  const sums = new Map<string, Sum>();
  const pieces =
    filter.edge === null ? connectionPieces(tables, messages, filter) : edgePieces(tables, filter.edge);
  for (const piece of pieces) add(sums, piece, tables, messages);
  return [...sums.entries()]
    .toSorted(([keyA, a], [keyB, b]) => compareSums(a, b) || (keyA < keyB ? -1 : 1))
    .map(toEdge);
}

function* edgePieces(tables: Tables, test: (slot: number) => boolean): Generator<Piece> {
  const { edges } = tables;
  for (const slot of edges.slots()) {
    if (!test(slot)) continue;
    const clientKey = edges.client[slot]!;
    const serverKey = edges.server[slot]!;
    const lastMs = edges.lastSeenMs[slot]!;
    yield {
      clientKey,
      serverKey,
      viaIp: edges.viaIps.get(slot) ?? "",
      viaPort: edges.viaPort[slot]!,
      protocol: edges.protocol[slot]!,
      port: edges.port[slot]!,
      path: edges.paths.get(slot) ?? "",
      connections: edges.connections[slot]!,
      refused: edges.refused[slot]!,
      timedOut: edges.timedOut[slot]!,
      pending: edges.pending[slot]!,
      open: edges.open[slot]!,
      firstSeenMs: edges.firstSeenMs[slot]!,
      lastSeenMs:
        edges.open[slot] === 0 ? lastMs : Math.max(lastMs, observedMs(tables, clientKey, serverKey)),
      byClientSocket: edges.withClientSocket[slot]! > 0,
      byServerSocket: edges.withServerSocket[slot]! > 0,
      bytesToServer: edges.withBytes[slot]! > 0 ? edges.bytesToServer[slot]! : null,
      bytesToClient: edges.withBytes[slot]! > 0 ? edges.bytesToClient[slot]! : null,
      byFlow: edges.withFlow[slot]! > 0,
    };
  }
}

// While connections are open, they were last seen when their nodes were last looked at.
function observedMs(tables: Tables, ...keys: number[]): number {
  let latest = 0;
  for (const number of keys) {
    const key = tables.endpoints.get(number);
    if (key === undefined || key.kind === "address") continue;
    latest = Math.max(latest, tables.node(key.node)?.observedMs ?? 0);
  }
  return latest;
}

function* connectionPieces(
  tables: Tables,
  messages: ConnectionMessages,
  filter: CompiledFilter,
): Generator<Piece> {
  const { connections, addresses } = tables;
  const { view } = messages;
  for (let slot = 0; slot < connections.used; slot++) {
    if (!filter.connection(slot)) continue;
    const client = view.client(slot);
    const server = view.server(slot);
    const via = view.via(slot);
    const bytes = connectionBytes(tables, slot);
    const count = connections.count(slot);
    const outcome = connections.outcome[slot]!;
    const evidence = evidenceOf(tables, slot);
    yield {
      clientKey: client.key,
      serverKey: server.key,
      viaIp: via === null ? "" : addresses.text(via.address),
      viaPort: via?.port ?? 0,
      protocol: view.protocol(slot),
      port: server.port,
      path: view.path(slot),
      connections: count,
      refused: outcome === Outcome.refused ? count : 0,
      timedOut: outcome === Outcome.timedOut ? count : 0,
      pending: outcome === Outcome.pending ? count : 0,
      open: connections.has(slot, ConnectionFlag.closed) ? 0 : 1,
      firstSeenMs: connections.firstSeenMs[slot]!,
      lastSeenMs: view.lastSeenMs(slot),
      byClientSocket: (evidence & Evidence.client) !== 0,
      byServerSocket: (evidence & Evidence.server) !== 0,
      bytesToServer: bytes?.toServer ?? null,
      bytesToClient: bytes?.toClient ?? null,
      byFlow: (evidence & Evidence.flow) !== 0,
    };
  }
}

function add(sums: Map<string, Sum>, piece: Piece, tables: Tables, messages: ConnectionMessages): void {
  const client = messages.endpoints.ofKey(piece.clientKey);
  const server = messages.endpoints.ofKey(piece.serverKey);
  const protocol = storeProtocolWord(piece.protocol);
  const key = [
    groupText(client),
    groupText(server),
    protocol,
    piece.port,
    piece.viaIp,
    piece.viaPort,
    piece.path,
  ].join("\n");
  const sum = sums.get(key);
  if (sum === undefined) {
    sums.set(key, {
      client: groupEndpoint(client),
      server: groupEndpoint(server),
      via: viaOf(piece, protocol, tables),
      protocol,
      port: piece.port,
      unixPath: piece.path,
      connections: piece.connections,
      refused: piece.refused,
      timedOut: piece.timedOut,
      pending: piece.pending,
      open: piece.open,
      firstSeenMs: piece.firstSeenMs,
      lastSeenMs: piece.lastSeenMs,
      byClientSocket: piece.byClientSocket,
      byServerSocket: piece.byServerSocket,
      bytesToServer: piece.bytesToServer,
      bytesToClient: piece.bytesToClient,
      byFlow: piece.byFlow,
    });
    return;
  }
  keepShared(sum.client, client);
  keepShared(sum.server, server);
  sum.connections += piece.connections;
  sum.refused += piece.refused;
  sum.timedOut += piece.timedOut;
  sum.pending += piece.pending;
  sum.open += piece.open;
  sum.firstSeenMs = Math.min(sum.firstSeenMs, piece.firstSeenMs);
  sum.lastSeenMs = Math.max(sum.lastSeenMs, piece.lastSeenMs);
  sum.byClientSocket ||= piece.byClientSocket;
  sum.byServerSocket ||= piece.byServerSocket;
  sum.bytesToServer = addKnown(sum.bytesToServer, piece.bytesToServer);
  sum.bytesToClient = addKnown(sum.bytesToClient, piece.bytesToClient);
  sum.byFlow ||= piece.byFlow;
}

function addKnown(a: number | null, b: number | null): number | null {
  return a === null ? b : a + (b ?? 0);
}

function viaOf(piece: Piece, protocol: string, tables: Tables): Via | undefined {
  if (piece.viaIp === "") return undefined;
  const front = tables.identity.serviceFront(piece.viaIp, piece.viaPort, protocol, piece.firstSeenMs);
  const service = front === undefined ? undefined : { namespace: front.namespace, name: front.name };
  return { ip: piece.viaIp, port: piece.viaPort, service };
}

// What makes two endpoints one end of an edge: their workload where they have one.
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
      return `process ${node} ${process?.exe ?? ""} ${process?.name ?? ""} ${networkNamespace}`;
    case "service":
      return `service ${namespace}/${name}`;
    default:
      return `${kind} ${node} ${ip} ${name}`;
  }
}

// An end of an edge has a workload rather than a pod.
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

function compareSums(a: Sum, b: Sum): number {
  return b.open - a.open || b.connections - a.connections || a.firstSeenMs - b.firstSeenMs;
}

function toEdge([, sum]: [string, Sum]): Edge {
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
    evidence: evidenceWords(sum.byClientSocket, sum.byServerSocket, sum.byFlow),
    unixPath: sum.unixPath,
    bytesToServer: sum.bytesToServer ?? undefined,
    bytesToClient: sum.bytesToClient ?? undefined,
  });
}

// One connection that went well says that the two talk, however many others did not.
function outcomeOfSum({ connections, refused, timedOut, pending }: Sum): string {
  if (connections > refused + timedOut + pending) return outcomeWord(Outcome.established);
  if (pending > 0) return outcomeWord(Outcome.pending);
  return outcomeWord(timedOut >= refused ? Outcome.timedOut : Outcome.refused);
}
