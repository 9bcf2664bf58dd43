import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { CONTAINERS_MAX, LABELS_MAX, readPod } from "./pod-fields.ts";

const metadata = { uid: "u", name: "web-1", namespace: "shop" };

test("the fields that reports carry", () => {
  const read = readPod({
    metadata: {
      ...metadata,
      labels: { app: "web" },
      ownerReferences: [
        { kind: "Other", name: "x" },
        { kind: "ReplicaSet", name: "web", controller: true },
      ],
    },
    spec: {
      serviceAccountName: "shopkeeper",
      hostNetwork: true,
      containers: [{ name: "web", image: "web:1" }],
      initContainers: [{ name: "init", image: "init:1" }],
      ephemeralContainers: [{ name: "debug", image: "debug:1" }],
    },
    status: {
      phase: "Running",
      podIP: "10.0.0.1",
      podIPs: [{ ip: "10.0.0.1" }, { ip: "2001:db8::1" }],
      containerStatuses: [{ name: "web", containerID: "containerd://aa" }],
      initContainerStatuses: [{ name: "init", containerID: "cri-o://bb" }],
      ephemeralContainerStatuses: [{ name: "debug" }],
    },
  });
  assert.deepEqual(read, {
    finished: false,
    fields: {
      ...metadata,
      ownerKind: "ReplicaSet",
      ownerName: "web",
      labels: { app: "web" },
      addresses: ["10.0.0.1", "2001:db8::1"],
      serviceAccount: "shopkeeper",
      hostNetwork: true,
      containers: [
        { name: "web", id: "aa", image: "web:1" },
        { name: "init", id: "bb", image: "init:1" },
        { name: "debug", id: "", image: "debug:1" },
      ],
      phase: "Running",
    },
  });
});

test("a pod that has only just been made has no address, owner or container ids", () => {
  const read = readPod({
    metadata,
    spec: { containers: [{ name: "c", image: "i" }] },
    status: { phase: "Pending" },
  });
  assert.equal(read?.fields.ownerKind, "");
  assert.deepEqual(read?.fields.addresses, []);
  assert.deepEqual(read?.fields.containers, [{ name: "c", id: "", image: "i" }]);
});

const finished = (phase: string): boolean | undefined => readPod({ metadata, status: { phase } })?.finished;

test("done is done, whether it went well or not", () => {
  assert.deepEqual(["Succeeded", "Failed", "Running", "Unknown"].map(finished), [true, true, false, false]);
});

test("an object that is not a pod is rejected, and fields of the wrong type are absent", () => {
  for (const object of [null, 1, [], {}, { metadata: { uid: "u" } }]) assert.equal(readPod(object), null);
  const odd = {
    metadata: { ...metadata, labels: { a: 1, b: "x" } },
    spec: { containers: 7 },
    status: { podIPs: [null] },
  };
  assert.deepEqual(readPod(odd)?.fields.labels, { b: "x" });
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (spec, status) => {
      assert.ok(readPod({ metadata, spec, status }) !== null);
    }),
  );
});

test("labels and containers without end are cut", () => {
  const many = Array.from({ length: 1000 }, (_, i) => ({ name: `c${i}`, image: "i" }));
  const labels = Object.fromEntries(many.map(({ name }) => [name, name]));
  const read = readPod({ metadata: { ...metadata, labels }, spec: { containers: many } });
  assert.equal(Object.keys(read!.fields.labels).length, LABELS_MAX);
  assert.equal(read!.fields.containers.length, CONTAINERS_MAX);
});
