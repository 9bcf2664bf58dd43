// Finds the aggregator's pods by their labels: in the default namespace of the installation instructions, else
// in every namespace that the user may read.

import type { KubernetesApi } from "../../lib/kubernetes/kubernetes-api.ts";
import { KubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import { UsageError } from "../../lib/program/usage-error.ts";
import { FailureError } from "../command/errors.ts";

/** Namespace in the installation instructions. */
const NAMESPACE_DEFAULT = "whotalks";
/** Labels that the chart puts on the aggregator's pods. */
const LABELS = "app.kubernetes.io/name=whotalks,app.kubernetes.io/component=aggregator";
/** Port of the query API if the pod has no port named "grpc". */
const PORT_DEFAULT = 4180;
/** Pods requested at most: there are one to three. */
const PODS_MAX = 100;

/** A pod of the aggregator that can be queried. */
export interface AggregatorPod {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

interface Candidate extends AggregatorPod {
  readonly ready: boolean;
  /** Phase, or why its container waits. */
  readonly state: string;
}

/**
 * Finds a ready aggregator. Throws UsageError if the user must choose, FailureError if none can be queried,
 * each with a sentence that says what to do.
 */
export async function findAggregator(
  api: KubernetesApi,
  namespace: string | undefined,
): Promise<AggregatorPod> {
  const found = namespace === undefined ? await searchEverywhere(api) : await searchNamespace(api, namespace);
  return choosePod(found, namespace);
}

async function searchEverywhere(api: KubernetesApi): Promise<readonly Candidate[]> {
  const found = await listPods(api, NAMESPACE_DEFAULT).catch(emptyWhereForbidden);
  if (found.length > 0) return found;
  try {
    return await listPods(api, undefined);
  } catch (error) {
    if (!(error instanceof KubernetesError) || error.code !== "forbidden") throw asFailure(error);
    throw new FailureError(
      `You may not list pods in all namespaces, and namespace ${NAMESPACE_DEFAULT} has no whotalks that you may see: ` +
        `name its namespace with --whotalks-namespace (${error.message}).`,
      { cause: error },
    );
  }
}

async function searchNamespace(api: KubernetesApi, namespace: string): Promise<readonly Candidate[]> {
  try {
    return await listPods(api, namespace);
  } catch (error) {
    if (!(error instanceof KubernetesError) || error.code !== "forbidden") throw asFailure(error);
    throw new FailureError(`You may not list pods in namespace ${namespace}: ${error.message}.`, {
      cause: error,
    });
  }
}

async function listPods(api: KubernetesApi, namespace: string | undefined): Promise<readonly Candidate[]> {
  const scope = namespace === undefined ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  const list = (await api.getJson(`/api/v1${scope}/pods`, {
    labelSelector: LABELS,
    limit: String(PODS_MAX),
  })) as {
    items?: readonly PodJson[];
  };
  return (list.items ?? []).map(readCandidate);
}

/** Chooses among the pods found; throws if none can be queried. */
export function choosePod(found: readonly Candidate[], namespace: string | undefined): AggregatorPod {
  if (found.length === 0) {
    const where = namespace === undefined ? "in the cluster" : `in namespace ${namespace}`;
    throw new FailureError(
      `There is no whotalks ${where}: install it with ` +
        `'helm install whotalks charts/whotalks -n ${NAMESPACE_DEFAULT} --create-namespace', or name a server with --server.`,
    );
  }
  const namespaces = [...new Set(found.map((pod) => pod.namespace))].toSorted();
  if (namespaces.length > 1) {
    throw new UsageError(
      `There are several whotalks, in the namespaces ${namespaces.join(", ")}: choose one with --whotalks-namespace.`,
    );
  }
  const ready = found
    .filter((pod) => pod.ready)
    .toSorted((one, other) => one.name.localeCompare(other.name))[0];
  if (ready !== undefined) return ready;
  const [first] = found;
  throw new FailureError(
    `whotalks is not ready yet: pod ${first!.namespace}/${first!.name} is ${first!.state}; ` +
      `see 'kubectl -n ${first!.namespace} describe pod ${first!.name}'.`,
  );
}

interface PodJson {
  readonly metadata?: {
    readonly namespace?: string;
    readonly name?: string;
    readonly deletionTimestamp?: string;
  };
  readonly spec?: {
    readonly containers?: readonly {
      readonly ports?: readonly { readonly name?: string; readonly containerPort?: number }[];
    }[];
  };
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly { readonly type?: string; readonly status?: string }[];
    readonly containerStatuses?: readonly {
      readonly state?: { readonly waiting?: { readonly reason?: string } };
    }[];
  };
}

/** Reads the relevant fields of a pod. */
export function readCandidate(pod: PodJson): Candidate {
  const { metadata = {}, spec = {}, status = {} } = pod;
  const terminating = metadata.deletionTimestamp !== undefined;
  const waiting = status.containerStatuses?.find(({ state }) => state?.waiting?.reason !== undefined);
  const ports = spec.containers?.flatMap((container) => container.ports ?? []) ?? [];
  const running =
    status.phase === "Running" ? "running, but not ready" : (status.phase ?? "in no known state");
  return {
    namespace: metadata.namespace ?? "",
    name: metadata.name ?? "",
    port: ports.find(({ name }) => name === "grpc")?.containerPort ?? PORT_DEFAULT,
    ready:
      !terminating &&
      (status.conditions ?? []).some(({ type, status: is }) => type === "Ready" && is === "True"),
    state: terminating ? "ending" : (waiting?.state?.waiting?.reason ?? running),
  };
}

// A user of one namespace may have no access to the default one and still see whotalks elsewhere.
function emptyWhereForbidden(error: unknown): readonly Candidate[] {
  if (error instanceof KubernetesError && error.code === "forbidden") return [];
  throw asFailure(error);
}

/** Converts a failed call to the API server to the command line's error. */
export function asFailure(error: unknown): unknown {
  if (!(error instanceof KubernetesError)) return error;
  const sentence = `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}`;
  const advice =
    error.code === "unauthorized" ? " Your credentials were not accepted: check the kubeconfig's user." : "";
  return new FailureError(`${sentence}${sentence.endsWith(".") ? "" : "."}${advice}`, { cause: error });
}
