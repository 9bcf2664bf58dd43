// kind itself needs a container engine, so its configuration is checked against the fields that kind documents
// for v1alpha4 (kind.sigs.k8s.io/docs/user/configuration, pkg/apis/config/v1alpha4/types.go), as strictly as
// kind does.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import { z } from "zod";

const strings = z.record(z.string(), z.string());
const jsonPatch = z.strictObject({
  group: z.string(),
  version: z.string(),
  kind: z.string(),
  patch: z.string(),
});
const port = z.int().min(-1).max(65_535);

const mount = z.strictObject({
  containerPath: z.string(),
  hostPath: z.string(),
  readOnly: z.boolean().optional(),
  selinuxRelabel: z.boolean().optional(),
  propagation: z.enum(["None", "HostToContainer", "Bidirectional"]).optional(),
});

const portMapping = z.strictObject({
  containerPort: port,
  hostPort: port.optional(),
  listenAddress: z.string().optional(),
  protocol: z.enum(["TCP", "UDP", "SCTP"]).optional(),
});

const node = z.strictObject({
  role: z.enum(["control-plane", "worker"]).optional(),
  image: z.string().optional(),
  labels: strings.optional(),
  extraMounts: z.array(mount).optional(),
  extraPortMappings: z.array(portMapping).optional(),
  gpus: z.string().optional(),
  kubeadmConfigPatches: z.array(z.string()).optional(),
  kubeadmConfigPatchesJSON6902: z.array(jsonPatch).optional(),
});

const cluster = z.strictObject({
  kind: z.literal("Cluster"),
  apiVersion: z.literal("kind.x-k8s.io/v1alpha4"),
  name: z
    .string()
    .regex(/^[a-z0-9.-]+$/)
    .optional(),
  nodes: z.array(node).optional(),
  networking: z
    .strictObject({
      ipFamily: z.enum(["ipv4", "ipv6", "dual"]).optional(),
      apiServerPort: port.optional(),
      apiServerAddress: z.string().optional(),
      podSubnet: z.string().optional(),
      serviceSubnet: z.string().optional(),
      disableDefaultCNI: z.boolean().optional(),
      kubeProxyMode: z.enum(["iptables", "ipvs", "nftables", "none"]).optional(),
      dnsSearch: z.array(z.string()).optional(),
    })
    .optional(),
  featureGates: z.record(z.string(), z.boolean()).optional(),
  runtimeConfig: strings.optional(),
  kubeadmConfigPatches: z.array(z.string()).optional(),
  kubeadmConfigPatchesJSON6902: z.array(jsonPatch).optional(),
  containerdConfigPatches: z.array(z.string()).optional(),
  containerdConfigPatchesJSON6902: z.array(z.string()).optional(),
});

const text = readFileSync(new URL("../kind-config.yaml", import.meta.url), "utf8");

test("kind-config.yaml has no field that kind v1alpha4 does not know", () => {
  const result = cluster.safeParse(parse(text));
  assert.ok(result.success, z.prettifyError(result.error ?? new z.ZodError([])));
});

test("it is three nodes, one of them the control plane, with both IP families", () => {
  const parsed = cluster.parse(parse(text));
  assert.deepEqual(parsed.nodes?.map((each) => each.role).toSorted(), ["control-plane", "worker", "worker"]);
  assert.equal(parsed.networking?.ipFamily, "dual");
});

test("the check refuses a misspelt field and an unknown word", () => {
  assert.equal(cluster.safeParse(parse(text.replace("ipFamily", "ipfamily"))).success, false);
  assert.equal(cluster.safeParse(parse(text.replace("role: worker", "role: agent"))).success, false);
});
