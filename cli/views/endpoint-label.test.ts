import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Endpoint } from "../../lib/gen/whotalks/v1/query.ts";
import { endpointLabel, endpointLabelWithAddress } from "./endpoint-label.ts";

const id = "3f4e8a9b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f";
const nginx = { pid: 12, name: "nginx", exe: "/usr/sbin/nginx", uid: 0 };
const nginxes = { ...nginx, pid: 0 };

describe("endpointLabel", () => {
  const cases: ReadonlyArray<
    readonly [name: string, endpoint: Partial<Endpoint>, label: string, withAddress: string]
  > = [
    [
      "a pod",
      { kind: "pod", namespace: "shop", pod: "web-1", ip: "10.0.0.1", port: 80 },
      "shop/web-1",
      "shop/web-1 10.0.0.1:80",
    ],
    [
      "a workload",
      { kind: "pod", namespace: "shop", workload: { kind: "Deployment", name: "web" } },
      "shop/deploy/web",
      "shop/deploy/web",
    ],
    [
      "a workload of its own kind",
      { kind: "pod", namespace: "shop", workload: { kind: "Rollout", name: "web" } },
      "shop/rollout/web",
      "shop/rollout/web",
    ],
    ["a pod that may not be seen", { kind: "pod", namespace: "shop" }, "ns/shop", "ns/shop"],
    [
      "a process",
      { kind: "process", process: nginx, ip: "::1", port: 80 },
      "nginx[12]",
      "nginx[12] [::1]:80",
    ],
    [
      "a process that renames its threads",
      { kind: "process", process: { ...nginx, name: "MainThread", exe: "/usr/bin/node" } },
      "MainThread (node)[12]",
      "MainThread (node)[12]",
    ],
    [
      "a process whose name the kernel cut",
      {
        kind: "process",
        process: { ...nginx, name: "containerd-shim", exe: "/bin/containerd-shim-runc-v2" },
      },
      "containerd-shim-runc-v2[12]",
      "containerd-shim-runc-v2[12]",
    ],
    [
      "a pod without a name",
      { kind: "pod", podUid: "5b812eef-0000-4000-8000-000000000000" },
      "pod/5b812eef",
      "pod/5b812eef",
    ],
    ["processes of an edge", { kind: "process", process: nginxes }, "nginx", "nginx"],
    [
      "a unit of the process's name",
      { kind: "process", process: nginx, unit: "nginx.service" },
      "nginx.service[12]",
      "nginx.service[12]",
    ],
    [
      "a unit of another name",
      { kind: "process", process: nginx, unit: "web.service" },
      "web.service/nginx[12]",
      "web.service/nginx[12]",
    ],
    [
      "a login session",
      { kind: "process", process: nginx, unit: "session-3.scope" },
      "nginx[12]",
      "nginx[12]",
    ],
    [
      "a user's manager",
      { kind: "process", process: nginx, unit: "user@1000.service" },
      "nginx[12]",
      "nginx[12]",
    ],
    ["a unit without a process", { kind: "process", unit: "web.service" }, "web.service", "web.service"],
    [
      "a container by id",
      { kind: "process", process: nginx, container: id, unit: "docker.service" },
      "3f4e8a9b7c6d/nginx[12]",
      "3f4e8a9b7c6d/nginx[12]",
    ],
    [
      "a container by name",
      { kind: "process", process: nginxes, container: "web" },
      "web/nginx",
      "web/nginx",
    ],
    ["a process of which nothing is known", { kind: "process", ip: "10.0.0.1" }, "10.0.0.1?", "10.0.0.1?"],
    ["a node", { kind: "node", node: "n1", ip: "192.0.2.1", port: 22 }, "node/n1", "node/n1 192.0.2.1:22"],
    [
      "a node without a name",
      { kind: "node", ip: "192.0.2.1" },
      "node/192.0.2.1",
      "node/192.0.2.1 192.0.2.1",
    ],
    ["a service", { kind: "service", namespace: "shop", name: "db" }, "shop/svc/db", "shop/svc/db"],
    [
      "an external address",
      { kind: "external", ip: "2001:db8::1", port: 443 },
      "2001:db8::1",
      "[2001:db8::1]:443",
    ],
    [
      "an external name",
      { kind: "external", name: "example.com", ip: "2001:db8::1", port: 443 },
      "example.com",
      "example.com [2001:db8::1]:443",
    ],
    ["an unknown address", { kind: "unknown", ip: "10.9.9.9", port: 80 }, "10.9.9.9?", "10.9.9.9:80?"],
    ["nothing known", { kind: "unknown" }, "?", "?"],
  ];
  for (const [name, endpoint, label, withAddress] of cases) {
    it(`names ${name}`, () => {
      assert.equal(endpointLabel(Endpoint.fromPartial(endpoint)), label);
      assert.equal(endpointLabelWithAddress(Endpoint.fromPartial(endpoint)), withAddress);
    });
  }
  it("names an absent one", () => assert.equal(endpointLabel(undefined), "?"));
});
