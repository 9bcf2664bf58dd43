// /proc/<pid>/cgroup (kernel/cgroup/cgroup.c proc_cgroup_show) → the container, the pod and the systemd unit
// that a process is in. Container runtimes and kubelets encode them in the names of control groups; the
// kernel has no other trace of them. A pure function of the text, which does not map ids to names.
//
// Known shapes, of cgroup v1 (one line per hierarchy) and v2 (one line, "0::"); the innermost counts if they
// are nested:
//   cgroupfs driver   /kubepods/burstable/pod<uid>/<container>
//   systemd driver    /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid_>.slice/cri-containerd-<container>.scope
//   CRI-O, Docker, Podman: crio-, docker-, libpod-<container>.scope, /docker/<container>, /libpod_parent/libpod-<container>
//   kind: /docker/<node container>/kubelet.slice/kubelet-kubepods.slice/… as above

/** What a process belongs to; each is empty if the cgroup does not say. */
export interface CgroupIdentity {
  /** Usually 64 hexadecimal digits. */
  readonly containerId: string;
  /** The pod's uid with dashes, or the 32 digits of a static pod's configuration hash. */
  readonly podUid: string;
  /** Innermost systemd service or scope that is not a container's. */
  readonly unit: string;
}

const NOWHERE: CgroupIdentity = { containerId: "", podUid: "", unit: "" };

/**
 * Parses the file's text. Of several hierarchies the most specific one counts, the unified one (v2) before
 * others.
 */
export function parseCgroup(text: string): CgroupIdentity {
  let best = NOWHERE;
  let bestWeight = 0;
  for (const line of text.split("\n")) {
    // hierarchy:controllers:path; only the path may contain colons.
    const match = /^(\d+):([^:]*):(\/.*)$/.exec(line);
    if (match === null) continue;
    const identity = identityOf(match[3]!);
    // A pod or a container outweighs a unit; at equal content the unified and systemd's hierarchies are right.
    const preferred = match[1] === "0" || match[2] === "name=systemd";
    const weight =
      (identity.containerId === "" ? 0 : 8) +
      (identity.podUid === "" ? 0 : 4) +
      (identity.unit === "" ? 0 : 2) +
      (preferred ? 1 : 0);
    if (identity !== NOWHERE && weight > bestWeight) {
      best = identity;
      bestWeight = weight;
    }
  }
  return best;
}

// A container's id: alone, or between its runtime's name and ".scope".
const CONTAINER = /^(?:(?<runtime>[a-z][a-z0-9_-]*)-)?(?<id>[0-9a-f]{64})(?:\.scope)?$/;

// containerd configured for systemd's names with the cgroupfs driver: one segment for pod, runtime and
// container.
const COLON_SEPARATED = /^(?<pod>[^:]+):(?<runtime>[^:]+):(?<id>[0-9a-f]{64})$/;

const POD = /(?:^|-)pod(?<uid>[0-9a-f]{32}|[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})(?:\.slice)?$/;

const UNIT = /\.(?:service|scope)$/;

function identityOf(path: string): CgroupIdentity {
  const segments = path
    .replace(/ \(deleted\)$/, "")
    .split("/")
    .flatMap(splitColons);
  const podIndex = segments.findLastIndex((segment) => POD.test(segment));
  // A pod's container is the one directly below the pod; no API names containers that run inside it (Docker
  // in Docker).
  const containerIndex =
    podIndex < 0
      ? segments.findLastIndex((segment) => containerOf(segment) !== "")
      : segments.findIndex((segment, index) => index > podIndex && containerOf(segment) !== "");
  // A unit outside a container or pod is its runtime's, not its own.
  const unitIndex = segments.findLastIndex((segment) => UNIT.test(segment) && !CONTAINER.test(segment));
  const containerId = containerIndex < 0 ? "" : containerOf(segments[containerIndex]!);
  const podUid = podIndex < 0 ? "" : POD.exec(segments[podIndex]!)!.groups!["uid"]!.replaceAll("_", "-");
  const unit = unitIndex > Math.max(containerIndex, podIndex) ? segments[unitIndex]! : "";
  return containerId === "" && podUid === "" && unit === "" ? NOWHERE : { containerId, podUid, unit };
}

function splitColons(segment: string): readonly string[] {
  const groups = COLON_SEPARATED.exec(segment)?.groups;
  return groups === undefined ? [segment] : [groups["pod"]!, `${groups["runtime"]}-${groups["id"]}`];
}

// Returns the id of the container whose control group a segment is, or "" if it is none. The monitors
// (conmon) that CRI-O and Podman start for each container have its id in their names, but are not in it.
function containerOf(segment: string): string {
  const groups = CONTAINER.exec(segment)?.groups;
  return groups === undefined || groups["runtime"]?.endsWith("conmon") === true ? "" : groups["id"]!;
}
