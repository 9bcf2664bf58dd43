// A Service with three pods behind it, called in every way that Kubernetes offers: by a Deployment of callers,
// by a pod that calls itself and by the host outside. Callers identify themselves to servers, so that both
// sides' output together shows which pod answered whom, under which address.

import type { Stage } from "./claim.ts";
import { apply, kubectl, kubectlJson } from "./command.ts";
import { environment } from "./environment.ts";
import { type OwnConnection, openByPod } from "./truth.ts";
import { client, deployment, pod, ready, server, service, type Target } from "./workload.ts";
import { callFromWorld, serveInWorld, type WorldProgram } from "./world.ts";

/** An address to dial. */
export interface Front {
  readonly kind: "cluster-ip" | "external-ip" | "node-port" | "load-balancer";
  readonly service: string;
  readonly ip: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp";
}

/** One end of a connection as its program knows it. The host outside has no pod. */
export interface ToldEnd {
  readonly pod?: string;
  readonly ip: string;
  readonly port: number;
}

/** A connection as both programs know it. */
export interface Told {
  readonly protocol: string;
  readonly client: ToldEnd;
  readonly dialled: ToldEnd;
  /** The server; its address is "" if a datagram socket does not know it. */
  readonly server: ToldEnd;
  /** The client's address as the server saw it. */
  readonly seen: ToldEnd;
}

/** The running workloads. */
export interface Echo {
  readonly namespace: string;
  readonly fronts: readonly Front[];
  /** The expected number of connections through this front, from pods or from outside. */
  countOf(front: Front, fromOutside: boolean): number;
  /** Every open connection. */
  told(): Promise<Told[]>;
}

/** Port that the host outside serves on. */
export const worldPort = 18_480;
const podPort = 8080;
const servicePort = 80;
const callers = 4;
/** From the ranges for documentation: only kube-proxy knows them. */
const externalIPs = ["198.51.100.20", "2001:db8:100::20"];
const label = { part: "echo" };

interface ServiceList {
  readonly items: readonly {
    readonly metadata: { readonly name: string };
    readonly spec: {
      readonly clusterIPs: readonly string[];
      readonly externalIPs?: readonly string[];
      readonly ports: readonly {
        readonly protocol: "TCP" | "UDP";
        readonly port: number;
        readonly nodePort?: number;
      }[];
    };
    readonly status: { readonly loadBalancer: { readonly ingress?: readonly { readonly ip?: string }[] } };
  }[];
}

interface NodeList {
  readonly items: readonly {
    readonly status: { readonly addresses: readonly { readonly type: string; readonly address: string }[] };
  }[];
}

/**
 * Starts everything and waits until all of it runs: with every path into and out of the cluster or, if there
 * are no outside addresses, only the paths within it.
 */
export async function startEcho(stage: Stage, worldAddresses: readonly string[] | null): Promise<Echo> {
  const { namespace } = stage;
  const ports = ["TCP", "UDP"].map((protocol) => ({
    name: protocol.toLowerCase(),
    protocol,
    port: servicePort,
    targetPort: podPort,
  }));
  const selector = { app: "echo" };
  const isOpen = worldAddresses !== null;
  const open = { type: "LoadBalancer", externalIPs };
  const local = { type: "NodePort", externalTrafficPolicy: "Local" };
  await apply([
    deployment(namespace, "echo", 3, label, server("echo", podPort, { udp: true })),
    service(namespace, "echo", servicePort, { ports, ...(isOpen ? open : {}) }),
    service(namespace, "echo-local", servicePort, { selector, ports, ...local }),
    service(namespace, "echo-headless", podPort, { selector, clusterIP: "None" }),
    service(namespace, "mirror", servicePort, { ports }),
  ]);
  if (isOpen) await giveAddresses(namespace);
  await kubectl("rollout", "status", "-n", namespace, "deployment/echo", "--timeout=90s");
  const fronts = await frontsOf(namespace);
  const world = worldAddresses ?? [];
  const outside = world.length === 0 ? [] : startOutside(stage, fronts);
  const targets = [
    ...fronts.filter(({ service: name }) => name === "echo").map((front) => target(front)),
    ...([4, 6] as const).map((family) => ({ host: "echo-headless", port: podPort, family, count: 3 })),
    ...world.flatMap((host) =>
      (["tcp", "udp"] as const).map((protocol) => ({
        host,
        port: worldPort,
        family: familyOf(host),
        protocol,
      })),
    ),
  ];
  const toItself = fronts.filter((front) => front.service === "mirror").map((front) => target(front));
  await apply([
    deployment(namespace, "caller", callers, label, client("caller", ...targets)),
    pod(
      namespace,
      "mirror",
      { labels: label },
      server("mirror", podPort, { udp: true }),
      client("caller", ...toItself),
    ),
  ]);
  await kubectl("rollout", "status", "-n", namespace, "deployment/caller", "--timeout=90s");
  await ready(namespace, "mirror");
  return { namespace, fronts, countOf, told: () => told(namespace, outside) };
}

