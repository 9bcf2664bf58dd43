// Extracts from the API server's object the few fields of a pod that reports carry. Pure.

import type { Pod, PodContainer } from "../../../lib/gen/whotalks/v1/report.ts";

/** Maximum labels kept of one pod; Kubernetes only limits the object's size, workloads have about ten. */
export const LABELS_MAX = 64;
/** Maximum containers kept of one pod, including init and ephemeral ones. */
export const CONTAINERS_MAX = 128;
/** Maximum addresses kept of one pod; it has one per family. */
const ADDRESSES_MAX = 8;

/** A pod as the API server has it now: everything that does not depend on when the agent saw it. */
type PodFields = Omit<Pod, "firstSeen" | "ended">;

/** A pod's fields, and whether its containers are done (phase Succeeded or Failed). */
interface ReadPod {
  readonly fields: PodFields;
  readonly finished: boolean;
}

/**
 * Reads a v1 Pod from the API server's JSON; null if it is not one (no uid, name or namespace). Fields of the
 * wrong type count as absent.
 */
export function readPod(object: unknown): ReadPod | null {
  const pod = record(object);
  const metadata = record(pod["metadata"]);
  const spec = record(pod["spec"]);
  const status = record(pod["status"]);
  const uid = text(metadata["uid"]);
  const name = text(metadata["name"]);
  const namespace = text(metadata["namespace"]);
  if (uid === "" || name === "" || namespace === "") return null;
  const owner = list(metadata["ownerReferences"])
    .map(record)
    .find((reference) => reference["controller"] === true);
  const phase = text(status["phase"]);
  return {
    fields: {
      uid,
      namespace,
      name,
      ownerKind: text(owner?.["kind"]),
      ownerName: text(owner?.["name"]),
      labels: labels(metadata["labels"]),
      addresses: addresses(status),
      serviceAccount: text(spec["serviceAccountName"]),
      hostNetwork: spec["hostNetwork"] === true,
      containers: containers(spec, status),
      phase,
    },
    finished: phase === "Succeeded" || phase === "Failed",
  };
}

function labels(value: unknown): Record<string, string> {
  const pairs = Object.entries(record(value)).filter(
    (pair): pair is [string, string] => typeof pair[1] === "string",
  );
  return Object.fromEntries(pairs.slice(0, LABELS_MAX));
}

// Before Kubernetes 1.16 there was only podIP, and a starting pod may have it before podIPs.
function addresses(status: Record<string, unknown>): string[] {
  const all = list(status["podIPs"]).map((entry) => text(record(entry)["ip"]));
  const found = [...all, text(status["podIP"])].filter((address) => address !== "");
  return [...new Set(found)].slice(0, ADDRESSES_MAX);
}

const containerKinds = [
  ["containers", "containerStatuses"],
  ["initContainers", "initContainerStatuses"],
  ["ephemeralContainers", "ephemeralContainerStatuses"],
] as const;

function containers(spec: Record<string, unknown>, status: Record<string, unknown>): PodContainer[] {
  const found: PodContainer[] = [];
  for (const [specs, statuses] of containerKinds) {
    const ids = new Map(
      list(status[statuses])
        .map(record)
        .map((entry) => [text(entry["name"]), withoutPrefix(text(entry["containerID"]))]),
    );
    for (const container of list(spec[specs]).map(record)) {
      const name = text(container["name"]);
      found.push({ name, id: ids.get(name) ?? "", image: text(container["image"]) });
    }
  }
  return found.slice(0, CONTAINERS_MAX);
}

// "containerd://0123…" → "0123…", as in cgroup paths.
function withoutPrefix(id: string): string {
  return id.slice(id.indexOf("://") < 0 ? 0 : id.indexOf("://") + 3);
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
