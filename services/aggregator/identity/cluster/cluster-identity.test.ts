import assert from "node:assert/strict";
import { test } from "node:test";

import * as fc from "fast-check";

import { Pod } from "../../../../lib/gen/whotalks/v1/report.ts";
import { ClusterIdentity } from "./cluster-identity.ts";
import { nodeJson, podJson, sliceJson } from "../../testing/cluster-objects.ts";
import { HOUR_MS, deployment, kinds, now, ownerText, shop } from "../../testing/cluster-shop.ts";

const ownerCases: readonly (readonly [name: string, ip: string, owner: string])[] = [
  ["a pod's address is the pod's", "10.244.1.5", "pod web"],
  ["so is its second one", "fd00:10:244:1::5", "pod web"],
  ["a node's address is the node's, also where a hostNetwork pod has it", "192.0.2.1", "node n1"],
  ["so is its address of the other family", "2001:db8::1", "node n1"],
  ["the first host address of a node's pods is the node's", "10.244.2.1", "node n2"],
  ["so is the other family's", "fd00:10:244:1::1", "node n1"],
  ["an address among a node's pods that nobody has is unknown", "10.244.2.9", "unknown"],
  ["a ClusterIP is the service's", "10.96.0.7", "service shop/web"],
  ["a ClusterIP of the other family is too", "fd00:10:96::7", "service shop/web"],
  ["an external IP is the service's", "198.51.100.9", "service shop/web"],
  ["a load balancer's address is the service's", "198.51.100.7", "service shop/web"],
  ["an address among the ClusterIPs that nobody has is unknown", "10.96.0.9", "unknown"],
  ["any other address is external", "203.0.113.10", "external"],
  ["so is a private one", "10.1.2.3", "external"],
  ["loopback is unknown", "127.0.0.1", "unknown"],
  ["link-local is unknown", "169.254.1.1", "unknown"],
  ["link-local of IPv6 is unknown", "fe80::1", "unknown"],
  ["multicast is unknown", "224.0.0.251", "unknown"],
  ["the wildcard is unknown", "0.0.0.0", "unknown"],
  ["what is no address is unknown", "no address", "unknown"],
];

for (const [name, ip, owner] of ownerCases) test(name, () => assert.equal(ownerText(shop(), ip), owner));

test("a range of pod addresses follows the node that has it", () => {
  const identity = shop();
  identity.put("nodes", nodeJson("n3", ["192.0.2.3"], ["10.244.2.0/24"]), now);
  identity.remove("nodes", "node-n2", now);
  assert.equal(ownerText(identity, "10.244.2.1"), "node n3");
  identity.remove("nodes", "node-n3", now);
  assert.equal(ownerText(identity, "10.244.2.1"), "external");
});

test("before pods, services and nodes have all been listed, an address without an owner is unknown, not external", () => {
  const identity = new ClusterIdentity(HOUR_MS);
  for (const kind of ["pods", "services"] as const) identity.listed(kind);
  assert.equal(ownerText(identity, "203.0.113.10"), "unknown");
  const { version } = identity;
  identity.listed("nodes");
  assert.equal(ownerText(identity, "203.0.113.10"), "external");
  assert.ok(identity.version > version);
});

test("a reused address names the pod that had it at the time", () => {
  const identity = shop();
  const before = now + 1000;
  identity.remove("pods", "web", now + 2000);
  identity.put("pods", podJson("next", { ips: ["10.244.1.5"], startedMs: now + 1500 }), now + 3000);
  assert.equal(ownerText(identity, "10.244.1.5", before), "pod web");
  assert.equal(ownerText(identity, "10.244.1.5", now + 1700), "pod web");
  assert.equal(ownerText(identity, "10.244.1.5", now + 2500), "pod next");
  assert.equal(ownerText(identity, "10.244.1.5", now + 4000), "pod next");
  assert.equal(identity.pod("web")?.name, "pod-web");
});

