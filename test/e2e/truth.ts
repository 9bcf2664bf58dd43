// The connections that the workloads report on their stdout: the truth with which claims compare the product's
// answers.

import { kubectl } from "./command.ts";

/** A connection as one of its programs knows it. */
export interface OwnConnection {
  readonly protocol?: string;
  readonly ip: string;
  readonly port: number;
  readonly remoteIp: string;
  readonly remotePort: number;
  /** On the server's side: how the client identified itself. */
  readonly caller?: string;
}

/** A connection that a client has or had. Times are milliseconds since 1970 by the client's clock. */
export interface PastConnection extends OwnConnection {
  readonly openedMs: number;
  /** Absent while it is open. */
  readonly closedMs?: number;
}

/** All connections that a client reports, open and closed, and the time of its last line. */
export async function pastConnections(
  namespace: string,
  name: string,
  containerName: string,
): Promise<{ connections: PastConnection[]; lastMs: number }> {
  return pastIn((await kubectl("logs", "-n", namespace, name, "-c", containerName)).split("\n"));
}

/** The connections that a client reports as open. */
export async function openConnections(
  namespace: string,
  name: string,
  containerName: string,
): Promise<OwnConnection[]> {
  const { connections } = await pastConnections(namespace, name, containerName);
  return connections.filter(isOpen);
}

/** The connections that the pods with this label report as open, by pod name. */
export async function openByPod(namespace: string, label: string): Promise<Map<string, OwnConnection[]>> {
  const many = ["--prefix", "--all-containers", "--tail=-1", "--max-log-requests=50", "--ignore-errors"];
  const lines = (await kubectl("logs", "-n", namespace, "-l", label, ...many)).split("\n");
  const byPod = new Map<string, string[]>();
  for (const line of lines) {
    const [, name, word] = /^\[pod\/([^/]+)\/[^\]]+\] (.*)$/.exec(line) ?? [];
    if (name === undefined || word === undefined) continue;
    const words = byPod.get(name);
    if (words === undefined) byPod.set(name, [word]);
    else words.push(word);
  }
  return new Map([...byPod].map(([name, words]) => [name, openIn(words)]));
}

/** The connections that are open after these lines. */
export function openIn(lines: readonly string[]): OwnConnection[] {
  return pastIn(lines).connections.filter(isOpen);
}

function isOpen({ closedMs }: PastConnection): boolean {
  return closedMs === undefined;
}

/** Parses these lines of a client or server. */
export function pastIn(lines: readonly string[]): { connections: PastConnection[]; lastMs: number } {
  const open = new Map<string, PastConnection>();
  const closed: PastConnection[] = [];
  let lastMs = 0;
  for (const line of lines) {
    if (!line.startsWith("{")) continue;
    const { event, atMs, ...own } = JSON.parse(line) as OwnConnection & { event: string; atMs: number };
    const key = `${own.protocol} ${own.ip} ${own.port} ${own.remoteIp} ${own.remotePort}`;
    lastMs = atMs;
    if (event === "open") {
      open.set(key, { ...own, openedMs: atMs });
      continue;
    }
    const ended = open.get(key);
    open.delete(key);
    if (ended !== undefined) closed.push({ ...ended, closedMs: atMs });
  }
  return { connections: [...closed, ...open.values()], lastMs };
}

/** How many connections each caller made to a server of short connections, as that server counts them. */
export async function countsOf(namespace: string, name: string): Promise<ReadonlyMap<string, number>> {
  const lines = (await kubectl("logs", "-n", namespace, name)).split("\n");
  const last = lines.findLast((line) => line.includes('"counts"'));
  if (last === undefined) return new Map();
  const { counts } = JSON.parse(last) as { counts: Readonly<Record<string, number>> };
  return new Map(Object.entries(counts));
}
