// Maps a pod to its workload: the owner that a person would name. ReplicaSets and Jobs are skipped, even if
// they are deleted and only their names are known.

import type { OwnerReference } from "./cluster-objects.ts";

/** The top owner of a pod. */
interface Workload {
  readonly kind: string;
  readonly name: string;
}

/** The fields of a pod that determine its workload. */
export interface OwnedPod {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The controlling owner; its uid is empty if only kind and name are known. */
  readonly owner: OwnerReference | null;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
}

/**
 * The owner's own controlling owner: null if it has none, undefined if the owner is not (or no longer) known.
 */
type OwnerLookup = (namespace: string, owner: OwnerReference) => OwnerReference | null | undefined;

/** A CronJob's Jobs are named after their scheduled minute, and their pods are created soon after it. */
const CRON_LATENESS_MINUTES = 24 * 60;

/** Names the workload of a pod. */
export function workloadOf(pod: OwnedPod, ownerOf: OwnerLookup): Workload {
  const { owner } = pod;
  // A node's static pods are owned by the Node; their workload is the bare pod.
  if (owner === null || owner.kind === "Node") return bareWorkload(pod);
  const above = ownerOf(pod.namespace, owner);
  if (above) return { kind: above.kind, name: above.name };
  if (above === undefined) return goneWorkload(pod, owner);
  return { kind: owner.kind, name: owner.name };
}

function bareWorkload(pod: OwnedPod): Workload {
  const suffix = `-${pod.node}`;
  if (pod.owner !== null && pod.node !== "" && pod.name.endsWith(suffix)) {
    return { kind: "Pod", name: pod.name.slice(0, -suffix.length) };
  }
  return { kind: "Pod", name: pod.labels["app.kubernetes.io/name"] ?? pod.name };
}

// A Deployment names its ReplicaSets <deployment>-<pod-template-hash>, a CronJob its Jobs <cronjob>-<minutes
// since 1970> (pkg/controller/deployment/sync.go, pkg/controller/cronjob/utils.go).
function goneWorkload(pod: OwnedPod, owner: OwnerReference): Workload {
  if (owner.kind === "ReplicaSet") {
    const hash = pod.labels["pod-template-hash"];
    if (hash !== undefined && hash !== "" && owner.name.endsWith(`-${hash}`)) {
      return { kind: "Deployment", name: owner.name.slice(0, -hash.length - 1) };
    }
  }
  if (owner.kind === "Job") {
    const match = /^(.+)-(\d{8,9})$/.exec(owner.name);
    const late = match === null ? -1 : pod.createdMs / 60_000 - Number(match[2]);
    if (match !== null && late >= -1 && late <= CRON_LATENESS_MINUTES)
      return { kind: "CronJob", name: match[1]! };
  }
  return { kind: owner.kind, name: owner.name };
}
