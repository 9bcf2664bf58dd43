// Queries the product as a user does, with `kubectl-whotalks … -o json`, and parses the documented shapes.

import path from "node:path";
import { must } from "./command.ts";
import { environment, repository } from "./environment.ts";

/** One side of a connection, as documented for -o json. */
export interface Endpoint {
  readonly kind: string;
  readonly ip?: string;
  readonly port?: number;
  readonly node?: string;
  readonly namespace?: string;
  readonly pod?: string;
  readonly podUid?: string;
  readonly workload?: { readonly kind: string; readonly name: string };
  readonly container?: string;
  readonly process?: { readonly pid: number; readonly name: string; readonly exe?: string };
  readonly unit?: string;
  readonly hostNetwork?: boolean;
  readonly name?: string;
}

/** A connection, as documented for -o json. */
export interface Connection {
  readonly client: Endpoint;
  readonly server: Endpoint;
  readonly via?: {
    readonly ip: string;
    readonly port: number;
    readonly service?: { readonly namespace: string; readonly name: string };
  };
  /** The client's address as the server saw it, if different. */
  readonly snat?: { readonly ip: string; readonly port: number };
  readonly protocol: string;
  readonly state?: string;
  readonly outcome?: string;
  readonly evidence?: readonly string[];
  readonly closed?: boolean;
  /** How many conversations it represents. */
  readonly count?: number;
  readonly firstSeen?: string;
  readonly lastSeen?: string;
  readonly uid: string;
}

/** An edge, as documented for -o json. */
export interface Edge {
  readonly client: Endpoint;
  readonly server: Endpoint;
  readonly protocol: string;
  readonly port?: number;
  readonly outcome?: string;
  /** Those that were refused, timed out or are pending too. */
  readonly connections: number;
  readonly refused?: number;
  readonly open?: number;
  readonly bytesToServer?: number;
  readonly bytesToClient?: number;
}

/** A listener, as documented for -o json. */
export interface Listener {
  readonly endpoint: Endpoint;
  readonly protocol: string;
  readonly port?: number;
}

/** One node's coverage, as documented for -o json. */
export interface NodeCoverage {
  readonly node: string;
  readonly reader?: string;
  readonly events?: string;
  readonly eventsReason?: string;
  readonly eventsLost?: number;
  readonly eventsMissed?: number;
  readonly conntrack?: string;
  readonly namespaces?: number;
  readonly namespacesFailed?: number;
  readonly gaps?: number;
  readonly unseen?: number;
  readonly ageMs?: number;
  readonly limits?: readonly string[];
}

/** How completely one pod was read, as documented for -o json. */
export interface PodCoverage {
  readonly namespace?: string;
  readonly pod?: string;
  readonly openedByKernel: number;
  readonly seen: number;
  readonly unseen: number;
}

/** The coverage of an answer. */
export interface Coverage {
  /** Since when edges count connections. */
  readonly countedSince?: string;
  readonly pods?: readonly PodCoverage[];
  readonly nodes?: readonly NodeCoverage[];
}

interface List<Item> {
  readonly kind: string;
  readonly coverage?: Coverage;
  readonly items: readonly Item[];
}

/** Runs the command line with these arguments; returns its stdout. */
export function whotalks(...args: readonly string[]): Promise<string> {
  return must(process.execPath, whotalksArguments(...args));
}

/** Arguments for Node.js that run the command line with these arguments. */
export function whotalksArguments(...args: readonly string[]): string[] {
  const program = path.join(repository, "dist/kubectl-whotalks");
  return [program, ...args, "--whotalks-namespace", environment.namespace];
}

/** The connections of a Kubernetes namespace, in either direction. */
export async function connectionsOf(namespace: string, ...args: readonly string[]): Promise<Connection[]> {
  return list<Connection>("ConnectionList", "connections", "-n", namespace, ...args);
}

/** All connections of the cluster. */
export async function allConnections(...args: readonly string[]): Promise<Connection[]> {
  return list<Connection>("ConnectionList", "connections", "-A", ...args);
}

/** The edges of a namespace, in either direction. */
export async function edgesOf(namespace: string, ...args: readonly string[]): Promise<Edge[]> {
  return list<Edge>("EdgeList", "edges", "-n", namespace, ...args);
}

/** The listeners of a namespace. */
export async function listenersOf(namespace: string): Promise<Listener[]> {
  return list<Listener>("ListenerList", "listeners", "-n", namespace);
}

/** The product's own coverage. */
export async function coverage(): Promise<readonly NodeCoverage[]> {
  return (await wholeCoverage()).nodes ?? [];
}

/** The product's own coverage of a namespace's pods. */
export async function podCoverages(namespace: string): Promise<PodCoverage[]> {
  const { pods = [] } = await wholeCoverage();
  return pods.filter((each) => each.namespace === namespace);
}

/** The coverage that every answer has, with that of all pods. */
export async function wholeCoverage(): Promise<Coverage> {
  const answer = JSON.parse(await whotalks("coverage", "-o", "json")) as Coverage & { coverage?: Coverage };
  return { ...answer.coverage, ...answer };
}

/** The product's own coverage of one pod. */
export async function podCoverage(namespace: string, pod: string): Promise<PodCoverage | undefined> {
  return (await podCoverages(namespace)).find((each) => each.pod === pod);
}

async function list<Item>(kind: string, ...args: readonly string[]): Promise<Item[]> {
  const answer = JSON.parse(await whotalks(...args, "-o", "json")) as List<Item>;
  if (answer.kind !== kind) throw new Error(`asked for ${kind}, got ${answer.kind}`);
  return [...answer.items];
}

/** Formats a connection in one line, for messages. */
export function shown({ client, server, via, snat, protocol, state, evidence, closed }: Connection): string {
  const dialled = via === undefined ? "" : ` via ${via.service?.name ?? ""}[${via.ip}]:${via.port}`;
  const hidden = snat === undefined ? "" : ` snat [${snat.ip}]:${snat.port}`;
  const ends = `${shownEnd(client)} -> ${shownEnd(server)}${dialled}${hidden}`;
  return `${ends} ${protocol} ${state} ${(evidence ?? []).join("+")}${closed === true ? " closed" : ""}`;
}

/** Formats an edge in one line, for messages. */
export function shownEdge({ client, server, port, connections, outcome }: Edge): string {
  return `${shownEnd(client)} -> ${shownEnd(server)} port ${port} ${connections} connections ${outcome}`;
}

function shownEnd({ kind, namespace, pod, node, container, process, ip, port }: Endpoint): string {
  const names = [namespace, pod ?? node, container, process?.name, process?.exe].filter(
    (name) => name !== undefined,
  );
  return `${kind}:${names.join("/")}[${ip}]:${port}`;
}
