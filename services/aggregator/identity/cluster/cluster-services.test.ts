import assert from "node:assert/strict";
import { test } from "node:test";

import { Pod } from "../../../../lib/gen/whotalks/v1/report.ts";
import { serviceJson, sliceJson } from "../../testing/cluster-objects.ts";
import { HOUR_MS, now, ownerText, shop, webPort } from "../../testing/cluster-shop.ts";

const frontCases: readonly (readonly [
  name: string,
  ip: string,
  port: number,
  protocol: string,
  found: boolean,
])[] = [
  ["a ClusterIP and port", "10.96.0.7", 80, "tcp", true],
  ["a ClusterIP of the other family", "fd00:10:96::7", 80, "tcp", true],
  ["an external IP", "198.51.100.9", 80, "tcp", true],
  ["a load balancer's address", "198.51.100.7", 80, "tcp", true],
  ["a node port on any node", "192.0.2.2", 30080, "tcp", true],
  ["a node port on a node's IPv6 address", "2001:db8::1", 30080, "tcp", true],
  ["no node port on an address that is no node's", "203.0.113.10", 30080, "tcp", false],
  ["no other port", "10.96.0.7", 81, "tcp", false],
  ["no other protocol", "10.96.0.7", 80, "udp", false],
];

for (const [name, ip, port, protocol, found] of frontCases) {
  test(`services are dialled by: ${name}`, () => {
    const front = shop().serviceFront(ip, port, protocol, now);
    assert.equal(front?.name, found ? "web" : undefined);
    if (!found) return;
    assert.equal(front?.hasBackend("10.244.1.5", 8080), true);
    assert.equal(front?.hasBackend("fd00:10:244:1::5", 8080), true);
    assert.equal(front?.hasBackend("10.244.1.5", 80), false);
    assert.equal(front?.hasBackend("10.244.1.6", 8080), false);
  });
}

test("an endpoint that was taken away still counts for some minutes, and no longer", () => {
  const identity = shop();
  identity.put(
    "endpointslices",
    sliceJson("s4", "web", [{ name: "http", protocol: "TCP", port: 8080 }], []),
    now,
  );
  identity.remove("pods", "web", now);
  const has = (): boolean | undefined =>
    identity.serviceFront("10.96.0.7", 80, "tcp", now + 60_000)?.hasBackend("10.244.1.5", 8080);
  identity.forget(now + 60_000);
  assert.equal(has(), true);
  identity.forget(now + HOUR_MS / 2);
  assert.equal(has(), false);
});

test("a port that a service drops is dialled no longer, the others are", () => {
  const identity = shop();
  const ports = [{ name: "https", protocol: "TCP", port: 443, targetPort: 8443 }];
  identity.put("services", serviceJson("svc", "web", { clusterIPs: ["10.96.0.7"], ports }), now);
  const later = now + HOUR_MS / 2;
  assert.equal(identity.serviceFront("10.96.0.7", 443, "tcp", later)?.name, "web");
  assert.equal(identity.serviceFront("10.96.0.7", 80, "tcp", now - 1)?.name, "web");
  assert.equal(identity.serviceFront("10.96.0.7", 80, "tcp", later), undefined);
  assert.equal(ownerText(identity, "198.51.100.7", later), "unknown");
});

test("of two services with one external address the older one is dialled", () => {
  const identity = shop();
  const young = { externalIPs: ["198.51.100.20"], ports: [webPort], createdMs: now - 1000 };
  identity.put("services", serviceJson("young", "young", young), now);
  identity.put("services", serviceJson("old", "old", { ...young, createdMs: now - 5000 }), now);
  assert.equal(identity.serviceFront("198.51.100.20", 80, "tcp", now)?.name, "old");
});

test("an endpoint that moves to another slice stays one", () => {
  const identity = shop();
  const ports = [{ name: "http", protocol: "TCP", port: 8080 }];
  identity.put("endpointslices", sliceJson("new", "web", ports, [["10.244.1.7", "x"]]), now);
  identity.put("endpointslices", sliceJson("old", "web", ports, [["10.244.1.7", "x"]]), now);
  identity.remove("endpointslices", "old", now);
  identity.forget(now + HOUR_MS / 2);
  const front = identity.serviceFront("10.96.0.7", 80, "tcp", now + HOUR_MS / 2);
  assert.equal(front?.hasBackend("10.244.1.7", 8080), true);
});

test("a ClusterIP that moved to another service names the owner at each time", () => {
  const identity = shop();
  identity.remove("services", "svc", now + 1000);
  const next = {
    clusterIPs: ["10.96.0.7"],
    ports: [{ ...webPort, nodePort: 0 }],
    createdMs: now + 5 * 60_000,
  };
  identity.put("services", serviceJson("svc2", "api", next), now + 5 * 60_000);
  const nameAt = (timeMs: number): string | undefined =>
    identity.serviceFront("10.96.0.7", 80, "tcp", timeMs)?.name;
  assert.equal(nameAt(now), "web");
  assert.equal(nameAt(now + 60_000), "web");
  assert.equal(nameAt(now + 6 * 60_000), "api");
  assert.equal(ownerText(identity, "10.96.0.7", now), "service shop/web");
  assert.equal(ownerText(identity, "10.96.0.7", now + 6 * 60_000), "service shop/api");
});

test("a pod that a service selects is its endpoint at a time of which no endpoints are known", () => {
  const identity = shop();
  const gone = Pod.fromPartial({
    uid: "old",
    namespace: "shop",
    labels: { app: "web" },
    addresses: ["10.244.2.8"],
  });
  identity.learnPods({ node: "n2", pods: [gone], observedMs: now - 1000, tickToMs: () => now - 2000 });
  const front = identity.serviceFront("10.96.0.7", 80, "tcp", now - 1000);
  assert.equal(front?.hasBackend("10.244.2.8", 8080), true);
  assert.equal(front?.hasBackend("10.244.2.8", 80), false);
  const elsewhere = Pod.fromPartial({ ...gone, uid: "else", namespace: "other", addresses: ["10.244.2.9"] });
  identity.learnPods({ node: "n2", pods: [elsewhere], observedMs: now - 1000, tickToMs: () => now - 2000 });
  assert.equal(front?.hasBackend("10.244.2.9", 8080), false);
});
