import assert from "node:assert/strict";
import { test } from "node:test";

import { choosePod, readCandidate } from "./find-aggregator.ts";

function pod(
  name: string,
  status: object,
  parts: { namespace?: string; ports?: object[]; ending?: boolean } = {},
): object {
  return {
    metadata: {
      namespace: parts.namespace ?? "whotalks",
      name,
      ...(parts.ending === true ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}),
    },
    spec: { containers: [{ ports: parts.ports ?? [] }] },
    status,
  };
}

const ready = { phase: "Running", conditions: [{ type: "Ready", status: "True" }] };
const notReady = { phase: "Running", conditions: [{ type: "Ready", status: "False" }] };
const pulling = {
  phase: "Pending",
  containerStatuses: [{ state: { waiting: { reason: "ErrImageNeverPull" } } }],
};

const cases: readonly {
  readonly name: string;
  readonly pods: readonly object[];
  readonly namespace?: string;
  readonly chosen?: string;
  readonly refused?: RegExp;
}[] = [
  { name: "the ready one is taken", pods: [pod("a", notReady), pod("b", ready)], chosen: "b:4180" },
  {
    name: "of several ready ones the first by name",
    pods: [pod("b", ready), pod("a", ready)],
    chosen: "a:4180",
  },
  {
    name: "the port is the one that the pod calls grpc",
    pods: [
      pod("a", ready, {
        ports: [
          { name: "http", containerPort: 1 },
          { name: "grpc", containerPort: 5000 },
        ],
      }),
    ],
    chosen: "a:5000",
  },
  {
    name: "one that ends is not asked",
    pods: [pod("a", ready, { ending: true })],
    refused:
      /^whotalks is not ready yet: pod whotalks\/a is ending; see 'kubectl -n whotalks describe pod a'/,
  },
  {
    name: "none is said with how to install it",
    pods: [],
    refused: /^There is no whotalks in the cluster: install it with 'helm/,
  },
  {
    name: "none in a namespace is said",
    pods: [],
    namespace: "x",
    refused: /^There is no whotalks in namespace x: /,
  },
  {
    name: "what a container waits for is said",
    pods: [pod("a", pulling)],
    refused: /pod whotalks\/a is ErrImageNeverPull;/,
  },
  {
    name: "one that runs and is not ready is said",
    pods: [pod("a", notReady)],
    refused: /is running, but not ready;/,
  },
  {
    name: "several installations must be chosen from",
    pods: [pod("a", ready, { namespace: "two" }), pod("a", ready, { namespace: "one" })],
    refused:
      /^There are several whotalks, in the namespaces one, two: choose one with --whotalks-namespace\.$/,
  },
];

for (const { name, pods, namespace, chosen, refused } of cases) {
  const choose = (): ReturnType<typeof choosePod> => choosePod(pods.map(readCandidate), namespace);
  test(name, () => {
    if (refused !== undefined) assert.throws(choose, { message: refused });
    else assert.equal(`${choose().name}:${choose().port}`, chosen);
  });
}
