// Who is behind a pod uid or an address: what the aggregator asks while it joins and answers. Two
// implementations exist: the embedded one (one machine, no Kubernetes) and the cluster's (fed by the API
// server's watches and by the pod tables of the nodes' reports).

/** A pod as an endpoint shows it. Remembered after the pod is gone. */
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
  /** Containers by id without the runtime's prefix, init and ephemeral ones too. */
  readonly containers: ReadonlyMap<string, { readonly name: string; readonly image: string }>;
}

/** Who had an address at a time. */
export type AddressOwner =
  | { readonly kind: "pod"; readonly pod: PodIdentity }
  | { readonly kind: "node"; readonly node: string }
  | { readonly kind: "service"; readonly namespace: string; readonly name: string }
  | { readonly kind: "external"; readonly name: string }
  | { readonly kind: "unknown" };

/** A service port that clients dial, with the addresses that answer for it. */
export interface ServiceFront {
  readonly namespace: string;
  readonly name: string;
  /** Whether this address and port is one of the service's endpoints. */
  hasBackend(ip: string, port: number): boolean;
}

/**
 * What the aggregator asks. Times are milliseconds since 1970 by the stream's clock; addresses canonical text.
 */
export interface Identity {
  /** The pod with this uid, living or gone; undefined where it was never known. */
  pod(uid: string): PodIdentity | undefined;
  /** Who had the address at the time. Never throws; what is not known is `unknown`, not `external`. */
  addressOwner(ip: string, timeMs: number): AddressOwner;
  /**
   * The service that is dialled by this address and port (ClusterIP, node port, load balancer, external IP).
   */
  serviceFront(ip: string, port: number, protocol: string, timeMs: number): ServiceFront | undefined;
  /** Zone of a node; empty where unknown. */
  zone(node: string): string;
  /** Whether a containerPort or a service names a pod's port, and which services lead to it. */
  declaration(podUid: string, port: number, protocol: string): PortDeclaration | undefined;
  /** Counts up whenever an answer given before may have become a better one. */
  readonly version: number;
}

/** What Kubernetes says of a port that a pod listens on. */
export interface PortDeclaration {
  readonly declared: boolean;
  readonly services: readonly { readonly namespace: string; readonly name: string }[];
}
