// Who is behind a pod uid or an address: the queries that the aggregator makes while it matches and answers.
// Two implementations exist: the embedded one (one machine, no Kubernetes) and the cluster's (fed by the API
// server's watches and by the pod tables of the nodes' reports).

/** A pod as an endpoint shows it. Kept after the pod is deleted. */
export interface PodIdentity {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Top owner: Deployment, StatefulSet, DaemonSet, CronJob, Job … or the bare Pod itself. */
  readonly workload: { readonly kind: string; readonly name: string };
  readonly node: string;
  readonly serviceAccount: string;
  readonly hostNetwork: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** Containers, including init and ephemeral ones, by id without the runtime's prefix. */
  readonly containers: ReadonlyMap<string, { readonly name: string; readonly image: string }>;
}

/** Who had an address at a time. */
export type AddressOwner =
  | { readonly kind: "pod"; readonly pod: PodIdentity }
  | { readonly kind: "node"; readonly node: string }
  | { readonly kind: "service"; readonly namespace: string; readonly name: string }
  | { readonly kind: "external"; readonly name: string }
  | { readonly kind: "unknown" };

/** A service port that clients dial, with the addresses behind it. */
export interface ServiceFront {
  readonly namespace: string;
  readonly name: string;
  /** Whether this address and port is one of the service's endpoints. */
  hasBackend(ip: string, port: number): boolean;
}

/** The queries. Times are milliseconds since 1970 by the stream's clock; addresses are canonical text. */
export interface Identity {
  /** The pod with this uid, living or deleted; undefined if it was never known. */
  pod(uid: string): PodIdentity | undefined;
  /** Who had the address at a time. Never throws; if that is not known, it is `unknown`, not `external`. */
  addressOwner(ip: string, timeMs: number): AddressOwner;
  /** The service behind this address and port (ClusterIP, node port, load balancer, external IP). */
  serviceFront(ip: string, port: number, protocol: string, timeMs: number): ServiceFront | undefined;
  /** Zone of a node; empty if unknown. */
  zone(node: string): string;
  /** Whether a containerPort or a service declares a pod's port, and which services lead to it. */
  declaration(podUid: string, port: number, protocol: string): PortDeclaration | undefined;
  /** Incremented whenever an earlier answer may have improved. */
  readonly version: number;
}

/** What Kubernetes declares about a port that a pod listens on. */
export interface PortDeclaration {
  readonly declared: boolean;
  readonly services: readonly { readonly namespace: string; readonly name: string }[];
}
