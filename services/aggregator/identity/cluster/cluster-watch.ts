// Feeds a ClusterIdentity from the API server: one list and watch for each kind of object. A forbidden kind
// does not stop the others.

import type { KubernetesApi } from "../../../../lib/kubernetes/kubernetes-api.ts";
import type { KubernetesError } from "../../../../lib/kubernetes/kubernetes-error.ts";
import { ListWatch } from "../../../../lib/kubernetes/list-watch.ts";
import type { ListWatchState, Resource } from "../../../../lib/kubernetes/list-watch.ts";
import type { ClusterIdentity, ClusterKind } from "./cluster-identity.ts";

// Bounds: Kubernetes supports 150,000 pods, 10,000 services and 5,000 nodes; a Deployment keeps ten old
// ReplicaSets.
const resources: Readonly<Record<ClusterKind, Resource & { readonly lost: string }>> = {
  pods: {
    name: "pods",
    path: "/api/v1/pods",
    metadataOnly: false,
    objectsMax: 2 ** 18,
    lost: "addresses of pods stay unknown",
  },
  services: {
    name: "services",
    path: "/api/v1/services",
    metadataOnly: false,
    objectsMax: 2 ** 16,
    lost: "service addresses stay unknown",
  },
  endpointslices: {
    name: "endpointslices.discovery.k8s.io",
    path: "/apis/discovery.k8s.io/v1/endpointslices",
    metadataOnly: false,
    objectsMax: 2 ** 17,
    lost: "both ends of a connection through a service may stay apart",
  },
  nodes: {
    name: "nodes",
    path: "/api/v1/nodes",
    metadataOnly: false,
    objectsMax: 2 ** 15,
    lost: "node addresses and zones stay unknown",
  },
  replicasets: {
    name: "replicasets.apps",
    path: "/apis/apps/v1/replicasets",
    metadataOnly: true,
    objectsMax: 2 ** 19,
    lost: "Deployments are inferred from their pods' names",
  },
  jobs: {
    name: "jobs.batch",
    path: "/apis/batch/v1/jobs",
    metadataOnly: true,
    objectsMax: 2 ** 18,
    lost: "CronJobs are inferred from their Jobs' names",
  },
  runtimeclasses: {
    name: "runtimeclasses.node.k8s.io",
    path: "/apis/node.k8s.io/v1/runtimeclasses",
    metadataOnly: false,
    objectsMax: 2 ** 10,
    lost: "pods in sandboxes of their own are inferred from the names of their runtime classes",
  },
};

/** Options of a cluster watch. */
interface ClusterWatchOptions {
  readonly api: KubernetesApi;
  readonly identity: ClusterIdentity;
  /** The stream's clock, milliseconds since 1970. */
  readonly now: () => number;
  /** Logs a sentence for the operator. */
  readonly log: (level: "info" | "warn", sentence: string) => void;
}

/** A running watch of the cluster. */
export interface ClusterWatch {
  /** Resolves once every kind has been listed, or is known to be forbidden. */
  readonly synced: Promise<void>;
  /** State of each kind's list and watch. */
  states(): ReadonlyMap<ClusterKind, ListWatchState>;
  /** Kinds that the API server does not let the aggregator read, as sentences that say what to grant. */
  limits(): readonly string[];
  stop(): Promise<void>;
}

/** Starts watching. Never rejects: failures are logged once and retried without limit. */
export function watchCluster(options: ClusterWatchOptions): ClusterWatch {
  const limits = new Map<ClusterKind, string>();
  const outage = new Outage(options);
  const watches = new Map<ClusterKind, ListWatch>();
  for (const kind of Object.keys(resources) as ClusterKind[]) {
    watches.set(kind, watchKind(kind, options, limits, outage));
  }
  const all = [...watches.values()];
  return {
    synced: Promise.all(all.map((watch) => watch.settled)).then(() => undefined),
    states: () => new Map([...watches].map(([kind, watch]) => [kind, watch.state])),
    limits: () => [...limits.values()],
    stop: async () => {
      await Promise.all(all.map((watch) => watch.stop()));
    },
  };
}

function watchKind(
  kind: ClusterKind,
  { api, identity, now, log }: ClusterWatchOptions,
  limits: Map<ClusterKind, string>,
  outage: Outage,
): ListWatch {
  const resource = resources[kind];
  return new ListWatch(api, resource, {
    put: (object) => identity.put(kind, object, now()),
    remove: (uid) => identity.remove(kind, uid, now()),
    listed: () => identity.listed(kind),
    failed(verb, error) {
      if (error.code !== "forbidden" && error.code !== "not-found") {
        outage.failed(kind, error);
        return;
      }
      const sentence = `may not ${verb} ${resource.name}: ${resource.lost}; grant list and watch on ${resource.name} (${error.message})`;
      if (!limits.has(kind)) log("warn", sentence);
      limits.set(kind, sentence);
    },
    recovered() {
      outage.recovered(kind);
      if (limits.delete(kind)) log("info", `may list and watch ${resource.name} now`);
    },
  });
}

// If the API server goes away, all watches break at once: log one line, and one when all have recovered.
class Outage {
  readonly #log: ClusterWatchOptions["log"];
  readonly #broken = new Set<ClusterKind>();

  constructor({ log }: ClusterWatchOptions) {
    this.#log = log;
  }

  failed(kind: ClusterKind, error: KubernetesError): void {
    if (this.#broken.size === 0) {
      this.#log("warn", `cannot follow ${kind}, going on with what is known: ${error.message}`);
    }
    this.#broken.add(kind);
  }

  recovered(kind: ClusterKind): void {
    if (this.#broken.delete(kind) && this.#broken.size === 0)
      this.#log("info", "the API server is followed again");
  }
}