test("an address that a pod loses while it lives is its own no longer", () => {
  const identity = shop();
  identity.put("pods", podJson("web", { ips: ["10.244.1.6"], startedMs: now - HOUR_MS }), now + 1000);
  assert.equal(ownerText(identity, "10.244.1.5", now), "pod web");
  assert.equal(ownerText(identity, "10.244.1.5", now + 2000), "unknown");
  assert.equal(ownerText(identity, "10.244.1.6", now + 2000), "pod web");
});

test("an address whose pod is gone is unknown and not external, also outside the nodes' ranges", () => {
  const identity = shop();
  identity.put("pods", podJson("vpc", { ips: ["172.31.0.5"], startedMs: now }), now);
  identity.remove("pods", "vpc", now + 1000);
  assert.equal(ownerText(identity, "172.31.0.5", now + 2000), "unknown");
});

test("a finished pod loses its address at the time its containers ended", () => {
  const identity = shop();
  const finished = { ips: ["10.244.1.9"], startedMs: now - 9000, finishedMs: now - 5000, phase: "Succeeded" };
  identity.put("pods", podJson("job", finished), now);
  assert.equal(ownerText(identity, "10.244.1.9", now - 6000), "pod job");
  assert.equal(ownerText(identity, "10.244.1.9", now - 4000), "unknown");
});

test("a pod is named with its workload, its node, and its containers by id", () => {
  const pod = shop().pod("web");
  assert.deepEqual(pod?.workload, { kind: "Deployment", name: "web" });
  assert.equal(pod?.node, "n1");
  assert.deepEqual(pod?.containers.get("c1"), { name: "main", image: "image:1" });
});

test("a restarted container is known by its former id too", () => {
  const identity = shop();
  identity.put("pods", podJson("web", { ips: ["10.244.1.5"], containerId: "c2" }), now);
  assert.equal(identity.pod("web")?.containers.get("c1")?.name, "main");
  assert.equal(identity.pod("web")?.containers.get("c2")?.name, "main");
});

test("the workload follows an owner that is reported late", () => {
  const identity = new ClusterIdentity(HOUR_MS);
  identity.put("pods", podJson("p", { owner: ["ReplicaSet", "api-1", "rs1"] }), now);
  assert.deepEqual(identity.pod("p")?.workload, { kind: "ReplicaSet", name: "api-1" });
  const rs = {
    metadata: { uid: "rs1", namespace: "shop", name: "api-1", ownerReferences: [deployment("api")] },
  };
  identity.put("replicasets", rs, now);
  assert.deepEqual(identity.pod("p")?.workload, { kind: "Deployment", name: "api" });
});

test("a change that changes nothing does not count", () => {
  const identity = shop();
  const { version } = identity;
  identity.put("nodes", nodeJson("n2", ["192.0.2.2"], ["10.244.2.0/24"]), now + 1);
  identity.put(
    "pods",
    podJson("host", { hostNetwork: true, ips: ["192.0.2.1"], startedMs: now - HOUR_MS }),
    now + 1,
  );
  assert.equal(identity.version, version);
});

test("a port is declared by the pod or by a service that leads to it", () => {
  const identity = shop();
  const ports = [{ name: "http", protocol: "TCP", port: 9999 }];
  identity.put("endpointslices", sliceJson("s9", "other", ports, [["10.244.1.5", "web"]]), now);
  assert.deepEqual(identity.declaration("web", 8080, "tcp"), {
    declared: true,
    services: [{ namespace: "shop", name: "web" }],
  });
  assert.deepEqual(identity.declaration("web", 9000, "udp"), { declared: true, services: [] });
  assert.deepEqual(identity.declaration("web", 9999, "tcp")?.services, [
    { namespace: "shop", name: "other" },
  ]);
  assert.deepEqual(identity.declaration("web", 9000, "tcp"), { declared: false, services: [] });
  assert.equal(identity.declaration("nobody", 1, "tcp"), undefined);
});