/** The host outside serves, and calls the fronts that it can reach. */
function startOutside(stage: Stage, fronts: readonly Front[]): WorldProgram[] {
  const reachable = fronts.filter(({ kind }) => kind === "node-port" || kind === "load-balancer");
  return [serveInWorld(stage, worldPort), callFromWorld(stage, ...reachable.map((front) => target(front)))];
}

function target({ kind, ip, port, protocol }: Front): Target {
  return { host: ip, port, family: familyOf(ip), protocol, count: kind === "cluster-ip" ? 6 : 2 };
}

function countOf(front: Front, fromOutside: boolean): number {
  return (target(front).count ?? 1) * (fromOutside || front.service === "mirror" ? 1 : callers);
}

/** 4 or 6. */
export function familyOf(ip: string): 4 | 6 {
  return ip.includes(":") ? 6 : 4;
}

/** Replaces the controller that assigns addresses to load balancers, if there is none. */
async function giveAddresses(namespace: string): Promise<void> {
  if (environment.loadBalancerAddresses.length === 0) return;
  const ingress = environment.loadBalancerAddresses.map((ip) => ({ ip }));
  const patch = JSON.stringify({ status: { loadBalancer: { ingress } } });
  await kubectl("patch", "service", "-n", namespace, "echo", "--subresource=status", "-p", patch);
}

async function frontsOf(namespace: string): Promise<Front[]> {
  const { items } = await kubectlJson<ServiceList>("get", "services", "-n", namespace);
  const nodes = (await kubectlJson<NodeList>("get", "nodes")).items;
  const nodeAddresses = nodes
    .flatMap(({ status }) => status.addresses)
    .filter(({ type }) => type === "InternalIP")
    .map(({ address }) => address);
  const fronts: Front[] = [];
  for (const { metadata, spec, status } of items) {
    const families = new Set(spec.clusterIPs.map(familyOf));
    const balancers = (status.loadBalancer.ingress ?? []).flatMap(({ ip }) => (ip === undefined ? [] : [ip]));
    for (const { protocol: word, port, nodePort } of spec.ports) {
      const protocol = word === "TCP" ? "tcp" : "udp";
      const add = (kind: Front["kind"], ips: readonly string[], at: number): void => {
        for (const ip of ips.filter((each) => families.has(familyOf(each))))
          fronts.push({ kind, service: metadata.name, ip, port: at, protocol });
      };
      if (spec.clusterIPs[0] !== "None") add("cluster-ip", spec.clusterIPs, port);
      add("external-ip", spec.externalIPs ?? [], port);
      add("load-balancer", balancers, port);
      if (nodePort !== undefined) add("node-port", nodeAddresses, nodePort);
    }
  }
  return fronts;
}

/** Combines what both sides report; throws if no server, or more than one, knows a caller. */
async function told(namespace: string, outside: readonly WorldProgram[]): Promise<Told[]> {
  const byPod = await openByPod(namespace, "part=echo");
  const all: { pod?: string; own: OwnConnection }[] = [
    ...[...byPod].flatMap(([name, each]) => each.map((own) => ({ pod: name, own }))),
    ...outside.flatMap((program) => program.openConnections().map((own) => ({ own }))),
  ];
  const servers = new Map<string, { pod?: string; own: OwnConnection }>();
  for (const each of all) {
    if (each.own.caller === undefined) continue;
    const key = `${each.own.protocol} ${each.own.caller}`;
    if (servers.has(key)) throw new Error(`two servers know ${key}`);
    servers.set(key, each);
  }
  return all
    .filter(({ own }) => own.caller === undefined)
    .map(({ pod: name, own }) => {
      const { protocol = "", ip, port, remoteIp, remotePort } = own;
      const served = servers.get(`${protocol} ${ip} ${port} ${remoteIp} ${remotePort}`);
      if (served === undefined)
        throw new Error(`no server knows ${protocol} ${ip}:${port} -> ${remoteIp}:${remotePort}`);
      return {
        protocol,
        client: end(name, ip, port),
        dialled: end(undefined, remoteIp, remotePort),
        server: end(served.pod, served.own.ip, served.own.port),
        seen: end(undefined, served.own.remoteIp, served.own.remotePort),
      };
    });
}

function end(name: string | undefined, ip: string, port: number): ToldEnd {
  return { ip, port, ...(name === undefined ? {} : { pod: name }) };
}
