// /proc/<pid>/cgroup (kernel/cgroup/cgroup.c proc_cgroup_show) → the container, the pod and the systemd unit
// that a process is in. Container runtimes and kubelets tell them by how they name control groups; there is no
// other trace of them in the kernel. A pure function of the text: the mapping from ids to names is someone
// else's.
//
// Known shapes, of cgroup v1 (one line a hierarchy) and v2 (one line, "0::"), innermost first where they are
// nested:
//   cgroupfs driver   /kubepods/burstable/pod<uid>/<container>
//   systemd driver    /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid_>.slice/cri-containerd-<container>.scope
//   CRI-O, Docker, Podman: crio-, docker-, libpod-<container>.scope, /docker/<container>, /libpod_parent/libpod-<container>
//   kind: /docker/<node container>/kubelet.slice/kubelet-kubepods.slice/… as above

/** Where a process belongs; each empty where the cgroup does not say. */
export interface CgroupIdentity {
  /** 64 hexadecimal digits as a rule. */
  readonly containerId: string;
  /** The pod's uid with dashes, or the 32 digits of a static pod's configuration hash. */
  readonly podUid: string;
  /** Innermost systemd service or scope that is no container's. */
  readonly unit: string;
}

const NOWHERE: CgroupIdentity = { containerId: "", podUid: "", unit: "" };

/**
 * Reads the file's text. Of several hierarchies the one that says most counts, the unified one (v2) before
 * others.
 */
export function parseCgroup(text: string): CgroupIdentity {
  let best = NOWHERE;
  let bestWeight = 0;
  for (const line of text.split("\n")) {
    // hierarchy:controllers:path; only the path may hold colons.
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

// A container's id: alone, or behind its runtime's name and before ".scope".
const CONTAINER = /^(?:(?<runtime>[a-z][a-z0-9_-]*)-)?(?<id>[0-9a-f]{64})(?:\.scope)?$/;

// containerd told to use systemd's names with the cgroupfs driver: one segment for pod, runtime and container.
const COLON_SEPARATED = /^(?<pod>[^:]+):(?<runtime>[^:]+):(?<id>[0-9a-f]{64})$/;

const POD = /(?:^|-)pod(?<uid>[0-9a-f]{32}|[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})(?:\.slice)?$/;

const UNIT = /\.(?:service|scope)$/;

function identityOf(path: string): CgroupIdentity {
  const segments = path
    .replace(/ \(deleted\)$/, "")
    .split("/")
    .flatMap(splitColons);
  const podIndex = segments.findLastIndex((segment) => POD.test(segment));
  // A pod's container is the one right below the pod; containers that run within it (Docker in Docker) are its
  // own affair, and no API names them.
  const containerIndex =
    podIndex < 0
      ? segments.findLastIndex((segment) => containerOf(segment) !== "")
      : segments.findIndex((segment, index) => index > podIndex && containerOf(segment) !== "");
  // What stands outside a container or pod is its runtime's unit, not its own.
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

// The id of the container whose control group a segment is; empty where it is none. The monitors (conmon) that
// CRI-O and Podman start beside each container carry its id, but are not in it.
function containerOf(segment: string): string {
  const groups = CONTAINER.exec(segment)?.groups;
  return groups === undefined || groups["runtime"]?.endsWith("conmon") === true ? "" : groups["id"]!;
}