test("a zone is a node's label, and is remembered after the node", () => {
  const identity = shop();
  identity.remove("nodes", "node-n1", now);
  assert.equal(identity.zone("n1"), "z1");
  assert.equal(identity.zone("n2"), "");
  assert.equal(ownerText(identity, "192.0.2.1", now + 1), "external");
});

test("a pod that only reports name is named at its time, with its workload, also when it is long gone", () => {
  const identity = shop();
  const gone = Pod.fromPartial({
    uid: "old",
    namespace: "shop",
    name: "web-7f-old",
    ownerKind: "ReplicaSet",
    ownerName: "web-7f",
    addresses: ["10.244.2.8"],
    containers: [{ name: "main", id: "c9", image: "image:0" }],
    firstSeen: 1000,
    ended: 5000,
  });
  identity.learnPods({
    node: "n2",
    pods: [gone],
    observedMs: now,
    tickToMs: (ticks) => now - HOUR_MS / 2 + ticks * 10,
  });
  const startMs = now - HOUR_MS / 2;
  assert.equal(ownerText(identity, "10.244.2.8", startMs + 9000), "unknown");
  assert.equal(ownerText(identity, "10.244.2.8", startMs + 11_000), "pod old");
  assert.equal(ownerText(identity, "10.244.2.8", startMs + 51_000), "unknown");
  assert.deepEqual(identity.pod("old")?.workload, { kind: "Deployment", name: "web" });
  assert.equal(identity.pod("old")?.containers.get("c9")?.image, "image:0");
});

test("a pod that reports no longer name loses its address", () => {
  const identity = shop();
  const pod = Pod.fromPartial({ uid: "old", namespace: "shop", addresses: ["10.244.2.8"] });
  identity.learnPods({ node: "n2", pods: [pod], observedMs: now, tickToMs: () => now - 1000 });
  assert.equal(ownerText(identity, "10.244.2.8", now + 60_000), "pod old");
  assert.equal(ownerText(identity, "10.244.2.8", now + HOUR_MS), "unknown");
  identity.put(
    "pods",
    podJson("old", { node: "n2", ips: ["10.244.2.8"], startedMs: now - 1000 }),
    now + 1000,
  );
  assert.equal(ownerText(identity, "10.244.2.8", now + HOUR_MS), "pod old");
});

test("a node that reports another node's pod is not believed", () => {
  const identity = shop();
  const forged = Pod.fromPartial({ uid: "web", namespace: "shop", addresses: ["10.244.2.66"], ended: 1 });
  identity.learnPods({ node: "n2", pods: [forged], observedMs: now, tickToMs: () => now - 5000 });
  assert.equal(ownerText(identity, "10.244.2.66"), "unknown");
  assert.equal(ownerText(identity, "10.244.1.5"), "pod web");
  assert.equal(identity.counters.rejected, 1);
});

test("what is gone is forgotten after its time, with its addresses", () => {
  const identity = shop();
  identity.remove("pods", "web", now);
  identity.forget(now + HOUR_MS - 1000);
  assert.equal(identity.pod("web")?.uid, "web");
  identity.forget(now + HOUR_MS + 1000);
  assert.equal(identity.pod("web"), undefined);
  assert.equal(ownerText(identity, "10.244.1.5", now - 1000), "unknown");
});

test("whatever the API server sends, nothing throws", () => {
  const identity = new ClusterIdentity(HOUR_MS);
  const fields = fc.record(
    {
      metadata: fc.oneof(
        fc.record({ uid: fc.string(), name: fc.string(), labels: fc.anything() }),
        fc.anything(),
      ),
      spec: fc.oneof(
        fc.record({ containers: fc.anything(), podCIDRs: fc.array(fc.string()), ports: fc.anything() }),
      ),
      status: fc.oneof(fc.record({ podIPs: fc.anything(), addresses: fc.anything() }), fc.anything()),
      endpoints: fc.anything(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.constantFrom(...kinds), fc.oneof(fields, fc.anything()), (kind, object) => {
      assert.equal(typeof identity.put(kind, object, now), "boolean");
    }),
  );
});
