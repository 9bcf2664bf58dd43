// A small cluster for tests.

import { ClusterIdentity } from "../identity/cluster/cluster-identity.ts";
import type { ClusterKind } from "../identity/cluster/cluster-identity.ts";
import { nodeJson, podJson, serviceJson, sliceJson } from "./cluster-objects.ts";

/** An hour. */
export const HOUR_MS = 3_600_000;
/** The time at which all objects were received. */
export const now = 100 * HOUR_MS;
/** Every kind of object. */
export const kinds: readonly ClusterKind[] = [
  "pods",
  "services",
  "endpointslices",
  "nodes",
  "replicasets",
  "jobs",
  "runtimeclasses",
];

/** The port of the service web. */
export const webPort = { name: "http", protocol: "TCP", port: 80, targetPort: 8080, nodePort: 30080 };

/** Two nodes, a Deployment's pod with both families, its service, and a hostNetwork pod. */
export function shop(): ClusterIdentity {
  const identity = new ClusterIdentity(HOUR_MS);
  const web = podJson("web", {
    owner: ["ReplicaSet", "web-7f", "rs"],
    ips: ["10.244.1.5", "fd00:10:244:1::5"],
    startedMs: now - HOUR_MS,
    labels: { app: "web" },
    containerId: "c1",
    ports: [{ containerPort: 8080 }, { containerPort: 9000, protocol: "UDP" }],
  });
  identity.put("pods", web, now);
  identity.put(
    "pods",
    podJson("host", { hostNetwork: true, ips: ["192.0.2.1"], startedMs: now - HOUR_MS }),
    now,
  );
  identity.put(
    "nodes",
    nodeJson("n1", ["192.0.2.1", "2001:db8::1"], ["10.244.1.0/24", "fd00:10:244:1::/64"], "z1"),
    now,
  );
  identity.put("nodes", nodeJson("n2", ["192.0.2.2"], ["10.244.2.0/24"]), now);
  const rs = {
    metadata: { uid: "rs", namespace: "shop", name: "web-7f", ownerReferences: [deployment("web")] },
  };
  identity.put("replicasets", rs, now);
  const addresses = {
    clusterIPs: ["10.96.0.7", "fd00:10:96::7"],
    externalIPs: ["198.51.100.9"],
    balancerIps: ["198.51.100.7"],
  };
  identity.put(
    "services",
    serviceJson("svc", "web", { ...addresses, ports: [webPort], selector: { app: "web" } }),
    now,
  );
  identity.put("services", serviceJson("dns", "dns", { clusterIPs: ["10.96.0.10"] }), now);
  const endpoints = [["10.244.1.5", "web"]] as const;
  identity.put(
    "endpointslices",
    sliceJson("s4", "web", [{ name: "http", protocol: "TCP", port: 8080 }], endpoints),
    now,
  );
  const endpoints6 = [["fd00:10:244:1::5", "web"]] as const;
  identity.put(
    "endpointslices",
    sliceJson("s6", "web", [{ name: "http", protocol: "TCP", port: 8080 }], endpoints6),
    now,
  );
  for (const kind of kinds) identity.listed(kind);
  return identity;
}

/** An owner reference to a Deployment. */
export function deployment(name: string): object {
  return { kind: "Deployment", name, uid: "d", controller: true };
}

/** The owner of an address, in words. */
export function ownerText(identity: ClusterIdentity, ip: string, timeMs = now): string {
  const owner = identity.addressOwner(ip, timeMs);
  switch (owner.kind) {
    case "pod":
      return `pod ${owner.pod.uid}`;
    case "node":
      return `node ${owner.node}`;
    case "service":
      return `service ${owner.namespace}/${owner.name}`;
    case "external":
    case "unknown":
      return owner.kind;
  }
}
