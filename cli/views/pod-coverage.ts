// The table of pods that `coverage -o wide` prints below the nodes: how completely each pod was read.

import type { PodCoverage } from "../../lib/gen/whotalks/v1/query.ts";
import { formatAge } from "../text/age.ts";
import { countColumn, type InnerTable } from "./view.ts";

/** Characters shown of a container id: enough to be unique, as in container tools. */
const CONTAINER_ID_SHOWN = 12;

/** One row per pod, and per network namespace outside pods. */
export const podsTable: InnerTable<PodCoverage> = {
  items: ({ pods }) => pods,
  columns: [
    { key: "pod", header: "POD", cell: nameOf, rank: nameOf },
    { key: "node", header: "NODE", cell: (pod) => pod.node, rank: (pod) => pod.node },
    { key: "status", header: "STATUS", cell: (pod) => pod.status, rank: (pod) => pod.status },
    { key: "destroyed", header: "DESTROYED", cell: (pod) => pod.destroyed, rank: (pod) => pod.destroyed },
    countColumn("opened", "ENDS-OPENED", counted("openedByKernel")),
    countColumn("seen", "ENDS-SEEN", counted("seen")),
    countColumn("unseen", "ENDS-UNSEEN", counted("unseen")),
    countColumn("failed", "ATTEMPTS-FAILED", counted("failedByKernel")),
    {
      key: "since",
      header: "SINCE",
      cell: (pod, { nowMs }) => (pod.sinceMs === 0 ? "" : formatAge(nowMs - pod.sinceMs)),
      rank: (pod) => pod.sinceMs,
    },
    {
      key: "cost",
      header: "COST",
      cell: (pod) => (pod.readMicros === 0 ? "" : `${pod.readMicros}us`),
      rank: (pod) => pod.readMicros,
    },
    { key: "reason", header: "REASON", cell: (pod) => pod.reason, rank: (pod) => pod.reason },
  ],
  tone: ({ status, unseen }) =>
    unseen > 0 || status === "unread" || status === "failed"
      ? "bad"
      : status === "ended" || status === "unobservable"
        ? "quiet"
        : "plain",
};

// Rows without an account have no counts.
function counted(
  field: "openedByKernel" | "seen" | "unseen" | "failedByKernel",
): (pod: PodCoverage) => number | undefined {
  return (pod) => (pod.sinceMs === 0 ? undefined : pod[field]);
}

function nameOf(pod: PodCoverage): string {
  if (pod.pod !== "") return `${pod.namespace}/${pod.pod}`;
  if (pod.podUid !== "") return `pod ${pod.podUid}`;
  if (pod.hostNetwork) return "(node)";
  if (pod.container !== "") return `container ${pod.container.slice(0, CONTAINER_ID_SHOWN)}`;
  return `namespace ${pod.networkNamespace}`;
}
