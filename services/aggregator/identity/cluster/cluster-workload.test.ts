import assert from "node:assert/strict";
import { test } from "node:test";

import type { OwnerReference } from "./cluster-objects.ts";
import { workloadOf } from "./cluster-workload.ts";
import type { OwnedPod } from "./cluster-workload.ts";

const bare: OwnedPod = {
  namespace: "shop",
  name: "web-7f-x1",
  node: "n1",
  labels: {},
  owner: null,
  createdMs: 0,
};
const owned = (kind: string, name: string, uid = "u1"): OwnedPod => ({ ...bare, owner: { kind, name, uid } });
const minute = 28_912_345;

const cases: readonly {
  readonly name: string;
  readonly pod: OwnedPod;
  readonly above: OwnerReference | null | undefined;
  readonly workload: readonly [kind: string, name: string];
}[] = [
  { name: "a bare pod is itself", pod: bare, above: undefined, workload: ["Pod", "web-7f-x1"] },
  {
    name: "a bare pod with a name label is called by it",
    pod: { ...bare, labels: { "app.kubernetes.io/name": "web" } },
    above: undefined,
    workload: ["Pod", "web"],
  },
  {
    name: "a static pod is called without its node",
    pod: { ...owned("Node", "n1"), name: "etcd-n1" },
    above: undefined,
    workload: ["Pod", "etcd"],
  },
  {
    name: "a ReplicaSet is stepped over",
    pod: owned("ReplicaSet", "web-7f"),
    above: { kind: "Deployment", name: "web", uid: "u2" },
    workload: ["Deployment", "web"],
  },
  {
    name: "a ReplicaSet of a custom kind is stepped over to that kind",
    pod: owned("ReplicaSet", "web-7f"),
    above: { kind: "Rollout", name: "web", uid: "u2" },
    workload: ["Rollout", "web"],
  },
  {
    name: "a ReplicaSet that nobody owns is the workload",
    pod: { ...owned("ReplicaSet", "web-7f"), labels: { "pod-template-hash": "7f" } },
    above: null,
    workload: ["ReplicaSet", "web-7f"],
  },
  {
    name: "a ReplicaSet that is gone is seen through by the template hash",
    pod: { ...owned("ReplicaSet", "web-7f"), labels: { "pod-template-hash": "7f" } },
    above: undefined,
    workload: ["Deployment", "web"],
  },
  {
    name: "a ReplicaSet that is gone and has another hash in its name stays",
    pod: { ...owned("ReplicaSet", "web-7f"), labels: { "pod-template-hash": "8f" } },
    above: undefined,
    workload: ["ReplicaSet", "web-7f"],
  },
  {
    name: "a Job of a CronJob is stepped over",
    pod: owned("Job", "backup-1"),
    above: { kind: "CronJob", name: "backup", uid: "u2" },
    workload: ["CronJob", "backup"],
  },
  {
    name: "a Job that is gone is a CronJob's where its name tells the minute before the pod was made",
    pod: { ...owned("Job", `backup-${minute}`), createdMs: (minute + 2) * 60_000 },
    above: undefined,
    workload: ["CronJob", "backup"],
  },
  {
    name: "a Job that is gone and is numbered otherwise stays a Job",
    pod: { ...owned("Job", "import-20260101"), createdMs: minute * 60_000 },
    above: undefined,
    workload: ["Job", "import-20260101"],
  },
  {
    name: "a StatefulSet is the workload",
    pod: owned("StatefulSet", "db"),
    above: undefined,
    workload: ["StatefulSet", "db"],
  },
];

for (const { name, pod, above, workload } of cases) {
  test(name, () => {
    const found = workloadOf(pod, () => above);
    assert.deepEqual([found.kind, found.name], workload);
  });
}
