// The workloads of the claims: pods that serve and pods that keep connections open. They use the product's own
// image, which contains Node.js, so that no other image is needed.

import { readFile } from "node:fs/promises";
import path from "node:path";
import { chartImages } from "../../scripts/chart-images.ts";
import { kubectl, kubectlJson } from "./command.ts";
import { environment } from "./environment.ts";

const programs = {
  server: await readFile(path.join(import.meta.dirname, "programs/server.ts"), "utf8"),
  client: await readFile(path.join(import.meta.dirname, "programs/client.ts"), "utf8"),
  burst: await readFile(path.join(import.meta.dirname, "programs/burst.ts"), "utf8"),
  caller: await readFile(path.join(import.meta.dirname, "programs/caller.ts"), "utf8"),
};
const { whotalks: image } = await chartImages();

/** Arguments for Node.js that run one of the programs. */
export function programArguments(program: keyof typeof programs, argument: unknown): string[] {
  return ["--input-type=module-typescript", "-e", programs[program], JSON.stringify(argument)];
}

/** A client's target. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly family?: 4 | 6;
  readonly protocol?: "tcp" | "udp";
  /** Number of connections that it keeps. */
  readonly count?: number;
  /** How long each connection lives before it is reopened; unlimited by default. */
  readonly livesMs?: number;
}

/** A container that serves, optionally by UDP too. */
export function server(
  name: string,
  port: number,
  options: { readonly host?: string; readonly udp?: boolean; readonly briefMs?: number } = {},
): Record<string, unknown> {
  const argument = { host: "::", port, ...options };
  return container(name, programArguments("server", argument), { containerPort: port });
}

/** A container that keeps connections. */
export function client(name: string, ...targets: readonly Target[]): Record<string, unknown> {
  return container(name, programArguments("client", filled(targets)));
}

/** The number of short connections, and their target. */
export interface Burst {
  readonly host: string;
  readonly port: number;
  readonly family?: 4 | 6;
  readonly count: number;
  readonly rounds?: number;
  readonly pauseMs?: number;
  /** Opens connections at this interval instead of ten at a time. */
  readonly paceMs?: number;
  /** How it names itself to the server; by default its host name. */
  readonly caller?: string;
}

/** A container that makes short connections. */
export function burst(name: string, what: Burst): Record<string, unknown> {
  const argument = { family: 4, rounds: 1, pauseMs: 0, paceMs: 0, ...what };
  return container(name, programArguments("burst", argument));
}

/** A client's pace, and how its connections end: the server closes first, or the client resets them. */
export interface Calls {
  readonly host: string;
  readonly port: number;
  readonly perSecond: number;
  readonly ends: "fin" | "rst";
}

/** A container that opens short connections at a steady pace while it is not paused; it begins paused. */
export function caller(name: string, calls: Calls): Record<string, unknown> {
  return container(name, programArguments("caller", calls));
}

/** Fills in the defaults of targets. */
export function filled(targets: readonly Target[]): Required<Omit<Target, "livesMs">>[] {
  return targets.map((target) => Object.assign({ family: 4, protocol: "tcp", count: 1 } as const, target));
}

/** A container that runs this JavaScript. */
export function scriptContainer(name: string, script: string): Record<string, unknown> {
  return container(name, ["-e", script]);
}

/** A container that runs a program of busybox, with the capability that ping needs. */
export function toolContainer(name: string, ...command: readonly string[]): Record<string, unknown> {
  const securityContext = { capabilities: { add: ["NET_RAW"] } };
  return { name, image: environment.toolsImage, imagePullPolicy: "IfNotPresent", command, securityContext };
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

/** Options of a pod besides its containers. */
export interface PodOptions {
  readonly node?: string;
  readonly hostNetwork?: boolean;
  /** Its containers are not restarted when they end. */
  readonly runsOnce?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  readonly sysctls?: readonly { readonly name: string; readonly value: string }[];
}

/** The part of a pod that Deployments share. */
export function podSpec(options: PodOptions, containers: readonly object[]): Record<string, unknown> {
  return {
    containers,
    terminationGracePeriodSeconds: 1,
    enableServiceLinks: false,
    tolerations: [{ operator: "Exists" }],
    ...(options.runsOnce === true ? { restartPolicy: "Never" } : {}),
    ...(options.node === undefined ? {} : { nodeSelector: { "kubernetes.io/hostname": options.node } }),
    ...(options.sysctls === undefined ? {} : { securityContext: { sysctls: options.sysctls } }),
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

/** A Deployment whose pods are evenly spread over the nodes. */
export function deployment(
  namespace: string,
  name: string,
  replicas: number,
  labels: Readonly<Record<string, string>>,
  ...containers: readonly object[]
): Record<string, unknown> {
  const app = { app: name };
  const spread = {
    maxSkew: 1,
    topologyKey: "kubernetes.io/hostname",
    whenUnsatisfiable: "ScheduleAnyway",
    labelSelector: { matchLabels: app },
  };
  const template = {
    metadata: { labels: { ...app, ...labels } },
    spec: { ...podSpec({}, containers), topologySpreadConstraints: [spread] },
  };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { namespace, name },
    spec: { replicas, selector: { matchLabels: app }, template },
  };
}

/** A Service for the pods with this `app`, on both IP families if the cluster has both. */
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

/** Waits until pods that run once have succeeded. */
export async function succeeded(namespace: string, ...names: readonly string[]): Promise<void> {
  const pods = names.map((name) => `pod/${name}`);
  await kubectl(
    "wait",
    "-n",
    namespace,
    "--for=jsonpath={.status.phase}=Succeeded",
    "--timeout=120s",
    ...pods,
  );
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

/** Splits addresses by family. */
export function byFamily(addresses: readonly string[]): { ipv4?: string; ipv6?: string } {
  const ipv4 = addresses.find((address) => !address.includes(":"));
  const ipv6 = addresses.find((address) => address.includes(":"));
  return { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) };
}
