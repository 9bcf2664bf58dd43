// The workloads of the claims: pods that serve and pods that keep connections open. They run from the product's own
// image, which has Node.js in it, so that no other image is needed anywhere.

import { readFile } from "node:fs/promises";
import path from "node:path";
import { chartImages } from "../../scripts/chart-images.ts";
import { kubectl, kubectlJson } from "./command.ts";

const programs = {
  server: await readFile(path.join(import.meta.dirname, "programs/server.ts"), "utf8"),
  client: await readFile(path.join(import.meta.dirname, "programs/client.ts"), "utf8"),
};
const { whotalks: image } = await chartImages();

/** Arguments for Node.js that run one of the programs. */
export function programArguments(program: "server" | "client", argument: unknown): string[] {
  return ["--input-type=module-typescript", "-e", programs[program], JSON.stringify(argument)];
}

/** Whom a client talks to. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly family?: 4 | 6;
  /** How many connections it keeps. */
  readonly count?: number;
  /** How long each lives before it is opened anew; for ever where not given. */
  readonly livesMs?: number;
}

/** A container that serves. */
export function server(name: string, port: number, host = "::"): Record<string, unknown> {
  return container(name, programArguments("server", { host, port }), { containerPort: port });
}

/** A container that keeps connections. */
export function client(name: string, ...targets: readonly Target[]): Record<string, unknown> {
  const filled = targets.map((target) => Object.assign({ family: 4, count: 1 }, target));
  return container(name, programArguments("client", filled));
}

/** A container that runs this JavaScript. */
export function scriptContainer(name: string, script: string): Record<string, unknown> {
  return container(name, ["-e", script]);
}

function container(name: string, args: readonly string[], port?: object): Record<string, unknown> {
  return {
    name,
    image,
    imagePullPolicy: "IfNotPresent",
    command: ["/nodejs/bin/node"],
    args,
    resources: { requests: { cpu: "1m", memory: "16Mi" } },
    ...(port === undefined ? {} : { ports: [port] }),
  };
}

/** What a pod is apart from its containers. */
export interface PodOptions {
  readonly node?: string;
  readonly hostNetwork?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
}

/** The part of a pod that Deployments share. */
export function podSpec(options: PodOptions, containers: readonly object[]): Record<string, unknown> {
  return {
    containers,
    terminationGracePeriodSeconds: 1,
    enableServiceLinks: false,
    tolerations: [{ operator: "Exists" }],
    ...(options.node === undefined ? {} : { nodeSelector: { "kubernetes.io/hostname": options.node } }),
    ...(options.hostNetwork === true ? { hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" } : {}),
  };
}

/** A pod. Its label `app` is its name unless labels say otherwise. */
export function pod(
  namespace: string,
  name: string,
  options: PodOptions,
  ...containers: readonly object[]
): Record<string, unknown> {
  const metadata = { namespace, name, labels: { app: name, ...options.labels } };
  return { apiVersion: "v1", kind: "Pod", metadata, spec: podSpec(options, containers) };
}

/** A Service for the pods with this `app`, on both IP families where the cluster has both. */
export function service(
  namespace: string,
  name: string,
  port: number,
  more: object = {},
): Record<string, unknown> {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace, name },
    spec: {
      selector: { app: name },
      ports: [{ port, targetPort: port }],
      ipFamilyPolicy: "PreferDualStack",
      ...more,
    },
  };
}

/** Waits until pods are ready. */
export async function ready(namespace: string, ...names: readonly string[]): Promise<void> {
  const pods = names.map((name) => `pod/${name}`);
  await kubectl("wait", "-n", namespace, "--for=condition=Ready", "--timeout=90s", ...pods);
}

/** The addresses of a pod. */
export async function addressesOf(
  namespace: string,
  name: string,
): Promise<{ ipv4?: string; ipv6?: string }> {
  const { status } = await kubectlJson<PodStatus>("get", "pod", "-n", namespace, name);
  return byFamily((status.podIPs ?? []).map(({ ip }) => ip));
}

interface PodStatus {
  readonly status: { readonly podIPs?: readonly { readonly ip: string }[] };
}

/** Addresses told apart by family. */
export function byFamily(addresses: readonly string[]): { ipv4?: string; ipv6?: string } {
  const ipv4 = addresses.find((address) => !address.includes(":"));
  const ipv6 = addresses.find((address) => address.includes(":"));
  return { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) };
}

/** A connection as the client itself knows it. */
export interface OwnConnection {
  readonly ip: string;
  readonly port: number;
  readonly remoteIp: string;
  readonly remotePort: number;
}

/** A connection that a client has or had. Times are milliseconds since 1970 by the client's clock. */
export interface PastConnection extends OwnConnection {
  readonly openedMs: number;
  /** Absent while it is open. */
  readonly closedMs?: number;
}

/** All connections that a client says it has or had, and the time of its last word. */
export async function pastConnections(
  namespace: string,
  name: string,
  containerName: string,
): Promise<{ connections: PastConnection[]; lastMs: number }> {
  return pastIn((await kubectl("logs", "-n", namespace, name, "-c", containerName)).split("\n"));
}

/** The connections that a client says it has open now. */
export async function openConnections(
  namespace: string,
  name: string,
  containerName: string,
): Promise<OwnConnection[]> {
  const { connections } = await pastConnections(namespace, name, containerName);
  return connections.filter(({ closedMs }) => closedMs === undefined);
}

/** What these lines of a client tell. */
export function pastIn(lines: readonly string[]): { connections: PastConnection[]; lastMs: number } {
  const open = new Map<string, PastConnection>();
  const closed: PastConnection[] = [];
  let lastMs = 0;
  for (const line of lines) {
    if (!line.startsWith("{")) continue;
    const { event, atMs, ...own } = JSON.parse(line) as OwnConnection & { event: string; atMs: number };
    const key = `${own.ip} ${own.port} ${own.remoteIp} ${own.remotePort}`;
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
